package api

import (
	"net/http"
	"strconv"

	"github.com/fairway-dev/fairway/pkg/review"
	"github.com/fairway-dev/fairway/pkg/status"
)

// Pulls tells of the open pull requests.
type Pulls interface {
	// List gives all that are known, by number, and why that may be old.
	List() ([]status.PullRequest, error)
	// Show gives one with its report, and the report as text; false if there is none.
	Show(number int) (status.PullRequest, review.Report, string, bool)
}

func (s *Server) pulls() access {
	return func(w http.ResponseWriter, _ *http.Request, _ bool) {
		items, message := []status.PullRequest{}, "no forge is configured; see serve --help for --forge"
		if s.o.Pulls != nil {
			list, err := s.o.Pulls.List()
			if items, message = append(items, list...), ""; err != nil {
				message = err.Error()
			}
		}
		answer(w, http.StatusOK, object{apiVersion, "PullRequestList", map[string]string{"message": message}, items})
	}
}

func (s *Server) pull() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		number, err := strconv.Atoi(r.PathValue("number"))
		if err != nil || s.o.Pulls == nil {
			fail(w, http.StatusNotFound, "not-found", "there is no such pull request")
			return
		}
		p, report, text, ok := s.o.Pulls.Show(number)
		if !ok {
			fail(w, http.StatusNotFound, "not-found", "there is no such open pull request that is known")
			return
		}
		answer(w, http.StatusOK, struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			status.PullRequest
			Report review.Report `json:"report"`
			Text   string        `json:"text"`
		}{apiVersion, "PullRequest", p, report, text})
	}
}
