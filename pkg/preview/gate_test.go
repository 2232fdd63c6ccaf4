package preview_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/preview"
)

// answers is a forge that knows a few people. It stands in for a real one where a moment
// has to be met; test/pulls has real ones.
type answers struct {
	forge.Forge
	clock   time.Time
	events  object.Set[int, forge.LabelEvent]
	reviews object.Set[int, forge.Review]
}

func (a answers) Clock() time.Time { return a.clock }

func (a answers) Access(_ context.Context, user string) (forge.Access, error) {
	switch user {
	case "owner", "Owner":
		return forge.AccessWrite, nil
	case "reader", "stranger":
		return forge.AccessRead, nil
	case "away":
		return 0, errors.New("the forge is away")
	}
	return 0, forge.ErrNotFound
}

func (a answers) LabelEvents(context.Context, int) object.Set[int, forge.LabelEvent] { return a.events }

func (a answers) Reviews(context.Context, int) object.Set[int, forge.Review] { return a.reviews }

const head, other = "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d", "ffffffffffff7a8b9c0d1a2b3c4d5e6f7a8b9c0d"

// TestStrangersAreLetIn: a head of somebody who may not write is previewed only when
// somebody who may vouches for that very head, and never by its author.
func TestStrangersAreLetIn(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	label := func(actor, label string) object.Set[int, forge.LabelEvent] {
		return object.Known(map[int]forge.LabelEvent{0: {Label: label, Actor: actor, Added: true}})
	}
	review := func(author, commit string, verdict forge.Verdict) object.Set[int, forge.Review] {
		return object.Known(map[int]forge.Review{0: {Author: author, Commit: commit, Verdict: verdict}})
	}
	none, silent := object.Known(map[int]forge.LabelEvent{}), object.Known(map[int]forge.Review{})
	for _, c := range []struct {
		name    string
		author  string
		fork    bool
		labels  []string
		events  object.Set[int, forge.LabelEvent]
		reviews object.Set[int, forge.Review]
		in      bool
		unknown bool
	}{
		{"a branch of the repository", "reader", false, nil, none, silent, true, false},
		{"a fork of somebody who may write", "owner", true, nil, none, silent, true, false},
		{"a stranger", "stranger", true, nil, none, silent, false, false},
		{"somebody the forge does not know", "nobody", true, nil, none, silent, false, false},
		{"the label of another head", "stranger", true, []string{preview.HeadLabel(other)}, label("owner", preview.HeadLabel(other)), silent, false, false},
		{"the label of this head", "stranger", true, []string{preview.HeadLabel(head)}, label("owner", preview.HeadLabel(head)), silent, true, false},
		{"the label, by somebody who may only read", "stranger", true, []string{preview.HeadLabel(head)}, label("reader", preview.HeadLabel(head)), silent, false, false},
		{"the label, by the author", "Owner", true, []string{preview.HeadLabel(head)}, label("owner", preview.HeadLabel(head)), silent, true, false},
		{"an approval of this head", "stranger", true, nil, none, review("owner", head, forge.Approved), true, false},
		{"an approval of another", "stranger", true, nil, none, review("owner", other, forge.Approved), false, false},
		{"an approval by somebody who may only read", "stranger", true, nil, none, review("reader", head, forge.Approved), false, false},
		{"an approval of one's own", "stranger", true, nil, none, review("Stranger", head, forge.Approved), false, false},
		{"changes wanted", "stranger", true, nil, none, review("owner", head, forge.Rejected), false, false},
		{"a forge that does not say who may write", "away", true, nil, none, silent, false, true},
		{"a forge that does not say who put the label on", "stranger", true, []string{preview.HeadLabel(head)}, object.Unknown[int, forge.LabelEvent](errors.New("cut")), silent, false, true},
		{"a forge that does not say who approved", "stranger", true, nil, none, object.Unknown[int, forge.Review](errors.New("cut")), false, true},
	} {
		g := preview.Gate{Forge: answers{clock: now, events: c.events, reviews: c.reviews}, Now: func() time.Time { return now }}
		pr := forge.PullRequest{Number: 7, Author: c.author, Labels: c.labels, Head: forge.Head{Commit: head, Fork: c.fork}, Created: now, Updated: now}
		leave, err := g.Ask(t.Context(), &catalog.Previews{TTL: time.Hour}, pr, now)
		switch {
		case c.unknown != (err != nil):
			t.Errorf("%s: error %v", c.name, err)
		case err == nil && c.in != (leave.Refused == ""):
			t.Errorf("%s: %q, want let in: %v", c.name, leave.Refused, c.in)
		case err == nil && !c.in && (!leave.Waits || !strings.Contains(leave.Refused, "preview-1a2b3c4d5e6f")):
			t.Errorf("%s: it is not said how it is let in: %q", c.name, leave.Refused)
		}
	}
}

// TestTimeIsOver: a preview ends some time after the last push by the clock of whoever is
// behind, the machine or the forge, unless a label keeps it; and at once by another.
func TestTimeIsOver(t *testing.T) {
	made := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	after := func(h int) time.Time { return made.Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		name             string
		pushed           time.Time
		created, updated time.Time
		now, clock       time.Time
		labels           []string
		until            time.Time
		ended            bool
	}{
		{"before its time", made, made, made, after(71), after(71), nil, after(72), false},
		{"after its time", made, made, made, after(73), after(73), nil, after(72), true},
		{"pushed again", after(50), made, after(50), after(73), after(73), nil, after(122), false},
		{"an old commit, proposed now", after(-500), made, made, after(1), after(1), nil, after(72), false},
		{"a commit of the future", after(9000), made, after(2), after(73), after(73), nil, after(74), false},
		{"a machine whose clock is ahead", made, made, made, after(9000), after(2), nil, after(72), false},
		{"a forge whose clock is ahead", made, made, made, after(2), after(9000), nil, after(72), false},
		{"a forge that was not heard", made, made, made, after(73), time.Time{}, nil, after(72), true},
		{"kept by a label", made, made, made, after(73), after(73), []string{"preview-until-2026-12-09"}, time.Date(2026, 12, 10, 0, 0, 0, 0, time.UTC), false},
		{"a label that says less", made, made, made, after(1), after(1), []string{"preview-until-2026-12-01"}, after(72), false},
		{"a label that says nothing", made, made, made, after(1), after(1), []string{"preview-until-tomorrow"}, after(72), false},
		{"taken away", made, made, made, after(1), after(1), []string{"no-preview"}, after(72), true},
	} {
		g := preview.Gate{Forge: answers{clock: c.clock}, Now: func() time.Time { return c.now }}
		pr := forge.PullRequest{Number: 7, Labels: c.labels, Head: forge.Head{Commit: head}, Created: c.created, Updated: c.updated}
		leave, err := g.Ask(t.Context(), &catalog.Previews{TTL: 72 * time.Hour}, pr, c.pushed)
		if err != nil || !leave.Until.Equal(c.until) || c.ended != (leave.Refused != "") {
			t.Errorf("%s: until %s, refused %q, %v; want until %s, ended %v", c.name, leave.Until, leave.Refused, err, c.until, c.ended)
		}
	}
}
