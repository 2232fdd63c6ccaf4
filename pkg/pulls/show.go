package pulls

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/review"
	"github.com/fairway-dev/fairway/pkg/status"
)

// List lists what is known of the open pull requests, by number, and why it may be old.
func (f *Follower) List() ([]status.PullRequest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]status.PullRequest, 0, len(f.pulls))
	for _, n := range slices.Sorted(maps.Keys(f.pulls)) {
		out = append(out, f.pulls[n].status())
	}
	return out, f.err
}

// Show gives one pull request, its report, and the text that stands on the forge, without
// its limit; false for one that is not known to be open.
func (f *Follower) Show(number int) (status.PullRequest, review.Report, string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pulls[number]
	if p == nil {
		return status.PullRequest{}, review.Report{}, "", false
	}
	_, text := approvals(p.Decision)
	_, more := previewSaid(p.stage.status)
	text += more
	return p.status(), p.Report, p.Report.Markdown(review.Unlimited, "") + text, true
}

func (p Pull) status() status.PullRequest {
	s := status.PullRequest{
		Number: p.Number, Title: p.Title, Author: p.Author, URL: p.URL, Head: p.Reviewed.Head, Base: p.Reviewed.Base,
		Failed: p.Failed, At: p.At,
	}
	if p.Failed == "" {
		said, _ := approvals(p.Decision)
		s.Verdict, s.Risk, s.Approvals = p.Report.Verdict(), p.Report.Risk.String(), said.Description
		s.Approved = said.State == forge.Success
	}
	return s
}
