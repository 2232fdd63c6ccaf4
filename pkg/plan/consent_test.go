package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// asked is what is wanted, with a place where consent can be given.
func asked(d plan.Desired, given ...string) plan.Desired {
	d.Consent = plan.Consent{Cluster: "cluster-uid", Given: given, File: "environments/prod/environment.cue", Line: `consents: "eu/checkout": "%s"`}
	return d
}

// lineOf takes the digest out of the line that a hold tells to add.
func lineOf(t interface{ Fatalf(string, ...any) }, h *plan.Hold) string {
	_, after, found := strings.Cut(h.Hint, `consents: "eu/checkout": "`)
	digest, _, closed := strings.Cut(after, `"`)
	if !found || !closed || !strings.Contains(h.Hint, "environments/prod/environment.cue") {
		t.Fatalf("the hint names no line and file: %s", h.Hint)
	}
	return digest
}

// What is of a preview goes without consent and counts for no budget, each object
// condemned first; nothing else of the plan is another.
func TestPreviewGoesWithoutConsent(t *testing.T) {
	asks := []string{plan.HoldEmpty, plan.HoldBudget, plan.HoldProtected, plan.HoldRenamed}
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		usual := plan.Compute(d, s.live())
		d.Fleeting = true
		p := plan.Compute(d, s.live())
		if p.Hold != nil && slices.Contains(asks, p.Hold.Reason) {
			t.Fatalf("held: %+v", p.Hold)
		}
		for _, step := range p.Steps {
			if step.Action == plan.Prune && !step.Condemned && !step.Condemn {
				t.Fatalf("%s is deleted without being condemned first", step.ID)
			}
		}
		if p.Undecided() {
			t.Fatal("its deletions count for the cluster")
		}
		if usual.Hold == nil && len(usual.Steps) != len(p.Steps) {
			t.Fatalf("%d steps, and %d of one that is no preview", len(p.Steps), len(usual.Steps))
		}
		if _, counts := plan.PendingOf(d, func(object.ID) bool { return false }, true, s.live()); counts {
			t.Fatal("what it would delete is counted")
		}
	})
}

// Whatever a plan is held for, the line it tells to add is enough: with it the
// same deletions go, each recorded as condemned first; and the line of other
// deletions is worth nothing.
func TestConsentIsExactlyTheLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		held := plan.Compute(d, s.live())
		if held.Hold == nil {
			return
		}
		digest := lineOf(t, held.Hold)
		d.Consent.Given = []string{digest}
		p := plan.Compute(d, s.live())
		if p.Hold != nil {
			t.Fatalf("held with consent: %+v", p.Hold)
		}
		fresh := 0
		for _, step := range p.Steps {
			if step.Action == plan.Prune && !step.Condemned {
				fresh++
				if !step.Condemn {
					t.Fatalf("%s is deleted without being condemned first", step.ID)
				}
			}
		}
		if fresh == 0 {
			t.Fatalf("held for %s, and consent deletes nothing", held.Hold.Reason)
		}
		elsewhere := d
		elsewhere.Consent.Cluster = "another"
		if again := plan.Compute(elsewhere, s.live()); again.Hold == nil {
			t.Fatalf("the consent held on another cluster: %+v", again)
		}
		for id, seen := range s.seen {
			seen.UID += "x"
			s.seen[id] = seen
			if o := s.inventory[id]; o.UID != "" {
				o.UID += "x"
				s.inventory[id] = o
			}
		}
		if again := plan.Compute(d, s.live()); again.Hold == nil {
			t.Fatalf("the consent held for other objects of the same names: %+v", again)
		}
	})
}

// What was condemned goes on without a word, whoever took the consent away.
func TestCondemnedGoesOn(t *testing.T) {
	s := newSide().has(many(12)...)
	for id, o := range s.inventory {
		s.inventory[id] = cluster.Owned{UID: o.UID, Condemned: true}
	}
	p := plan.Compute(asked(wants()), s.live())
	if p.Hold != nil || len(p.Steps) != 12 || p.Undecided() {
		t.Errorf("got %+v", p)
	}
}

// A condemned object that is declared again is recorded anew, and lives.
func TestDeclaredAgainLives(t *testing.T) {
	a := config("a", fields{"a": "1"})
	s := newSide().has(a)
	s.inventory[a.ID] = cluster.Owned{UID: "uid-a", Condemned: true}
	p := plan.Compute(wants(a), s.live())
	if len(p.Steps) != 1 || p.Steps[0].Action != plan.Update || !p.Steps[0].Record {
		t.Errorf("got %+v, want one update that records it", p.Steps)
	}
}

func TestShortConsentIsNone(t *testing.T) {
	s := newSide().has(many(8)...)
	digest := lineOf(t, plan.Compute(asked(wants()), s.live()).Hold)
	if p := plan.Compute(asked(wants(), digest[:11], ""), s.live()); p.Hold == nil {
		t.Error("eleven digits were consent")
	}
}

// An object that another unit took over is given up; one that it has not taken
// yet waits; neither is deleted.
func TestMoves(t *testing.T) {
	a, b := config("a", fields{"a": "1"}), config("b", fields{"a": "1"})
	other := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "other"}
	d := removed(asked(wants()))
	d.Elsewhere = map[object.ID]catalog.UnitKey{a.ID: other, b.ID: other}
	s := newSide().has(a, b).change(b, func(s *plan.Seen) { s.Unit = other.String() })
	p := plan.Compute(d, s.live())
	if got := spelled(p); got != "wait a, release b (fields)" {
		t.Errorf("the old unit: %s", got)
	}

	d = wants(a, b)
	d.Held = map[object.ID]plan.Holder{a.ID: {Unit: other, Gives: true}, b.ID: {Unit: other}}
	s = newSide().has(a, b)
	clear(s.inventory)
	s.change(a, func(s *plan.Seen) { s.Unit = other.String() }).change(b, func(s *plan.Seen) { s.Unit = other.String() })
	p = plan.Compute(d, s.live())
	if got := spelled(p); got != "update a (force, uid-a), conflict b" {
		t.Errorf("the new unit: %s", got)
	}
}

// An adopted object is taken over and later released; without the environment's
// word it is a conflict.
func TestAdoption(t *testing.T) {
	a := config("a", fields{"a": "1"})
	foreign := func() side {
		s := newSide().has(a).change(a, func(s *plan.Seen) { s.Unit, s.Managed, s.Clean = "", false, false })
		clear(s.inventory)
		return s
	}
	d := wants(a)
	if got := spelled(plan.Compute(d, foreign().live())); got != "conflict a" {
		t.Errorf("without a word: %s", got)
	}
	for _, name := range []string{"ConfigMap/a"} {
		d.Adopt = []string{name}
		p := plan.Compute(d, foreign().live())
		if got := spelled(p); got != "update a (force, uid-a)" || !p.Steps[0].Adopt {
			t.Errorf("adopt %s: %s", name, got)
		}
	}
	d.Held = map[object.ID]plan.Holder{a.ID: {Unit: shop()}}
	if got := spelled(plan.Compute(d, foreign().live())); got != "conflict a" {
		t.Errorf("of what another unit has: %s", got)
	}
	s := newSide().has(a)
	s.inventory[a.ID] = cluster.Owned{UID: "uid-a", Adopted: true}
	if got := spelled(plan.Compute(removed(wants()), s.live())); got != "release a (marks)" {
		t.Errorf("not declared any more: %s", got)
	}
}

func spelled(p plan.Plan) string {
	var out []string
	for _, s := range p.Steps {
		text := fmt.Sprintf("%s %s", s.Action, s.ID.Name)
		if s.Force {
			text += fmt.Sprintf(" (force, %s)", s.UID)
		}
		if s.GiveUp != plan.GiveUpNothing {
			text += fmt.Sprintf(" (%s)", s.GiveUp)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// TestBreaker: the deletions of all units together are held against what the
// cluster has; those that units have their own consent for do not count.
func TestBreaker(t *testing.T) {
	pending := func(unit string, n int, asked bool) plan.Pending {
		p := plan.Pending{Asked: asked}
		for i := range n {
			p.Fresh = append(p.Fresh, plan.Deletion{Unit: unit, ID: config(fmt.Sprint(i), nil).ID, UID: fmt.Sprint(unit, i)})
		}
		return p
	}
	c := plan.Consent{Cluster: "uid", File: "platform/clusters/eu/cluster.cue", Line: `consents: "%s": "why"`}
	for _, test := range []struct {
		ours  int
		all   []plan.Pending
		trips bool
	}{
		{50, []plan.Pending{pending("a", 5, false), pending("b", 5, false)}, false},
		{50, []plan.Pending{pending("a", 5, false), pending("b", 6, false)}, true},
		{50, []plan.Pending{pending("a", 5, false), pending("b", 60, true)}, false},
		{200, []plan.Pending{pending("a", 20, false)}, false},
		{200, []plan.Pending{pending("a", 21, false)}, true},
		{200, []plan.Pending{{Condemned: pending("a", 90, false).Fresh}}, false},
	} {
		hold, agreed := plan.Breaker("eu", test.ours, test.all, c)
		if (hold != nil) != test.trips || agreed {
			t.Errorf("%d objects, %d units: got %+v", test.ours, len(test.all), hold)
		}
		if hold == nil {
			continue
		}
		_, after, _ := strings.Cut(hold.Hint, `consents: "`)
		with := c
		with.Given = []string{after[:12]}
		if hold, agreed := plan.Breaker("eu", test.ours, test.all, with); hold != nil || !agreed {
			t.Errorf("with consent: %+v", hold)
		}
		// Cut off while units were condemned one by one, the same consent counts.
		half := append([]plan.Pending{{Condemned: test.all[0].Fresh}}, test.all[1:]...)
		if hold, _ := plan.Breaker("eu", test.ours, half, with); hold != nil {
			t.Errorf("after a crash among the condemnations: %+v", hold)
		}
	}
}
