package preview

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
)

// The labels on a pull request that say what becomes of its preview. Whoever may put
// labels on may say so; that of a head counts only from somebody who may write.
const (
	// NoPreview takes the preview away for as long as it is on.
	NoPreview = "no-preview"
	// UntilPrefix begins the label that keeps a preview until the end of a day.
	UntilPrefix = "preview-until-"
	// headPrefix begins the label that lets a head of a stranger be previewed.
	headPrefix = "preview-"
)

// headDigits is how many digits of a commit a label has.
const headDigits = 12

// HeadLabel is the label that lets a head be previewed, and no other. Example:
// "preview-1a2b3c4d5e6f".
func HeadLabel(head string) string { return headPrefix + head[:min(len(head), headDigits)] }

// UntilLabel is the label that keeps a preview until the end of a day in UTC. Example:
// "preview-until-2026-12-01".
func UntilLabel(day time.Time) string { return UntilPrefix + day.UTC().Format(time.DateOnly) }

// Gate decides which pull requests have previews.
type Gate struct {
	Forge forge.Forge
	// Now is the machine's clock. No preview ends by it before it does by the forge's.
	Now func() time.Time
}

// Leave is what a pull request may have.
type Leave struct {
	// Until is when its preview ends, if nothing else is said.
	Until time.Time
	// Refused says why it has none; "" if it may have one. Waits tells that somebody can
	// let it, and how.
	Refused string
	Waits   bool
}

// Ask says whether a pull request may have a preview now. pushed is when its head was
// made, as far as that says. Errors are the forge's: then nothing is known.
func (g Gate) Ask(ctx context.Context, rules *catalog.Previews, pr forge.PullRequest, pushed time.Time) (Leave, error) {
	until := Until(rules, pr, pushed)
	l := Leave{Until: until}
	switch {
	case slices.Contains(pr.Labels, NoPreview):
		l.Refused = "the label " + NoPreview + " is on"
		return l, nil
	case !until.After(g.now()):
		l.Refused = fmt.Sprintf("it ended on %s, %s after the last push; a push brings it back, and so does the label %s",
			until.UTC().Format("2006-01-02 15:04 UTC"), rules.TTL, UntilLabel(g.now().AddDate(0, 0, 7)))
		return l, nil
	}
	ok, err := g.trusted(ctx, pr)
	if err == nil && !ok {
		l.Waits = true
		l.Refused = fmt.Sprintf("its author may not write here: somebody who may lets this head be previewed by the label %s, or by approving it", HeadLabel(pr.Head.Commit))
	}
	return l, err
}

// now is the earlier of the machine's clock and the forge's.
func (g Gate) now() time.Time {
	now := g.Now()
	if at := g.Forge.Clock(); !at.IsZero() && at.Before(now) {
		return at
	}
	return now
}

// Until is when a preview ends: some time after the last push, or after the pull request
// was opened, or on the day that a label says. A head may be made at any time, so one of
// the future is of when the forge saw it.
func Until(rules *catalog.Previews, pr forge.PullRequest, pushed time.Time) time.Time {
	if pushed.After(pr.Updated) {
		pushed = pr.Updated
	}
	if pushed.Before(pr.Created) {
		pushed = pr.Created
	}
	until := pushed.Add(rules.TTL)
	for _, label := range pr.Labels {
		day, ok := strings.CutPrefix(label, UntilPrefix)
		at, err := time.Parse(time.DateOnly, day)
		if end := at.AddDate(0, 0, 1); ok && err == nil && end.After(until) {
			until = end
		}
	}
	return until
}

// trusted reports whether the head of a pull request is of somebody who may write to the
// repository, or one of those let it in, by a label or an approval that is bound to it.
func (g Gate) trusted(ctx context.Context, pr forge.PullRequest) (bool, error) {
	if !pr.Head.Fork {
		return true, nil
	}
	if ok, err := g.writes(ctx, pr.Author); ok || err != nil {
		return ok, err
	}
	var vouching []string
	if slices.Contains(pr.Labels, HeadLabel(pr.Head.Commit)) {
		set := g.Forge.LabelEvents(ctx, pr.Number)
		events, known := set.Members()
		if !known {
			return false, set.Why()
		}
		vouching = append(vouching, lastActor(events, HeadLabel(pr.Head.Commit)))
	}
	set := g.Forge.Reviews(ctx, pr.Number)
	reviews, known := set.Members()
	if !known {
		return false, set.Why()
	}
	for _, r := range forge.Standing(reviews) {
		if r.Commit == pr.Head.Commit {
			vouching = append(vouching, r.Author)
		}
	}
	for _, who := range vouching {
		if strings.EqualFold(who, pr.Author) {
			continue
		}
		if ok, err := g.writes(ctx, who); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// lastActor is who put a label on last.
func lastActor(events map[int]forge.LabelEvent, label string) string {
	who, last := "", -1
	for i, e := range events {
		if e.Label == label && e.Added && i > last {
			who, last = e.Actor, i
		}
	}
	return who
}

func (g Gate) writes(ctx context.Context, user string) (bool, error) {
	if user == "" {
		return false, nil
	}
	access, err := g.Forge.Access(ctx, user)
	if errors.Is(err, forge.ErrNotFound) {
		return false, nil
	}
	return access >= forge.AccessWrite, err
}
