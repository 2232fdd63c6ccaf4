package pulls

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/reconcile"
)

// identify finds the pull request that a commit may be the merge of, and what the commit
// does; nil where there is none. Each that it could be is held against what is known and
// what the forge says, and one that it is not leaves it to the next.
func (f *Follower) identify(ctx context.Context, s reconcile.Step) (*merged, error) {
	if s.Pull != 0 {
		m := &merged{before: s.Before, after: s.After, since: f.opts.Now(), recorded: true}
		m.pr, m.unsure = f.recall(ctx, s.Pull)
		return m, f.compare(ctx, m, f.lastKnown(s.Pull))
	}
	for _, c := range f.candidates(s.After) {
		if m, err := f.hold(ctx, s, c); m != nil || err != nil {
			return m, err
		}
	}
	if number := f.asked(ctx, s.After); number != 0 {
		return f.hold(ctx, s, candidate{number: number})
	}
	return nil, nil
}

// candidate is a pull request that a commit may be the merge of.
type candidate struct {
	number int
	merges bool // the commit has its head as a parent
	named  bool // the commit says so
}

// candidates are the pull requests that a commit may be the merge of, by what is known of
// it: those whose head it is, or merges, or was before it was rebased, and the one that it
// names. Of several, open ones come first, and newer ones.
func (f *Follower) candidates(after git.Revision) []candidate {
	made := ""
	if len(after.Parents) == 1 {
		made = f.made(after.Commit)
	}
	var heads, rebased []candidate
	f.mu.Lock()
	for _, known := range []map[int]*Pull{f.pulls, f.past} {
		for _, number := range slices.Backward(slices.Sorted(maps.Keys(known))) {
			p := known[number]
			switch c := (candidate{number: number}); {
			case slices.ContainsFunc(after.Parents[min(1, len(after.Parents)):], func(h git.Hash) bool { return h.String() == p.Head.Commit }):
				c.merges = true
				heads = append(heads, c)
			case p.Reviewed.Head == after.Commit.String():
				heads = append(heads, c)
			case made != "" && p.made == made:
				rebased = append(rebased, c)
			}
		}
	}
	f.mu.Unlock()
	all := append(heads, rebased...)
	if number := f.named(after); number != 0 {
		all = append(all, candidate{number: number, named: true})
	}
	return all
}

// hold holds a commit against a pull request that it may be the merge of; nil where it is
// not. The forge is asked where what the commit has does not settle it.
func (f *Follower) hold(ctx context.Context, s reconcile.Step, c candidate) (m *merged, err error) {
	m = &merged{before: s.Before, after: s.After, since: f.opts.Now()}
	known := f.lastKnown(c.number)
	if known != nil {
		if m.before, err = f.began(s, known.Reviewed.Head, known.Reviewed.Base); err != nil {
			return nil, err
		}
	}
	if known != nil && (c.merges || (c.named || known.Reviewed.Base == m.before.Commit.String()) && f.plainly(m.before, m.after, known.Reviewed.Head)) {
		m.pr = known.PullRequest
		return m, f.compare(ctx, m, known)
	}
	if m.pr, m.unsure = f.confirm(ctx, c.number, m); m.pr.Number == 0 {
		return nil, nil
	}
	if head := m.pr.Head.Commit; head != "" && (known == nil || head != known.Reviewed.Head) { // it was pushed to meanwhile
		if m.before, err = f.begun(ctx, s, m.pr); err != nil {
			return nil, err
		}
	}
	return m, f.compare(ctx, m, known)
}

// compare finds out what a merge does, and whether that was reported of its head, where it
// is known what was.
func (f *Follower) compare(ctx context.Context, m *merged, known *Pull) (err error) {
	did := "" // what was reported of the head
	if known != nil && known.Failed == "" && (m.pr.Head.Commit == "" || m.pr.Head.Commit == known.Head.Commit) {
		m.pr.Head = known.Head
		m.reported, m.report, m.asked, did = known.Report.Digest.String(), known.Report, known.Decision, known.facts.Digest
		if known.Reviewed.Base == m.before.Commit.String() && f.plainly(m.before, m.after, known.Reviewed.Head) {
			m.planned, m.unsure = true, ""
			return nil
		}
	}
	if m.report, m.effect, err = f.replay(ctx, m.before, m.after); err != nil {
		return err
	}
	m.planned = m.reported == m.report.Digest.String() && did == m.effect.facts.Digest && m.unsure == ""
	return nil
}

// hearing is how long it is waited for what the forge says of a commit that says nothing
// itself, and deafness for how long it is not asked again where it does not: all that is
// pushed waits for it.
const hearing, deafness = 5 * time.Second, 15 * time.Second

// asked is the number of the pull request that was merged as a commit as the forge says; 0
// for none, and where the forge is not heard.
func (f *Follower) asked(ctx context.Context, after git.Revision) int {
	if len(after.Parents) == 0 {
		return 0
	}
	f.mu.Lock()
	skip := f.nobodys[after.Commit] || time.Now().Before(f.deaf)
	f.mu.Unlock()
	if skip {
		return 0
	}
	began := time.Now()
	within, cancel := context.WithTimeout(ctx, hearing)
	defer cancel()
	pr, err := f.opts.Forge.MergedAs(within, after.Commit.String())
	f.mu.Lock()
	defer f.mu.Unlock()
	none := errors.Is(err, forge.ErrNotFound)
	if err != nil && !none || time.Since(began) > time.Second {
		f.deaf = time.Now().Add(deafness)
	}
	switch {
	case err != nil && !none:
		f.opts.Log.Warn("ask whether a commit merges a pull request", "commit", after.Commit.String(), "err", err)
		return 0
	case none || pr.Base.Branch != f.opts.Remote.Branch:
		if len(f.nobodys) >= maxCommits {
			clear(f.nobodys)
		}
		f.nobodys[after.Commit] = true
		return 0
	}
	return pr.Number
}

// lastKnown is what is known of a pull request that is or was open; nil for nothing.
func (f *Follower) lastKnown(number int) *Pull {
	f.mu.Lock()
	defer f.mu.Unlock()
	return cmp.Or(f.pulls[number], f.past[number])
}

// named is the number of the pull request that a commit says it merges; 0 for none.
func (f *Follower) named(after git.Revision) int {
	raw, err := f.opts.Base.Store().RawCommit(after.Commit)
	if err != nil {
		return 0
	}
	return numberIn(raw)
}

// numberIn is the number of the pull request that a commit's message says it merges, as
// forges write that; 0 for none. Examples: "Merge pull request #7 from a/b", "Add it (#7)",
// "Merge pull request 'Add it' (#7) from b into main", "See merge request a/b!7".
func numberIn(raw []byte) int {
	_, message, _ := bytes.Cut(raw, []byte("\n\n"))
	said := regexp.MustCompile(`^Merge pull request #(\d{1,9})\b|^[^\n]*\(#(\d{1,9})\)(?: from [^\n]*)?(?:\n|$)|(?m:^See merge request [^\s!]*!(\d{1,9})$)`).FindSubmatch(message)
	for _, digits := range said[min(len(said), 1):] {
		if n, err := strconv.Atoi(string(digits)); err == nil {
			return n
		}
	}
	return 0
}

// recall asks the forge for a pull request that was merged for sure.
func (f *Follower) recall(ctx context.Context, number int) (pr forge.PullRequest, unsure string) {
	pr, err := f.opts.Forge.Pull(ctx, number)
	if err != nil {
		return forge.PullRequest{Number: number}, fmt.Sprintf("the forge does not say who approved pull request %d: %v", number, err)
	}
	return pr, ""
}

// doubt is how long a pull request that is open for the forge may have been merged all
// the same: it notes that after the commit is there.
const doubt = time.Minute

// confirm asks the forge whether a pull request was merged as a commit that says so;
// number 0 where it was not. Where the forge does not say, that is said.
func (f *Follower) confirm(ctx context.Context, number int, m *merged) (pr forge.PullRequest, unsure string) {
	pr, err := f.opts.Forge.Pull(ctx, number)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return forge.PullRequest{}, ""
	case err != nil:
		return forge.PullRequest{Number: number}, fmt.Sprintf("the forge does not say whether pull request %d was merged as it: %v", number, err)
	case pr.Base.Branch == f.opts.Remote.Branch && pr.State == forge.Merged && pr.MergeCommit == m.after.Commit.String():
		return pr, ""
	case pr.Base.Branch == f.opts.Remote.Branch && pr.State == forge.Open && f.opts.Now().Sub(m.since) < doubt:
		return pr, fmt.Sprintf("pull request %d, which it seems to merge, is open for the forge yet", number)
	}
	return forge.PullRequest{}, ""
}

// plainly reports whether a commit has just what merging a head into what was before
// gives.
func (f *Follower) plainly(before, after git.Revision, head string) bool {
	store := f.opts.Base.Store()
	h, err := store.Resolve(head)
	if err != nil {
		return false
	}
	p, err := Open(store, before, h)
	if err != nil {
		return false
	}
	tree, conflicts, err := compose.Merge(p.AncestorTree, p.BaseTree, p.HeadTree)
	if err != nil || len(conflicts) > 0 {
		return false
	}
	is, err := store.Tree(after.Commit)
	if err != nil {
		return false
	}
	same, err := alike(tree, is)
	return err == nil && same
}

// made is what rebasing leaves of a commit: its author, when he made it, and what he said;
// "" where it cannot be read.
func (f *Follower) made(commit git.Hash) string {
	raw, err := f.opts.Base.Store().RawCommit(commit)
	if err != nil {
		return ""
	}
	headers, message, _ := bytes.Cut(raw, []byte("\n\n"))
	for line := range bytes.Lines(headers) {
		if author, is := bytes.CutPrefix(line, []byte("author ")); is {
			return string(author) + string(bytes.TrimSpace(message))
		}
	}
	return ""
}

// own is what rebasing leaves of the commits that a head has and a branch has not; false
// where they are too many.
func (f *Follower) own(head, branch git.Hash) (map[string]bool, bool, error) {
	store := f.opts.Base.Store()
	there, err := store.FirstParents(branch, maxCommits)
	if err != nil {
		return nil, false, err
	}
	revs, err := store.FirstParents(head, maxCommits)
	if err != nil {
		return nil, false, err
	}
	out := map[string]bool{}
	for _, r := range revs {
		if slices.ContainsFunc(there, func(t git.Revision) bool { return t.Commit == r.Commit }) {
			return out, true, nil
		}
		out[f.made(r.Commit)] = true
	}
	return out, len(revs) < maxCommits, nil
}

// began is where the branch was before a pull request came into it, of which a head was
// looked at for a base. As several commits it came where the branch ends with the head's
// own, rebased or as they are; then that is before the first of them, and not before the
// base or what was judged already. Where it cannot be found out, all that was not judged
// yet counts as its own. Else it is the commit's parent.
func (f *Follower) began(s reconcile.Step, head, base string) (git.Revision, error) {
	h, err := git.ParseHash(head)
	exact := h == s.After.Commit
	if err != nil || !exact && len(s.After.Parents) != 1 {
		return s.Before, nil
	}
	var own map[string]bool
	if !exact {
		whole := false
		if own, whole, err = f.own(h, s.Before.Commit); errors.Is(err, git.ErrNotFound) || err == nil && !whole {
			return s.Since, nil
		}
	}
	at := s.After
	for err == nil && at.Commit != s.Since.Commit && (at.Commit.String() != base || at.Commit == s.After.Commit) && len(at.Parents) > 0 &&
		(exact || len(at.Parents) == 1 && own[f.made(at.Commit)]) {
		at, err = f.opts.Base.Store().Resolve(at.Parents[0].String())
	}
	if err != nil || at.Commit == s.After.Commit {
		return s.Before, err
	}
	return at, nil
}

// begun is began for a head that may not be here yet.
func (f *Follower) begun(ctx context.Context, s reconcile.Step, pr forge.PullRequest) (git.Revision, error) {
	if len(s.After.Parents) != 1 && pr.Head.Commit != s.After.Commit.String() {
		return s.Before, nil
	}
	if _, err := f.headOf(ctx, pr); err != nil {
		f.opts.Log.Warn("all that was not judged yet counts as of a pull request", "number", pr.Number, "commit", s.After.Commit.String(), "err", err)
		return s.Since, nil
	}
	return f.began(s, pr.Head.Commit, pr.Base.Commit)
}
