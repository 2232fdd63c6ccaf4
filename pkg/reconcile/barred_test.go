package reconcile

import (
	"context"
	"log/slog"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/git"
)

// commits makes a history of two commits in a store, and a commit beside it.
func commits(t *testing.T) (store *git.Store, first, second, beside git.Revision) {
	t.Helper()
	store, err := git.OpenStore(t.TempDir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	commit := func(base git.Hash, text string) git.Revision {
		return commitOf(t, store, base, "README.md", []byte(text))
	}
	first = commit(git.Hash{}, "one")
	return store, first, commit(first.Commit, "two"), commit(git.Hash{}, "beside")
}

// commitOf makes a commit that writes one file, or deletes it where there is no content.
func commitOf(t *testing.T, store *git.Store, base git.Hash, file string, content []byte) git.Revision {
	t.Helper()
	h, err := store.Commit(t.Context(), git.Edit{Base: base, Files: map[string][]byte{file: content}, Message: file, Author: "Ada <ada@example.com>"})
	if err != nil {
		t.Fatal(err)
	}
	rev, err := store.Resolve(h.String())
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// cart is a unit of a cluster called eu.
func cart() catalog.UnitKey {
	return catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "cart"}
}

// TestWhatWaitsIsRecorded: what waits on a cluster is what it has recorded, there and back;
// what is on others is theirs, and a commit that waits keeps the units that it had.
func TestWhatWaitsIsRecorded(t *testing.T) {
	elsewhere := catalog.UnitKey{Environment: "prod", Cluster: "us", Service: "cart"}
	pay := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "pay"}
	r := &ratchet{name: "eu"}
	r.bar("c0ffee", Judgement{Why: "waits", Pull: 7, Units: []catalog.UnitKey{cart(), elsewhere}})
	before := git.Hash{1}
	r.bar("c0ffee", Judgement{Why: "waits still", Pull: 7, Before: before, Units: []catalog.UnitKey{pay}})
	r.bar("decade", Judgement{Why: "waits", Pull: 8, Units: []catalog.UnitKey{elsewhere}})
	if !r.unsaved() {
		t.Error("it counts as recorded before it was")
	}
	rec := cluster.Ratchet{Unapproved: r.names()}
	back := &ratchet{name: "eu"}
	back.load(rec)
	if back.unsaved() {
		t.Errorf("what was recorded is not what waits: %+v", back.names())
	}
	if got := back.commits()["c0ffee"]; got.Before != before || got.Pull != 7 {
		t.Errorf("what was recorded comes back as %+v", got)
	}
	if got := rec.Unapproved["c0ffee"]; len(rec.Unapproved) != 1 || got.Pull != 7 || len(got.Units) != 2 {
		t.Errorf("recorded: %+v", rec.Unapproved)
	}
	if hold := back.waits(cart()); hold == nil || hold.Reason != HoldUnapproved {
		t.Errorf("cart is held by %+v", hold)
	}
	if hold := r.waits(cart()); hold == nil || hold.Message != "waits still" {
		t.Errorf("cart is held by %+v", hold)
	}
	if hold := back.waits(elsewhere); hold != nil {
		t.Errorf("a unit of another cluster is held by %+v", hold)
	}
	if units := back.lift("c0ffee"); len(units) != 2 || back.waits(cart()) != nil || !back.unsaved() {
		t.Errorf("lifted: %v", units)
	}
}

// TestReplacedHistoryWaitsForNothing: what waited for a commit goes on when a history takes
// the place of the recorded one that does not have it, and only then.
func TestReplacedHistoryWaitsForNothing(t *testing.T) {
	store, first, second, beside := commits(t)
	r := &ratchet{name: "eu", line: &lineage{}, store: func() *git.Store { return store }}
	for _, rev := range []git.Revision{first, beside} {
		r.bar(rev.Commit.String(), Judgement{Why: "waits", Units: []catalog.UnitKey{cart()}})
	}
	r.replaced(second.Commit.String())
	left := r.commits()
	if _, is := left[first.Commit.String()]; !is || len(left) != 1 {
		t.Errorf("what waits is %v, want %s alone", left, first.Commit)
	}
}

// TestSeveralCommitsAreTakenBackTogether: what a pull request did in several commits is not
// taken back before all of it is.
func TestSeveralCommitsAreTakenBackTogether(t *testing.T) {
	store, before, _, _ := commits(t)
	one := commitOf(t, store, before.Commit, "README.md", []byte("changed"))
	merge := commitOf(t, store, one.Commit, "more.md", []byte("added"))
	part := commitOf(t, store, merge.Commit, "more.md", nil)
	whole := commitOf(t, store, part.Commit, "README.md", []byte("one"))
	d := New(Options{Store: store, Log: slog.New(slog.DiscardHandler)})
	j := Judgement{Why: "waits", Pull: 7, Before: before.Commit, Units: []catalog.UnitKey{cart()}}
	d.bar(merge.Commit, j)
	if err := d.ask(t.Context(), merge.Commit, j, part); err != nil || len(d.barred) != 1 {
		t.Errorf("with its last commit taken back %d wait, %v", len(d.barred), err)
	}
	if err := d.ask(t.Context(), merge.Commit, j, whole); err != nil || len(d.barred) != 0 {
		t.Errorf("with all taken back %d wait, %v", len(d.barred), err)
	}
}

// approving is somebody who says yes to everything.
type approving struct{ asked int }

func (a *approving) Judge(context.Context, Step) (Judgement, error) {
	a.asked++
	return Judgement{}, nil
}

// TestLaggingCopyLiftsNothing: a merge that the copy of Git does not have is not asked of,
// and waits: the copy may lag behind what the cluster was brought to.
func TestLaggingCopyLiftsNothing(t *testing.T) {
	store, first, second, beside := commits(t)
	a := &approving{}
	d := New(Options{Store: store, Log: slog.New(slog.DiscardHandler)})
	d.Heed(a)
	unknown, err := git.ParseHash("0123456789012345678901234567890123456789")
	if err != nil {
		t.Fatal(err)
	}
	for _, commit := range []git.Hash{second.Commit, beside.Commit, unknown} {
		d.bar(commit, Judgement{Why: "waits", Units: []catalog.UnitKey{cart()}})
		if err := d.ask(t.Context(), commit, Judgement{Pull: 7}, first); err != nil {
			t.Error(err)
		}
	}
	if a.asked > 0 || len(d.barred) != 3 {
		t.Errorf("asked %d times, and %d wait; want 0 and 3", a.asked, len(d.barred))
	}
	if err := d.ask(t.Context(), second.Commit, Judgement{Pull: 7}, second); err != nil || a.asked != 1 || len(d.barred) != 2 {
		t.Errorf("of one that it has: asked %d times, %d wait, %v", a.asked, len(d.barred), err)
	}
}
