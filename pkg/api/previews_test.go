package api

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/status"
)

// wanting notes what is asked of previews.
type wanting struct {
	asked string
	err   error
}

func (w *wanting) Previews() []status.Preview {
	return []status.Preview{{Number: 12, Environment: "pr-12", State: status.PreviewReady}}
}

func (w *wanting) Preview(_ context.Context, what pulls.Wanted) (forge.PullRequest, error) {
	w.asked = fmt.Sprintf("preview %+v", what)
	return forge.PullRequest{Number: 12, URL: "https://git.example.com/12"}, w.err
}

func (w *wanting) Keep(_ context.Context, number int, day time.Time) error {
	w.asked = fmt.Sprintf("keep %d until %s", number, day.Format(time.DateOnly))
	return w.err
}

func (w *wanting) Allow(_ context.Context, number int, head string) error {
	w.asked = fmt.Sprintf("allow %d at %s", number, head)
	return w.err
}

func (w *wanting) Remove(_ context.Context, number int) error {
	w.asked = fmt.Sprintf("remove %d", number)
	return w.err
}

// TestPreviewsAreAskedFor: what is asked of previews reaches the forge, or is refused
// before anything is; a page of another site can ask for nothing.
func TestPreviewsAreAskedFor(t *testing.T) {
	const one = "/api/v1/previews/12"
	for _, c := range []struct {
		method, path, body string
		as                 map[string]string
		err                error
		code               int
		asked, says        string
	}{
		{"GET", "/api/v1/previews", "", nil, nil, 200, "", `"environment":"pr-12"`},
		{"POST", "/api/v1/previews", `{"service":"cart","tag":"1.2","for":"cart#3"}`, nil, nil, 201, "preview {Service:cart Tag:1.2 Digest: For:cart#3}", `"number":12`},
		{"POST", "/api/v1/previews", `{"service":"cart","image":"x"}`, nil, nil, 400, "", `image`},
		{"POST", "/api/v1/previews", `{"service":"` + strings.Repeat("x", maxAsked) + `"}`, nil, nil, 400, "", "too large"},
		{"POST", "/api/v1/previews", `{}`, nil, fmt.Errorf("there is no such service: %w", pulls.ErrAsked), 422, "preview {Service: Tag: Digest: For:}", "no such service"},
		{"POST", "/api/v1/previews", `{}`, nil, errors.New("the forge is away"), 502, "preview {Service: Tag: Digest: For:}", "the forge is away"},
		{"POST", "/api/v1/previews", `{}`, map[string]string{"Content-Type": "text/plain"}, nil, 403, "", "Content-Type"},
		{"POST", "/api/v1/previews", `{}`, map[string]string{"Origin": "https://evil.example"}, nil, 403, "", "another site"},
		{"POST", one, `{"until":"2026-12-09"}`, nil, nil, 200, "keep 12 until 2026-12-09", `"number":12`},
		{"POST", one, `{"allow":"1a2b3c4d5e6f"}`, nil, nil, 200, "allow 12 at 1a2b3c4d5e6f", `"number":12`},
		{"POST", one, `{"until":"soon"}`, nil, nil, 400, "", "such as 2026-12-01"},
		{"POST", one, `{"until":"2026-12-09","allow":"1a2b3c4d5e6f"}`, nil, nil, 400, "", "such as 2026-12-01"},
		{"POST", "/api/v1/previews/x", `{"until":"2026-12-09"}`, nil, nil, 404, "", "no such pull request"},
		{"DELETE", one, "", nil, nil, 200, "remove 12", `"number":12`},
		{"DELETE", one, "", map[string]string{"Content-Type": ""}, nil, 403, "", "Content-Type"},
	} {
		o, _, _ := options(t)
		w := &wanting{err: c.err}
		o.Previews = w
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Host = "localhost:8080"
		r.Header.Set("Content-Type", "application/json")
		for name, value := range c.as {
			r.Header.Set(name, value)
		}
		got := do(New(o).Handler(true), r)
		body := strings.ReplaceAll(got.Body.String(), `": `, `":`)
		if got.Code != c.code || w.asked != c.asked || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %.60s: %d, asked %q, says %s; want %d, %q and %q", c.method, c.path, c.body, got.Code, w.asked, body, c.code, c.asked, c.says)
		}
	}
	o, _, _ := options(t)
	o.Previews = nil
	r := httptest.NewRequest("POST", "/api/v1/previews", strings.NewReader(`{}`))
	r.Host = "localhost:8080"
	r.Header.Set("Content-Type", "application/json")
	if got := do(New(o).Handler(true), r); got.Code != 404 || !strings.Contains(got.Body.String(), "no forge is configured") {
		t.Errorf("without a forge: %d %s", got.Code, got.Body)
	}
}
