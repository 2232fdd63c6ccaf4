package github

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

// maxTitle is how many characters the title of an annotation may have.
const maxTitle = 255

// Annotate implements forge.Annotator: a check run of the name, newest of the commit,
// that gates nothing. GitHub takes them from Apps only. It shows them at any line of the
// files that the pull request touches, and on the check's page.
func (r *Repo) Annotate(ctx context.Context, number int, a forge.Annotations) error {
	if err := r.annotate(ctx, a.Few()); err != nil {
		return fmt.Errorf("annotate lines of pull request %d at %.12s: %w", number, a.Commit, err)
	}
	return nil
}

func (r *Repo) annotate(ctx context.Context, a forge.Annotations) error {
	digest, err := a.Digest()
	if err != nil {
		return err
	}
	var there struct {
		Runs []struct {
			External string `json:"external_id"`
		} `json:"check_runs"`
	}
	query := url.Values{"check_name": {a.Name}, "filter": {"latest"}, "per_page": {"1"}}
	if err := r.below.JSON(ctx, rest.Request{Path: r.below.Path("commits", a.Commit, "check-runs"), Query: query}, &there); err != nil {
		return refused(err)
	}
	if len(there.Runs) == 0 && len(a.Lines) == 0 || len(there.Runs) > 0 && there.Runs[0].External == digest {
		return nil
	}
	return refused(r.below.Send(ctx, http.MethodPost, r.below.Path("check-runs"), checkRun(a, digest), nil))
}

// refused makes of a refusal that GitHub does not show this to our token; that it was asked
// too often is none.
func refused(err error) error {
	if rest.Status(err) == http.StatusForbidden && !rest.Limited(err) {
		return fmt.Errorf("%w: %w", forge.ErrNotFound, err)
	}
	return found(err)
}

// checkRun is annotations as GitHub takes them. The statuses gate: it says neither yes nor no.
func checkRun(a forge.Annotations, digest string) map[string]any {
	type line struct {
		Path    string `json:"path"`
		Start   int    `json:"start_line"`
		End     int    `json:"end_line"`
		Level   string `json:"annotation_level"`
		Title   string `json:"title"`
		Message string `json:"message"`
	}
	lines := make([]line, 0, len(a.Lines))
	for _, l := range a.Lines {
		at := max(l.Line, 1)
		lines = append(lines, line{l.Path, at, at, string(l.Level), forge.Short(l.Title, maxTitle), l.Text})
	}
	run := map[string]any{
		"name": a.Name, "head_sha": a.Commit, "external_id": digest,
		"status": "completed", "conclusion": "neutral",
		"output": map[string]any{"title": a.Summary, "summary": cmp.Or(a.URL, a.Summary), "annotations": lines},
	}
	if a.URL != "" {
		run["details_url"] = a.URL
	}
	return run
}
