package api

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/review"
	"github.com/fairway-dev/fairway/pkg/status"
)

// proposed are open pull requests, one of which is known.
type proposed struct{ err error }

func (p proposed) List() ([]status.PullRequest, error) {
	return []status.PullRequest{{Number: 12, Title: "checkout may grow", Verdict: "3 units"}}, p.err
}

func (p proposed) Show(number int) (status.PullRequest, review.Report, string, bool) {
	if number != 12 {
		return status.PullRequest{}, review.Report{}, "", false
	}
	return status.PullRequest{Number: 12}, review.New(review.Input{Base: "b", Head: "h"}), "### Nothing would change", true
}

// TestPulls: pull requests are listed and shown; that what is known may be old is said,
// and one that is not known is not made up.
func TestPulls(t *testing.T) {
	ask := func(p Pulls, path string) (int, string) {
		o, _, _ := options(t)
		o.Pulls = p
		w := do(New(o).Handler(true), request(http.MethodGet, path))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		pulls Pulls
		path  string
		code  int
		says  string
	}{
		{proposed{}, "/api/v1/pulls", 200, `"verdict":"3 units"`},
		{proposed{}, "/api/v1/pulls", 200, `"message":""`},
		{proposed{errors.New("the forge is away")}, "/api/v1/pulls", 200, `"message":"the forge is away"`},
		{nil, "/api/v1/pulls", 200, `"items":[]`},
		{nil, "/api/v1/pulls", 200, `no forge is configured`},
		{proposed{}, "/api/v1/pulls/12", 200, `"text":"### Nothing would change"`},
		{proposed{}, "/api/v1/pulls/12", 200, `"kind":"PullRequest"`},
		{proposed{}, "/api/v1/pulls/13", 404, `no such open pull request that is known`},
		{proposed{}, "/api/v1/pulls/x", 404, `no such pull request`},
		{nil, "/api/v1/pulls/12", 404, `no such pull request`},
	} {
		if code, body := ask(c.pulls, c.path); code != c.code || !strings.Contains(strings.ReplaceAll(body, `": `, `":`), c.says) {
			t.Errorf("%s: %d %s; want %d and %s", c.path, code, body, c.code, c.says)
		}
	}
}
