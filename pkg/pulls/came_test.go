package pulls

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/reconcile"
)

// history makes commits whose author, time and message are those of their name, so that
// the same name on another parent is what rebasing makes.
type history struct {
	t     *testing.T
	store *git.Store
}

func (h history) commit(base git.Revision, name string) git.Revision {
	h.t.Helper()
	at := time.Date(2026, 12, 1, 0, 0, len(name), 0, time.UTC)
	made, err := h.store.Commit(h.t.Context(), git.Edit{Base: base.Commit, Files: map[string][]byte{name: []byte(name)}, Message: name, Author: "Ada <ada@example.com>", Time: at})
	if err != nil {
		h.t.Fatal(err)
	}
	rev, err := h.store.Resolve(made.String())
	if err != nil {
		h.t.Fatal(err)
	}
	return rev
}

func (h history) commits(base git.Revision, names ...string) git.Revision {
	for _, name := range names {
		base = h.commit(base, name)
	}
	return base
}

func newHistory(t *testing.T) (history, *Follower) {
	t.Helper()
	store, err := git.OpenStore(t.TempDir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return history{t, store}, NewFollower(Options{Base: standingAt{store: store}, Log: slog.New(slog.DiscardHandler)})
}

// step is a commit of the branch that was judged up to another.
func (h history) step(since, after git.Revision) reconcile.Step {
	h.t.Helper()
	before, err := h.store.Resolve(after.Parents[0].String())
	if err != nil {
		h.t.Fatal(err)
	}
	return reconcile.Step{Since: since, Before: before, After: after}
}

// TestBegan: what a pull request did begins before the first of its commits that are on the
// branch, whether they were rebased or are as they were, and not before what it was last
// looked at for or what was judged already; of all else it is the last commit.
func TestBegan(t *testing.T) {
	h, f := newHistory(t)
	root := h.commits(git.Revision{}, "first", "second")
	head := h.commits(root, "a", "b", "c")
	main := h.commits(root, "another's", "one more")
	rebased := h.commits(main, "a", "b", "c")
	picked := h.commits(root, "a")
	unknown := git.Hash{1}
	for name, c := range map[string]struct {
		after, since, want git.Revision
		head               git.Hash
		base               string
	}{
		"rebased":                            {rebased, root, main, head.Commit, root.Commit.String()},
		"rebased, of an unknown base":        {rebased, root, main, head.Commit, ""},
		"rebased where it was":               {h.commits(root, "a", "b", "c"), root, root, head.Commit, ""},
		"rebased without its second":         {h.commits(main, "a", "c"), root, main, head.Commit, ""},
		"rebased on one of its own":          {h.commits(picked, "b", "c"), root, picked, head.Commit, picked.Commit.String()},
		"rebased on what was judged":         {h.commits(picked, "b", "c"), picked, picked, head.Commit, root.Commit.String()},
		"rebased, of a head that is gone":    {rebased, main, main, unknown, ""},
		"as it is":                           {head, root, root, head.Commit, root.Commit.String()},
		"as it is, of an unknown base":       {head, root, root, head.Commit, ""},
		"as it is, of a base that has it":    {head, root, root, head.Commit, head.Commit.String()},
		"as it is, on what was looked at":    {head, root, h.commits(root, "a"), head.Commit, h.commits(root, "a").Commit.String()},
		"squashed":                           {h.commits(main, "a, b and c"), root, main, head.Commit, ""},
		"its last commit only":               {h.commits(main, "theirs", "c"), root, h.commits(main, "theirs"), head.Commit, ""},
		"another's":                          {h.commits(main, "a", "b", "c", "theirs"), root, rebased, head.Commit, ""},
		"another's of the same name, before": {h.commits(root, "b", "theirs", "c"), root, h.commits(root, "b", "theirs"), head.Commit, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := f.began(h.step(c.since, c.after), c.head.String(), c.base)
			if err != nil || got.Commit != c.want.Commit {
				t.Errorf("it began at %s (%v), want %s", got.Commit, err, c.want.Commit)
			}
		})
	}
}

// TestCandidates: a commit may be of the pull requests whose head it is, merges, or was
// before it was rebased, and of the one that it names; whom it names hides no other.
func TestCandidates(t *testing.T) {
	h, f := newHistory(t)
	root := h.commits(git.Revision{}, "first")
	head, main := h.commits(root, "a", "Mend it (#42)"), h.commits(root, "another's")
	know := func(in map[int]*Pull, number int) {
		p := &Pull{made: f.made(head.Commit)}
		p.Reviewed.Head, p.Head.Commit = head.Commit.String(), head.Commit.String()
		in[number] = p
	}
	know(f.past, 5)
	know(f.past, 6)
	know(f.pulls, 3)
	theirs, err := h.store.Commit(t.Context(), git.Edit{Base: main.Commit, Files: map[string][]byte{"x": []byte("x")}, Message: "Mend it (#42)", Author: "Eve <eve@example.com>"})
	if err != nil {
		t.Fatal(err)
	}
	eves, err := h.store.Resolve(theirs.String())
	if err != nil {
		t.Fatal(err)
	}
	merge := h.commits(main, "Merge it")
	merge.Parents = append(merge.Parents, head.Commit)
	for name, c := range map[string]struct {
		after git.Revision
		want  []candidate
	}{
		"the head":             {head, []candidate{{number: 3}, {number: 6}, {number: 5}, {number: 42, named: true}}},
		"the head, rebased":    {h.commits(main, "a", "Mend it (#42)"), []candidate{{number: 3}, {number: 6}, {number: 5}, {number: 42, named: true}}},
		"merges it":            {merge, []candidate{{number: 3, merges: true}, {number: 6, merges: true}, {number: 5, merges: true}}},
		"not the last one":     {h.commits(main, "a"), nil},
		"Eve's, named like it": {eves, []candidate{{number: 42, named: true}}},
	} {
		if diff := cmp.Diff(c.want, f.candidates(c.after), cmp.AllowUnexported(candidate{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// speaking is a forge that says which pull request a commit was merged as, or why not.
type speaking struct {
	forge.Forge
	asked int
	err   error
}

func (m *speaking) MergedAs(context.Context, string) (forge.PullRequest, error) {
	m.asked++
	return forge.PullRequest{Number: 7, Base: forge.Base{Branch: "main"}}, m.err
}

// TestForgeThatIsNotHeard: commits that say nothing do not wait for a forge that does not
// answer, and it is asked of no other for a while; that a commit is nobody's is asked once.
func TestForgeThatIsNotHeard(t *testing.T) {
	h, f := newHistory(t)
	m := &speaking{err: errors.New("gateway timeout")}
	f.opts.Forge, f.opts.Remote.Branch = m, "main"
	first := h.commits(git.Revision{}, "first", "second")
	second := h.commits(first, "third")
	ask := func(after git.Revision, want, asked int) {
		t.Helper()
		if number := f.asked(t.Context(), after); number != want || m.asked != asked {
			t.Errorf("it is of pull request %d, and the forge was asked %d times; want %d and %d", number, m.asked, want, asked)
		}
	}
	ask(first, 0, 1)
	ask(second, 0, 1)
	f.deaf, m.err = time.Time{}, forge.ErrNotFound
	ask(first, 0, 2)
	ask(first, 0, 2)
	m.err = nil
	ask(second, 7, 3)
}
