package contract

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Fault is something that comes between a client and a forge.
type Fault func(next http.Handler) http.Handler

// tagged gives each GET an ETag, and 304 to who has it.
func tagged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		rec := record(next, r)
		if rec.Code == http.StatusOK {
			sum := sha256.Sum256(append(rec.Body.Bytes(), rec.Header().Get("Link")...))
			tag := `W/"` + hex.EncodeToString(sum[:8]) + `"`
			rec.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.Header().Set("ETag", tag)
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		replay(w, rec, rec.Body.Bytes())
	})
}

func record(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}

func replay(w http.ResponseWriter, rec *httptest.ResponseRecorder, body []byte) {
	for key, values := range rec.Header() {
		w.Header()[key] = values
	}
	if w.Header().Get("Content-Length") != "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// Reading lets a fault at requests that read, whose answers are then whole and fresh,
// and all others pass.
func Reading(fault func(w http.ResponseWriter, r *http.Request, next http.Handler)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				next.ServeHTTP(w, r)
				return
			}
			r.Header.Del("If-None-Match")
			r.Header.Del("Accept-Encoding")
			fault(w, r, next)
		})
	}
}

// Behind answers as many reads as are left with the answer before them, as a forge does
// whose copies lag.
func Behind(left *atomic.Int32) Fault {
	var last atomic.Pointer[httptest.ResponseRecorder]
	return Reading(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := last.Load()
		if rec == nil || left.Add(-1) < 0 {
			left.Store(0)
			rec = record(next, r)
			last.Store(rec)
		}
		replay(w, rec, rec.Body.Bytes())
	})
}

// writing lets a fault at requests that change something, and all others pass.
func writing(fault http.HandlerFunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		fault(w, r)
	})
}

// Lost has what changes something done, and its answer cut off.
func Lost() Fault {
	return func(next http.Handler) http.Handler {
		return writing(func(_ http.ResponseWriter, r *http.Request) {
			record(next, r)
			panic(http.ErrAbortHandler)
		}, next)
	}
}

// Idle answers what changes something with how it is, and does nothing: with no labels to
// one that adds, with the thing itself to one that edits it.
func Idle() Fault {
	return func(next http.Handler) http.Handler {
		return writing(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				answer(w, http.StatusOK, []object{})
				return
			}
			look := r.Clone(r.Context())
			look.Method, look.Body, look.ContentLength = http.MethodGet, http.NoBody, 0
			next.ServeHTTP(w, look)
		}, next)
	}
}

// At lets a fault at paths with an end, and all others pass.
func At(end string, fault Fault) Fault {
	return func(next http.Handler) http.Handler {
		broken := fault(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, end) {
				broken.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Paged lets a fault at what comes in pages: the page that is asked for is given.
func Paged(fault func(w http.ResponseWriter, r *http.Request, page int, next http.Handler)) Fault {
	return Reading(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		page, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil {
			next.ServeHTTP(w, r)
			return
		}
		fault(w, r, page, next)
	})
}

// turn asks for another page than the client did.
func turn(r *http.Request, page int) *http.Request {
	other := r.Clone(r.Context())
	q := other.URL.Query()
	q.Set("page", strconv.Itoa(page))
	other.URL.RawQuery = q.Encode()
	return other
}

// Header changes the answers' headers.
func Header(change func(http.Header)) Fault {
	return Reading(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, r)
		change(rec.Header())
		replay(w, rec, rec.Body.Bytes())
	})
}

// Always answers every read with the same.
func Always(status int, contentType, body string, headers ...string) Fault {
	return Reading(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// First has a fault at the first n requests that read, and none after.
func First(n int, fault Fault) Fault {
	var seen atomic.Int64
	return func(next http.Handler) http.Handler {
		broken := fault(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && seen.Add(1) <= int64(n) {
				broken.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Lies are the faults after which nobody can know what a list holds. The away is a
// server of somebody else.
func Lies(away string) map[string]Fault {
	return map[string]Fault{
		"every request fails":   Always(http.StatusInternalServerError, "application/json", `{"message":"oh"}`),
		"bad gateway, in HTML":  Always(http.StatusBadGateway, "text/html", "<html>bad gateway</html>"),
		"HTML with 200":         Always(http.StatusOK, "text/html; charset=utf-8", "<html><body>Sign in</body></html>"),
		"HTML that says JSON":   Always(http.StatusOK, "application/json", "<html><body>Sign in</body></html>"),
		"nothing with 200":      Always(http.StatusOK, "application/json", ""),
		"no content":            Always(http.StatusNoContent, "", ""),
		"null":                  Always(http.StatusOK, "application/json", "null"),
		"an object":             Always(http.StatusOK, "application/json", `{"message":"moved"}`),
		"an error in an array":  Always(http.StatusOK, "application/json", `[{"message":"oh"}]`),
		"forbidden":             Always(http.StatusForbidden, "application/json", `{"message":"Resource not accessible"}`),
		"not found":             Always(http.StatusNotFound, "application/json", `{"message":"Not Found"}`),
		"unauthorized":          Always(http.StatusUnauthorized, "application/json", `{"message":"Bad credentials"}`),
		"not modified, unasked": Always(http.StatusNotModified, "", ""),
		"redirect to elsewhere": Always(http.StatusFound, "text/html", "", "Location", away+"/stolen"),
		"redirect to itself": Reading(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		}),
		"limit without an end":    Always(http.StatusForbidden, "application/json", `{"message":"You have exceeded a secondary rate limit."}`),
		"limit for an hour":       Always(http.StatusTooManyRequests, "application/json", `{"message":"slow down"}`, "Retry-After", "3600"),
		"JSON cut in the middle":  Reading(cutBody),
		"connection cut":          Reading(cutConnection),
		"more after the JSON":     Reading(func(w http.ResponseWriter, r *http.Request, next http.Handler) { addTo(w, r, next, `[]`) }),
		"one byte in a while":     Reading(drip),
		"an answer without end":   Reading(flood),
		"the list's second half":  Reading(half),
		"the request never heard": Reading(func(w http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }),
	}
}

// LiesOfPages are faults that only a list of three pages or more has.
func LiesOfPages() map[string]Fault {
	return map[string]Fault{
		"a page repeated": Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
			body := record(next, turn(r, 1)).Body.Bytes()
			replay(w, record(next, r), body)
		}),
		"a page missing": Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
			if page > 1 {
				page++
			}
			next.ServeHTTP(w, turn(r, page))
		}),
		"a page missing, and the Link agrees": Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
			rec := record(next, r)
			rec.Header().Set("Link", strings.ReplaceAll(rec.Header().Get("Link"), "page=2", "page=3"))
			replay(w, rec, rec.Body.Bytes())
		}),
		"the second page empty": Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
			if page == 2 {
				rec := record(next, turn(r, 99))
				replay(w, rec, rec.Body.Bytes())
				return
			}
			next.ServeHTTP(w, r)
		}),
		"the second page fails": Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
			if page == 2 {
				answer(w, http.StatusInternalServerError, object{"message": "oh"})
				return
			}
			next.ServeHTTP(w, r)
		}),
		"a Link that loops": Header(func(h http.Header) {
			h.Set("Link", `<https://elsewhere.example/list?page=1>; rel="next"`)
		}),
		"a Link without a number": Header(func(h http.Header) {
			h.Set("Link", `<https://elsewhere.example/list?after=abc>; rel="next"`)
		}),
		"each page is the first": Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
			next.ServeHTTP(w, turn(r, 1))
		}),
		"the list moves under the reader": moving(),
	}
}

// LiesOfTotals are faults of headers that count.
func LiesOfTotals(header string) map[string]Fault {
	set := func(value string) Fault { return Header(func(h http.Header) { h.Set(header, value) }) }
	return map[string]Fault{
		"a total that is less":    set("1"),
		"a total that is more":    set("100000"),
		"a total that is none":    set("some"),
		"a total that is below 0": set("-3"),
	}
}

// moving drops the first item of every second answer of a page, as if it had just gone.
func moving() Fault {
	var n atomic.Int64
	return Paged(func(w http.ResponseWriter, r *http.Request, page int, next http.Handler) {
		if page == 1 && n.Add(1)%2 == 1 {
			rec := record(next, r)
			body := rec.Body.Bytes()
			if end := bytes.Index(body, []byte(`},{"`)); end > 0 && body[0] == '[' {
				body = append([]byte("["), body[end+2:]...)
			}
			replay(w, rec, body)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func cutBody(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := record(next, r)
	replay(w, rec, rec.Body.Bytes()[:rec.Body.Len()/2])
}

// half keeps the end of an answer.
func half(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := record(next, r)
	replay(w, rec, rec.Body.Bytes()[(rec.Body.Len()+1)/2:])
}

func cutConnection(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := record(next, r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

func addTo(w http.ResponseWriter, r *http.Request, next http.Handler, more string) {
	rec := record(next, r)
	replay(w, rec, append(rec.Body.Bytes(), more...))
}

// drip sends an answer so slowly that nobody should wait for its end.
func drip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := record(next, r)
	w.Header().Set("Content-Type", "application/json")
	for _, b := range rec.Body.Bytes() {
		_, _ = w.Write([]byte{b})
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// flood sends spaces for as long as somebody reads.
func flood(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	spaces := bytes.Repeat([]byte(" "), 1<<16)
	for r.Context().Err() == nil {
		if _, err := w.Write(spaces); err != nil {
			return
		}
	}
}
