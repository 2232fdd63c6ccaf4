package pulls

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/reconcile"
)

// history makes commits whose author, time and message are those of their name, so that
// the same name on another parent is what rebasing makes.
type history struct {
	t     *testing.T
	store *git.Store
	dir   string // of the store
}

// withParent is a commit with one more parent, as merging makes it.
func (h history) withParent(rev, other git.Revision) git.Revision {
	h.t.Helper()
	raw, err := h.store.RawCommit(rev.Commit)
	if err != nil {
		h.t.Fatal(err)
	}
	raw = bytes.Replace(raw, []byte("\nauthor "), []byte("\nparent "+other.Commit.String()+"\nauthor "), 1)
	work := h.t.TempDir()
	for _, args := range [][]string{{"init", "--quiet", "--bare", work}, {"--git-dir", work, "hash-object", "-t", "commit", "-w", "--stdin"}} {
		cmd := exec.Command("git", args...)
		cmd.Env, cmd.Stdin = append(os.Environ(), "GIT_OBJECT_DIRECTORY="+filepath.Join(h.dir, "objects")), bytes.NewReader(raw)
		out, err := cmd.CombinedOutput()
		if err != nil {
			h.t.Fatalf("git %v: %v: %s", args, err, out)
		}
		if rev, err = h.store.Resolve(strings.TrimSpace(string(out))); err == nil {
			return rev
		}
	}
	h.t.Fatalf("the merge is not there: %v", err)
	return rev
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
	dir := t.TempDir()
	store, err := git.OpenStore(dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return history{t, store, dir}, NewFollower(Options{Base: standingAt{store: store}, Log: slog.New(slog.DiscardHandler)})
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
	side := h.commits(root, "s", "t")
	merging := h.commits(root, "a", "M")
	twice := h.commits(h.withParent(merging, side), "c")
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
		"rebased, of a head that is gone":    {rebased, root, h.commits(main, "a", "b"), unknown, ""},
		"rebased, with a merge in it":        {h.commits(main, "a", "s", "t", "c"), root, main, twice.Commit, ""},
		"rebased, with another message":      {h.commits(main, "a", "b", "c, amended"), root, main, head.Commit, ""},
		"as it is":                           {head, root, root, head.Commit, root.Commit.String()},
		"as it is, of an unknown base":       {head, root, root, head.Commit, ""},
		"as it is, of a base that has it":    {head, root, root, head.Commit, head.Commit.String()},
		"as it is, on what was looked at":    {head, root, h.commits(root, "a"), head.Commit, h.commits(root, "a").Commit.String()},
		"squashed":                           {h.commits(main, "a, b and c"), root, main, head.Commit, ""},
		"its last commit only":               {h.commits(main, "theirs", "c"), root, h.commits(main, "theirs"), head.Commit, ""},
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
	merging := func(message string) git.Revision {
		merge := h.commits(main, message)
		merge.Parents = append(merge.Parents, head.Commit)
		return merge
	}
	for name, c := range map[string]struct {
		after git.Revision
		pull  int
		want  []candidate
	}{
		"the head":               {head, 0, []candidate{{number: 3}, {number: 6}, {number: 5}, {number: 42, named: true}}},
		"the head, rebased":      {h.commits(main, "a", "Mend it (#42)"), 0, []candidate{{number: 3}, {number: 6}, {number: 5}, {number: 42, named: true}}},
		"recorded":               {h.commits(main, "a", "Mend it (#42)"), 5, []candidate{{number: 5, recorded: true}, {number: 3}, {number: 6}, {number: 42, named: true}}},
		"recorded and not known": {h.commits(main, "theirs"), 9, []candidate{{number: 9, recorded: true}}},
		"merges it":              {merging("Merge it"), 0, []candidate{{number: 3, merges: true}, {number: 6, merges: true}, {number: 5, merges: true}}},
		"merges it by name":      {merging("Merge it (#6)"), 0, []candidate{{number: 6, merges: true, named: true}, {number: 3, merges: true}, {number: 5, merges: true}}},
		"not the last one":       {h.commits(main, "a"), 0, nil},
		"Eve's, named like it":   {eves, 0, []candidate{{number: 42, named: true}}},
	} {
		if diff := cmp.Diff(c.want, f.candidates(reconcile.Step{After: c.after, Pull: c.pull}), cmp.AllowUnexported(candidate{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// speaking is a forge that says what pull requests are like, and which one a commit was
// merged as, or why not.
type speaking struct {
	forge.Forge
	pulls  map[int]forge.PullRequest
	merged int
	asked  int
	err    error
}

func (m *speaking) Pull(_ context.Context, number int) (forge.PullRequest, error) {
	pr, there := m.pulls[number]
	if !there {
		return pr, errors.New("gateway timeout")
	}
	return pr, nil
}

func (m *speaking) MergedAs(context.Context, string) (forge.PullRequest, error) {
	m.asked++
	if pr, there := m.pulls[m.merged]; there {
		return pr, m.err
	}
	return forge.PullRequest{}, forge.ErrNotFound
}

// TestDoubtHidesNobody: a commit is of the pull request that the forge is sure of, whichever
// else it could be of; where it is sure of none it may be of the one in doubt, and that is
// asked again.
func TestDoubtHidesNobody(t *testing.T) {
	h, f := newHistory(t)
	root := h.commits(git.Revision{}, "first")
	head, main := h.commits(root, "a", "b"), h.commits(root, "another's")
	tip := h.commits(main, "a", "b")
	open := func(number int) forge.PullRequest {
		return forge.PullRequest{Number: number, State: forge.Open, Base: forge.Base{Branch: "main"}, Head: forge.Head{Commit: head.Commit.String()}}
	}
	seven := open(7)
	seven.State, seven.MergeCommit = forge.Merged, tip.Commit.String()
	m := &speaking{pulls: map[int]forge.PullRequest{7: seven, 9: open(9)}}
	f.opts.Forge, f.opts.Remote.Branch = m, "main"
	know := func(number int) { // as it was looked at for a base before this one
		p := &Pull{PullRequest: open(number), made: f.made(head.Commit)}
		p.Reviewed.Head, p.Reviewed.Base = head.Commit.String(), root.Commit.String()
		f.pulls[number] = p
	}
	var was *merged
	find := func(want int, sure bool) {
		t.Helper()
		got, err := f.find(t.Context(), h.step(root, tip), was)
		if err != nil {
			t.Fatal(err)
		}
		if was = got; got == nil {
			got = &merged{before: main}
		}
		if got.pr.Number != want || (got.unsure == "") != sure || got.before.Commit != main.Commit {
			t.Errorf("it is of pull request %d, in doubt for %q, and began at %s; want %d and %s", got.pr.Number, got.unsure, got.before.Commit, want, main.Commit)
		}
	}
	know(9)
	find(9, false) // it may be noted yet that it was merged
	m.merged = 7
	find(7, true)
	know(7)
	m.merged, was = 0, nil
	find(7, true)
	delete(f.pulls, 7)
	delete(m.pulls, 9)
	find(9, false) // the forge does not say
	m.pulls[9] = forge.PullRequest{Number: 9, State: forge.Closed, Base: forge.Base{Branch: "main"}}
	find(0, true)
}

// TestWhereItBeganIsFoundOutAgain: a merge of which it was not known where it began is
// looked at again from where the branch was judged last, and not from what was recorded
// for want of better.
func TestWhereItBeganIsFoundOutAgain(t *testing.T) {
	h, f := newHistory(t)
	root := h.commits(git.Revision{}, "first")
	head, main := h.commits(root, "a", "b"), h.commits(root, "another's")
	tip := h.commits(main, "a", "b")
	pr := forge.PullRequest{Number: 7, State: forge.Merged, MergeCommit: tip.Commit.String(), Base: forge.Base{Branch: "main"}, Head: forge.Head{Commit: head.Commit.String()}}
	f.opts.Forge, f.opts.Remote.Branch = &speaking{merged: 7, pulls: map[int]forge.PullRequest{7: pr}}, "main"
	was := &merged{step: h.step(root, tip), rough: true, before: main, after: tip, pr: pr}
	was.effect.rules = &catalog.Catalog{} // what it does from there is known
	now, err := f.identify(t.Context(), reconcile.Step{Since: root, Before: root, After: tip, Pull: 7}, was)
	if err != nil || now == nil || now.rough || now.before.Commit != main.Commit {
		t.Errorf("found out again it is %+v, %v; want that it began at %s", now, err, main.Commit)
	}
}

// TestForgeThatIsNotHeard: commits that say nothing do not wait for a forge that does not
// answer, and it is asked of no other for a while; that a commit is nobody's is asked once.
func TestForgeThatIsNotHeard(t *testing.T) {
	h, f := newHistory(t)
	m := &speaking{err: errors.New("gateway timeout"), merged: 7, pulls: map[int]forge.PullRequest{7: {Number: 7, Base: forge.Base{Branch: "main"}}}}
	f.opts.Forge, f.opts.Remote.Branch = m, "main"
	first := h.commits(git.Revision{}, "first", "second")
	second := h.commits(first, "third")
	again := false
	ask := func(after git.Revision, want, asked int) {
		t.Helper()
		pr := f.asked(t.Context(), after, again)
		if pr == nil {
			pr = &forge.PullRequest{}
		}
		if pr.Number != want || m.asked != asked {
			t.Errorf("it is of pull request %d, and the forge was asked %d times; want %d and %d", pr.Number, m.asked, want, asked)
		}
	}
	ask(first, 0, 1)
	ask(second, 0, 1)
	f.deaf, m.err = time.Time{}, forge.ErrNotFound
	ask(first, 0, 2)
	ask(first, 0, 2)
	again = true
	ask(first, 0, 3)
	m.err = nil
	ask(second, 7, 4)
}
