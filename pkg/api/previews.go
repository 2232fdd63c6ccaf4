package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/status"
)

// Previews tells of the previews of open pull requests, and asks the forge for what is
// wanted of them.
type Previews interface {
	Previews() []status.Preview
	Preview(ctx context.Context, w pulls.Wanted) (forge.PullRequest, error)
	Keep(ctx context.Context, number int, day time.Time) error
	Allow(ctx context.Context, number int, head string) error
	Remove(ctx context.Context, number int) error
}

// maxAsked bounds the body of a request.
const maxAsked = 16 << 10

func (s *Server) previews() access {
	return func(w http.ResponseWriter, _ *http.Request, _ bool) {
		items, message := []status.Preview{}, "no forge is configured; see serve --help for --forge"
		if s.o.Previews != nil {
			items, message = append(items, s.o.Previews.Previews()...), ""
		}
		answer(w, http.StatusOK, object{apiVersion, "PreviewList", map[string]string{"message": message}, items})
	}
}

// makePreview opens a pull request for an image.
func (s *Server) makePreview() access {
	return atTheForge(func(w http.ResponseWriter, r *http.Request, _ bool) {
		var wanted pulls.Wanted
		if !s.asked(w, r, &wanted) {
			return
		}
		pr, err := s.o.Previews.Preview(r.Context(), wanted)
		if err != nil {
			refused(w, err)
			return
		}
		answer(w, http.StatusCreated, made{apiVersion, "PullRequest", pr.Number, pr.URL})
	})
}

// made is the pull request that a preview is of.
type made struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Number     int    `json:"number"`
	URL        string `json:"url"`
}

// keepPreview keeps a preview until a day, or lets a head be previewed.
func (s *Server) keepPreview() access {
	return atTheForge(func(w http.ResponseWriter, r *http.Request, _ bool) {
		var wanted struct {
			Until string `json:"until"`
			Allow string `json:"allow"`
		}
		number, err := strconv.Atoi(r.PathValue("number"))
		if err != nil {
			fail(w, http.StatusNotFound, "not-found", "there is no such pull request")
			return
		}
		if !s.asked(w, r, &wanted) {
			return
		}
		day, err := time.Parse(time.DateOnly, wanted.Until)
		switch {
		case wanted.Allow != "" && wanted.Until == "":
			err = s.o.Previews.Allow(r.Context(), number, wanted.Allow)
		case wanted.Allow == "" && err == nil:
			err = s.o.Previews.Keep(r.Context(), number, day)
		default:
			fail(w, http.StatusBadRequest, "bad-request", "say until, as a day such as 2026-12-01, or allow, as the head to be let in")
			return
		}
		done(w, number, err)
	})
}

func (s *Server) endPreview() access {
	return atTheForge(func(w http.ResponseWriter, r *http.Request, _ bool) {
		number, err := strconv.Atoi(r.PathValue("number"))
		if err != nil || s.o.Previews == nil {
			fail(w, http.StatusNotFound, "not-found", "there is no such pull request")
			return
		}
		done(w, number, s.o.Previews.Remove(r.Context(), number))
	})
}

// forgeLimit is how long a request may wait for the forge, which is asked several times.
const forgeLimit = 2 * time.Minute

// atTheForge has requests wait longer than those that ask nobody else, and be answered.
func atTheForge(a access) access {
	return func(w http.ResponseWriter, r *http.Request, authorized bool) {
		ctx, cancel := context.WithTimeout(r.Context(), forgeLimit)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(forgeLimit + 10*time.Second)) // without, it may be cut off
		a(w, r.WithContext(ctx), authorized)
	}
}

// asked reads what is wanted; false where that was answered already.
func (s *Server) asked(w http.ResponseWriter, r *http.Request, into any) bool {
	if s.o.Previews == nil {
		fail(w, http.StatusNotFound, "not-found", "no forge is configured; see serve --help for --forge")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "bad-request", "the request cannot be read: "+err.Error())
		return false
	}
	return true
}

func done(w http.ResponseWriter, number int, err error) {
	if err != nil {
		refused(w, err)
		return
	}
	answer(w, http.StatusOK, made{APIVersion: apiVersion, Kind: "PullRequest", Number: number})
}

// refused says what cannot be done, or that the forge did not do it.
func refused(w http.ResponseWriter, err error) {
	if errors.Is(err, pulls.ErrAsked) {
		fail(w, http.StatusUnprocessableEntity, "refused", err.Error())
		return
	}
	fail(w, http.StatusBadGateway, "forge", err.Error())
}
