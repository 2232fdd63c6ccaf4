package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const secret = "ghp_SECRETSECRETSECRET"

func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// quick does not sleep and counts how long it would have.
func quick(slept *time.Duration) Options {
	return Options{Sleep: func(_ context.Context, d time.Duration) error {
		if slept != nil {
			*slept += d
		}
		return nil
	}}
}

func client(t *testing.T, base string, opts Options) *Client {
	t.Helper()
	c, err := New(base, Token(secret), opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAddresses(t *testing.T) {
	for base, ok := range map[string]bool{
		"https://git.example.com":                  true,
		"https://git.example.com/gitea/":           true,
		"http://127.0.0.1:3000":                    true,
		"http://[::1]:3000":                        true,
		"http://localhost:3000":                    true,
		"http://git.example.com":                   false,
		"https://u:" + secret + "@git.example.com": false,
		"https://u:" + secret + "@%zz":             false,
		"git.example.com":                          false,
		"ftp://git.example.com":                    false,
		"https://git.example.com/?token=x":         false,
		"":                                         false,
	} {
		_, err := New(base, Nobody(), Options{})
		if (err == nil) != ok {
			t.Errorf("New(%q): %v", base, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error says a password: %v", err)
		}
	}
	if _, err := New("http://git.example.com", Nobody(), Options{Plain: true}); err != nil {
		t.Errorf("http was allowed, and: %v", err)
	}
}

func TestErrorsSayNoToken(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message": "you sent\u0007 %s\nand it is bad", "errors": [{"field": "x"}]}`, r.Header.Get("Authorization"))
	})
	_, err := client(t, url, quick(nil)).Do(t.Context(), Request{Path: "/a%2Fb", Query: map[string][]string{"q": {"x y"}}})
	want := "GET " + url + `/a%2Fb?q=x+y: 403 Forbidden (you sent  Bearer *** and it is bad; [{"field":"x"}])`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestRedirects(t *testing.T) {
	var other atomic.Int64
	away := serve(t, func(http.ResponseWriter, *http.Request) { other.Add(1) })
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, away+"/?"+secret, http.StatusMovedPermanently)
		case "/here":
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		case "/there":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `"`+r.Header.Get("Authorization")+`"`)
		}
	})
	c := client(t, url, quick(nil))
	var got string
	if err := c.JSON(t.Context(), Request{Path: "/here"}, &got); err != nil || got != "Bearer "+secret {
		t.Errorf("a redirect on the same server: %q, %v", got, err)
	}
	asked.Store(0)
	for _, req := range []Request{{Path: "/away"}, {Method: http.MethodPost, Path: "/here"}, {Method: http.MethodDelete, Path: "/here"}} {
		_, err := c.Do(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s %s: %v", req.Method, req.Path, err)
		}
	}
	if other.Load() != 0 || asked.Load() != 3 {
		t.Errorf("%d requests elsewhere and %d here, want 0 and 3", other.Load(), asked.Load())
	}
}

// TestRepeats holds what is sent again: what reads or says the same, after a failure
// of the server; what was refused because of a limit; nothing else.
func TestRepeats(t *testing.T) {
	cases := []struct {
		method string
		once   bool
		status int
		header string
		want   int64
	}{
		{method: "GET", status: 502, want: 4},
		{method: "PUT", status: 503, want: 4},
		{method: "PUT", once: true, status: 503, want: 1},
		{method: "POST", status: 500, want: 1},
		{method: "PATCH", status: 502, want: 1},
		{method: "DELETE", status: 502, want: 4},
		{method: "GET", status: 404, want: 1},
		{method: "GET", status: 403, want: 1},
		{method: "POST", status: 429, header: "Retry-After", want: 4},
		{method: "POST", status: 403, header: "Retry-After", want: 4},
	}
	for _, c := range cases {
		var asked atomic.Int64
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			if c.header != "" {
				w.Header().Set(c.header, "0")
			}
			w.WriteHeader(c.status)
		})
		_, err := client(t, url, quick(nil)).Do(t.Context(), Request{Method: c.method, Path: "/x", Once: c.once, Body: map[string]int{"a": 1}})
		if Status(err) != c.status || asked.Load() != c.want {
			t.Errorf("%s with %d: asked %d times, want %d (%v)", c.method, c.status, asked.Load(), c.want, err)
		}
	}
}

func TestRefusedTokenIsRenewed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	write("old\n")
	c, err := New(url, TokenFile(file), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), Request{Path: "/"}); Status(err) != http.StatusUnauthorized || asked.Load() != 1 {
		t.Errorf("with an old token: %v after %d requests", err, asked.Load())
	}
	write("old\n")
	c, err = New(url, TokenFile(file), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Do(t.Context(), Request{Path: "/"})
	write("new\n")
	asked.Store(0)
	if _, err := c.Do(t.Context(), Request{Path: "/"}); err != nil {
		t.Errorf("after the file was replaced: %v", err)
	}
	write("two words")
	c, err = New(url, TokenFile(file), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), Request{Path: "/"}); err == nil || strings.Contains(err.Error(), "two words") {
		t.Errorf("a file that holds no token: %v", err)
	}
}

// TestLimits holds how long a server is left alone, for each way to say so.
func TestLimits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0).UTC()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	cases := map[string]struct {
		status int
		header http.Header
		body   string
		hit    bool
		wait   time.Duration // from now on nothing is sent
	}{
		"seconds":                 {429, header("Retry-After", "30"), "", true, 30 * time.Second},
		"a date":                  {429, header("Retry-After", now.Add(time.Minute).Format(http.TimeFormat)), "", true, time.Minute},
		"until the reset":         {403, header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1800000090"), "", true, 90 * time.Second},
		"GitLab's reset":          {429, header("RateLimit-Remaining", "0", "RateLimit-Reset", "1800000020"), "", true, 20 * time.Second},
		"nothing but words":       {403, header(), `{"message": "You have exceeded a secondary rate limit"}`, true, time.Minute},
		"no words even":           {429, header(), "", true, time.Minute},
		"a lie of years":          {429, header("Retry-After", "99999999"), "", true, longest},
		"nonsense":                {429, header("Retry-After", "soon"), "", true, time.Minute},
		"below nothing":           {429, header("Retry-After", "-5"), "", true, time.Minute},
		"the last that was given": {200, header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1800000040"), "", false, 40 * time.Second},
		"enough left":             {200, header("X-RateLimit-Remaining", "12", "X-RateLimit-Reset", "1800000040"), "", false, 0},
		"simply forbidden":        {403, header("X-RateLimit-Remaining", "12"), `{"message": "no"}`, false, 0},
		"a reset that is past":    {200, header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1700000000"), "", false, 0},
	}
	for name, c := range cases {
		var l limits
		_, hit := l.note(Answer{Status: c.status, Header: c.header, Body: []byte(c.body)}, now)
		if wait := max(l.until.Sub(now), 0); hit != c.hit || wait != c.wait {
			t.Errorf("%s: refused %v, wait %v; want %v, %v", name, hit, wait, c.hit, c.wait)
		}
	}
	var l limits
	for i, wait := range []time.Duration{1, 2, 4, 8, 15, 15} {
		at := now.Add(time.Duration(i) * time.Hour)
		if l.note(Answer{Status: 429}, at); l.until.Sub(at) != wait*time.Minute {
			t.Errorf("refusal %d in a row: wait %v, want %v min", i+1, l.until.Sub(at), wait)
		}
	}
}

func TestEndOfContextEndsWaiting(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	begun := time.Now()
	_, err := client(t, url, Options{}).Do(ctx, Request{Path: "/"})
	if took := time.Since(begun); err == nil || took > 900*time.Millisecond {
		t.Errorf("it took %v: %v", took, err)
	}
}

func TestTooLarge(t *testing.T) {
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `"`+strings.Repeat("x", 2000)+`"`)
	})
	opts := quick(nil)
	opts.MaxBody = 1000
	var into string
	err := client(t, url, opts).JSON(t.Context(), Request{Path: "/"}, &into)
	if err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") || asked.Load() != 1 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

func TestKeptAnswersAreBounded(t *testing.T) {
	e := newETags(1000)
	answer := func(n int) Answer {
		return Answer{Header: http.Header{"Etag": {"t"}}, Body: make([]byte, n)}
	}
	for i := range 100 {
		e.put(fmt.Sprint(i), answer(90))
		e.get("0") // in use
	}
	if e.bytes > 1000 || len(e.by) != e.order.Len() || len(e.by) < 9 {
		t.Errorf("%d bytes in %d answers", e.bytes, len(e.by))
	}
	if _, tag := e.get("0"); tag == "" {
		t.Error("what is in use went")
	}
	if _, tag := e.get("50"); tag != "" {
		t.Error("what is old stayed")
	}
	e.put("0", answer(900))
	if _, tag := e.get("0"); tag != "" {
		t.Error("an answer that fills all was kept")
	}
	e.put("99", Answer{Header: http.Header{}, Body: []byte("new")})
	if _, tag := e.get("99"); tag != "" {
		t.Error("an answer without a tag left the old one")
	}
}

// TestListBelievesWhatIsProven tries lists of many lengths and page sizes.
func TestListBelievesWhatIsProven(t *testing.T) {
	for total := range 23 {
		for _, linked := range []bool{true, false} {
			url := serve(t, pages(total, 5, linked))
			l := Listing[int]{Path: "/", Size: 5, Key: func(i int) string { return fmt.Sprint(i) }}
			got, err := List(t.Context(), client(t, url, quick(nil)), l)
			if err != nil || len(got) != total {
				t.Errorf("%d items, linked %v: %d came, %v", total, linked, len(got), err)
			}
		}
	}
}

// pages serves the numbers from 1 on.
func pages(total, size int, linked bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var page int
		fmt.Sscan(r.URL.Query().Get("page"), &page)
		var items []string
		for i := (page-1)*size + 1; i <= min(page*size, total); i++ {
			items = append(items, fmt.Sprint(i))
		}
		if linked && page*size < total {
			w.Header().Set("Link", fmt.Sprintf(`</?page=%d>; rel="next"`, page+1))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "["+strings.Join(items, ",")+"]")
	}
}

func TestListEndsSomewhere(t *testing.T) {
	url := serve(t, pages(1<<30, 1, true))
	l := Listing[int]{Path: "/", Size: 1, Key: func(i int) string { return fmt.Sprint(i) }}
	if _, err := List(t.Context(), client(t, url, quick(nil)), l); err == nil || !strings.Contains(err.Error(), "more than 300 pages") {
		t.Error(err)
	}
}

// TestListMoves holds that an item which goes while its list is read hides no other.
func TestListMoves(t *testing.T) {
	items := []int{}
	for i := range 20 {
		items = append(items, i+1)
	}
	var mu sync.Mutex
	gone := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Query().Get("page") == "2" && gone == 0 { // between the first page and the second
			items, gone = append(items[1:], 21), 1
		}
		var page int
		fmt.Sscan(r.URL.Query().Get("page"), &page)
		part := items[min((page-1)*5, len(items)):min(page*5, len(items))]
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Total", fmt.Sprint(len(items)))
		fmt.Fprint(w, strings.ReplaceAll(fmt.Sprint(part), " ", ","))
	})
	l := Listing[int]{Path: "/", Size: 5, Total: "X-Total", Key: func(i int) string { return fmt.Sprint(i) }}
	got, err := List(t.Context(), client(t, url, quick(nil)), l)
	if err != nil || len(got) != 20 || got[0] != 2 || got[4] != 6 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestClock holds that the server's clock is what it said with any answer, goes on with
// ours, and never goes back.
func TestClock(t *testing.T) {
	ours := time.Unix(1_800_000_000, 0)
	theirs := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var date, status atomic.Value
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil // or the server sets it
		if text := date.Load().(string); text != "" {
			w.Header().Set("Date", text)
		}
		w.Header().Set("ETag", `"t"`)
		w.WriteHeader(status.Load().(int))
	})
	opts := quick(nil)
	opts.Tries, opts.Now = 1, func() time.Time { return ours }
	c := client(t, url, opts)
	at := func(seconds int) string {
		return theirs.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
	}
	for _, step := range []struct {
		what   string
		passes time.Duration // before the answer
		date   string
		status int
		want   time.Duration // after theirs; below 0 for zero
	}{
		{"no date", 0, "", 200, -1},
		{"nonsense", time.Second, "soon", 200, -1},
		{"a failure", time.Second, at(0), 500, 0},
		{"no date any more", 1500 * time.Millisecond, "", 200, 1500 * time.Millisecond},
		{"a date before", time.Second, at(1), 200, 2500 * time.Millisecond},
		{"the same date", 250 * time.Millisecond, at(1), 404, 2750 * time.Millisecond},
		{"nonsense later", 250 * time.Millisecond, "soon", 200, 3 * time.Second},
		{"a date ahead", time.Second, at(60), 200, time.Minute},
		{"unchanged", time.Second, at(90), 304, 90 * time.Second},
		{"our clock is put back", -time.Hour, "", 200, 90 * time.Second},
	} {
		ours = ours.Add(step.passes)
		date.Store(step.date)
		status.Store(step.status)
		_, _ = c.Do(t.Context(), Request{Path: "/"})
		want := time.Time{}
		if step.want >= 0 {
			want = theirs.Add(step.want)
		}
		if got := c.Clock(); !got.Equal(want) {
			t.Errorf("%s: it is %v, want %v", step.what, got, want)
		}
	}
}

func TestJSONIsOneValue(t *testing.T) {
	body := atomic.Pointer[string]{}
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, *body.Load())
	})
	for _, text := range []string{"", "{", `{"a":1}{"a":2}`, `{"a":1} x`, "<html>"} {
		body.Store(&text)
		var into map[string]int
		err := client(t, url, quick(nil)).JSON(t.Context(), Request{Path: "/"}, &into)
		if e := (*Error)(nil); !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzLinks(f *testing.F) {
	for _, seed := range []string{
		`<https://api.example.com/x?page=2>; rel="next", <https://api.example.com/x?page=9>; rel="last"`,
		`<a>; rel=next`, `<a>;title="x, y";rel="prev next"`, `<<>>,;=`, `<a`, `, ,`, `<?page=0>; rel="next"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		links := Links(header)
		for _, rel := range []string{"next", "prev", "last"} {
			if n, ok, err := links.page(rel); err == nil && ok && n < 1 {
				t.Errorf("%q names page %d", header, n)
			}
		}
		told := turn{total: -1}
		_ = told.hear(http.Header{"Link": {header}, "X-Total": {header}}, 1, 1, counts{"X-Total", false})
	})
}

func FuzzMessage(f *testing.F) {
	f.Add(`{"message": "`+secret+`"}`, `x`)
	f.Add(`{"error": {"a": [1, "b"]}, "errors": [{}]}`, `3`)
	f.Fuzz(func(t *testing.T, body, header string) {
		answer := Answer{Status: 403, Header: http.Header{"Retry-After": {header}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {header}}, Body: []byte(body)}
		if text := message(answer, secret); strings.Contains(text, secret) || len(text) > 420 || strings.ContainsAny(text, "\n\r\x00") {
			t.Errorf("%q", text)
		}
		var l limits
		now := time.Unix(1_800_000_000, 0)
		if until, _ := l.note(answer, now); until.After(now.Add(longest)) {
			t.Errorf("waits until %v", until)
		}
	})
}
