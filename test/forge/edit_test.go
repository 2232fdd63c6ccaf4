package forge_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/test/forge/contract"
)

// happened is the events of labels without their times.
func happened(t *testing.T, f forge.Forge, number int) []forge.LabelEvent {
	t.Helper()
	events := members(t, f.LabelEvents(t.Context(), number))
	for i := range events {
		events[i].Time = time.Time{}
	}
	return events
}

// proposed is a new pull request of a new branch, with its number and head.
func proposed(w *world, branch string) (int, string) {
	head := w.push(branch, map[string]*string{branch + ".txt": text("1\n")})
	return w.open(branch, "Thing "+branch), head
}

func TestAddLabel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.forge(t)
		one, _ := proposed(w, "one")
		two, _ := proposed(w, "two")
		w.label("dev", one, "other", true)
		add := func(number int, label string, requests int) {
			t.Helper()
			w.sent()
			if err := f.AddLabel(t.Context(), number, label); err != nil {
				t.Fatal(err)
			}
			if sent := w.sent(); len(sent) != requests {
				t.Errorf("to put %q on %d took %v, want %d", label, number, sent, requests)
			}
		}
		const label = "promote: hold / ü"
		create := 1
		if w.kind == "gitea" { // the label first
			create = 2
		}
		add(one, label, create)
		add(one, label, 0)
		add(two, label, 1)
		add(one, "other", 0)
		if err := f.RemoveLabel(t.Context(), one, label); err != nil {
			t.Fatal(err)
		}
		add(one, label, 1)

		pull, err := f.Pull(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(pull.Labels)
		want(t, "labels", pull.Labels, []string{"other", label})
		want(t, "events", happened(t, f, one), []forge.LabelEvent{
			{Label: "other", Actor: "dev", Added: true},
			{Label: label, Actor: "fairway", Added: true},
			{Label: label, Actor: "fairway"},
			{Label: label, Actor: "fairway", Added: true},
		})
		want(t, "events of the other", happened(t, f, two), []forge.LabelEvent{{Label: label, Actor: "fairway", Added: true}})

		w.sent()
		if err := f.AddLabel(t.Context(), 4711, label); !errors.Is(err, forge.ErrNotFound) || len(w.sent()) > 0 {
			t.Errorf("a label on a pull request that there is not: %v", err)
		}
	})
}

// TestLabelNames holds what names of labels a forge does not tell apart or does not take.
func TestLabelNames(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.forge(t)
		n, _ := proposed(w, "topic")
		w.label("dev", n, "preview", true)
		w.sent()
		err := f.AddLabel(t.Context(), n, "Preview")
		if sent := w.sent(); err != nil || (len(sent) == 0) != (w.kind == "github") {
			t.Errorf("a label that differs by case took %v (%v)", sent, err)
		}
		err = f.AddLabel(t.Context(), n, "one, two")
		if sent := w.sent(); (err != nil) != (w.kind == "gitlab") || err != nil && len(sent) > 0 {
			t.Errorf("a label with a comma took %v (%v)", sent, err)
		}
		if err := f.AddLabel(t.Context(), n, ""); err == nil {
			t.Error("a label without a name was put on")
		}
		labels := map[string][]string{"gitea": {"Preview", "one, two", "preview"}, "github": {"one, two", "preview"}, "gitlab": {"Preview", "preview"}}
		pull, err := f.Pull(t.Context(), n)
		slices.Sort(pull.Labels)
		want(t, "labels", pull.Labels, labels[w.kind])
		if err != nil {
			t.Error(err)
		}
	})
}

func TestClosePull(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.forge(t)
		shut, head := proposed(w, "shut")
		merged, mergedHead := proposed(w, "merged")
		mergeable(t.Context(), t, f, merged, forge.MergeYes)
		if _, err := f.Merge(t.Context(), merged, forge.Merge{Head: mergedHead, Method: forge.MergeCommit}); err != nil {
			t.Fatal(err)
		}
		main := w.head("main")
		for _, c := range []struct {
			number, requests int
			state            forge.State
		}{{shut, 1, forge.Closed}, {shut, 0, forge.Closed}, {merged, 0, forge.Merged}} {
			w.sent()
			if err := f.ClosePull(t.Context(), c.number); err != nil {
				t.Errorf("close %d: %v", c.number, err)
			}
			if sent := w.sent(); len(sent) != c.requests {
				t.Errorf("to close %d took %v, want %d", c.number, sent, c.requests)
			}
			if p, err := f.Pull(t.Context(), c.number); err != nil || p.State != c.state {
				t.Errorf("%d is %s, want %s (%v)", c.number, p.State, c.state, err)
			}
		}
		if w.head("main") != main || w.head("shut") != head {
			t.Error("to close it moved a branch")
		}
		w.sent()
		if err := f.ClosePull(t.Context(), 4711); !errors.Is(err, forge.ErrNotFound) || len(w.sent()) > 0 {
			t.Errorf("close a pull request that there is not: %v", err)
		}
	})
}

// edits are what changes a pull request only where it is otherwise.
func edits(t *testing.T, f forge.Forge, number int) map[string]func() error {
	return map[string]func() error{
		"label": func() error { return f.AddLabel(t.Context(), number, "other") },
		"close": func() error { return f.ClosePull(t.Context(), number) },
	}
}

// untouched wants that nothing is sent where a fault hides how a pull request is.
func untouched(t *testing.T, w *world, number int, faults map[string]contract.Fault) {
	t.Helper()
	defer w.breaks(nil)
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		w.breaks(faults[name])
		w.sent()
		for edit, do := range edits(t, w.connect(t, hasty()), number) {
			if err := do(); err == nil || strings.Contains(err.Error(), w.token) {
				t.Errorf("%s, %s: %v", name, edit, err)
			}
		}
		if sent := w.sent(); len(sent) > 0 {
			t.Errorf("%s: sent %v", name, sent)
		}
	}
}

// TestDeleteBranch holds that a branch goes only where it is expected to be, and once.
func TestDeleteBranch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.forge(t)
		first := w.push("preview/one", map[string]*string{"a.txt": text("1\n")})
		second := w.push("preview/one", map[string]*string{"a.txt": text("2\n")})
		if err := f.DeleteBranch(t.Context(), "preview/one", first); !errors.Is(err, forge.ErrMoved) {
			t.Errorf("a branch that went on is deleted: %v", err)
		}
		if got := w.head("preview/one"); got != second {
			t.Fatalf("it is at %q, want %q", got, second)
		}
		for range 2 {
			if err := f.DeleteBranch(t.Context(), "preview/one", second); err != nil {
				t.Error(err)
			}
		}
		err := f.CreateBranch(t.Context(), "preview/one", first) // refused if it were there at another
		if err != nil {
			t.Errorf("it is not gone: %v", err)
		}
	})
}

// TestTakenAndNotDone holds that a forge which answers and does nothing is not believed.
func TestTakenAndNotDone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n, _ := proposed(w, "topic")
		w.breaks(contract.Idle())
		for edit, do := range edits(t, w.forge(t), n) {
			if err := do(); err == nil || !strings.Contains(err.Error(), "the forge took that") {
				t.Errorf("%s: %v", edit, err)
			}
		}
	})
}

// TestLostAnswer holds that what was done, and was not heard of, is found and not done again.
func TestLostAnswer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n, _ := proposed(w, "topic")
		w.breaks(contract.Lost())
		for edit, do := range edits(t, w.connect(t, patient()), n) {
			if err := do(); err == nil {
				t.Errorf("%s: no answer came, and it is taken for done", edit)
			}
		}
		w.breaks(nil)
		w.sent()
		f := w.forge(t)
		for edit, do := range edits(t, f, n) {
			if err := do(); err != nil {
				t.Errorf("%s: %v", edit, err)
			}
		}
		if sent := w.sent(); len(sent) > 0 {
			t.Errorf("sent again: %v", sent)
		}
		want(t, "events", happened(t, f, n), []forge.LabelEvent{{Label: "other", Actor: "fairway", Added: true}})
	})
}

// TestClock holds that the forge's clock is known from its first answer on, whatever it says.
func TestClock(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n, _ := proposed(w, "topic")
		for name, fault := range map[string]contract.Fault{
			"an answer": nil, "a failure": contract.Always(http.StatusInternalServerError, "application/json", "{}"),
		} {
			w.breaks(fault)
			f := w.connect(t, patient())
			if now := f.Clock(); !now.IsZero() {
				t.Errorf("before %s it is %v", name, now)
			}
			begun := time.Now().Truncate(time.Second)
			_, err := f.Pull(t.Context(), n)
			if now := f.Clock(); now.Before(begun) || now.After(time.Now()) || (err != nil) != (fault != nil) {
				t.Errorf("after %s at %v it is %v (%v)", name, begun, now, err)
			}
		}
	})
}
