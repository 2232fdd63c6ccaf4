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
// does; nil where there is none. Was is what was found before and is not sure, nil for
// nothing.
func (f *Follower) identify(ctx context.Context, s reconcile.Step, was *merged) (*merged, error) {
	if was != nil {
		s = was.step // what was recorded meanwhile is of the doubt
	}
	m, err := f.find(ctx, s, was)
	if m == nil || err != nil {
		return nil, err
	}
	return m, f.compare(ctx, m, f.lastKnown(m.pr.Number), was)
}

// find finds the pull request that a commit may be the merge of; nil where there is none.
// Each that it could be is held against what is known and what the forge says; one that
// the forge is not sure of stands if no other is.
func (f *Follower) find(ctx context.Context, s reconcile.Step, was *merged) (unsure *merged, err error) {
	for _, c := range f.candidates(s) {
		m, err := f.hold(ctx, s, c, was)
		if err != nil || m != nil && m.unsure == "" {
			return m, err
		}
		if unsure == nil {
			unsure = m
		}
	}
	if pr := f.asked(ctx, s.After, unsure != nil); pr != nil {
		return f.hold(ctx, s, candidate{number: pr.Number, says: pr}, was)
	}
	return unsure, nil
}

// candidate is a pull request that a commit may be the merge of.
type candidate struct {
	number   int
	merges   bool               // the commit has its head as a parent
	named    bool               // the commit says so
	recorded bool               // a cluster has it recorded
	says     *forge.PullRequest // as the forge says that it was merged as the commit
}

// candidates are the pull requests that a commit may be the merge of, by what is known of
// it: the one that an earlier judgement named, those whose head it is, or merges, or was
// before it was rebased, and the one that it names. Of several, those come first that it
// names as well, then open ones, then newer ones.
func (f *Follower) candidates(s reconcile.Step) []candidate {
	after, made := s.After, ""
	if len(after.Parents) == 1 {
		made = f.made(after.Commit)
	}
	named := f.named(after)
	var heads, rebased []candidate
	f.mu.Lock()
	for _, known := range []map[int]*Pull{f.pulls, f.past} {
		for _, number := range slices.Backward(slices.Sorted(maps.Keys(known))) {
			p := known[number]
			switch c := (candidate{number: number, named: number == named, recorded: number == s.Pull}); {
			case hasParent(after, p.Head.Commit):
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
	for _, c := range []candidate{{number: named, named: true, recorded: named == s.Pull}, {number: s.Pull, recorded: true}} {
		if c.number != 0 && !slices.ContainsFunc(all, func(other candidate) bool { return other.number == c.number }) {
			all = append(all, c)
		}
	}
	rank := func(c candidate) int {
		switch {
		case c.recorded:
			return 0
		case c.named && c.merges:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// hasParent reports whether a commit merges a head into what was before.
func hasParent(after git.Revision, head string) bool {
	return slices.ContainsFunc(after.Parents[min(1, len(after.Parents)):], func(h git.Hash) bool { return h.String() == head })
}

// hold holds a commit against a pull request that it may be the merge of; nil where it is
// not. The forge is asked where what the commit has does not settle it.
func (f *Follower) hold(ctx context.Context, s reconcile.Step, c candidate, was *merged) (m *merged, err error) {
	m = &merged{step: s, before: s.Before, after: s.After, since: f.opts.Now(), recorded: c.recorded}
	if was != nil {
		m.since = was.since
	}
	known := f.lastKnown(c.number)
	if known != nil {
		head := known.PullRequest
		head.Head.Commit, head.Base.Commit = known.Reviewed.Head, known.Reviewed.Base
		if err = f.begin(ctx, s, m, head); err != nil {
			return nil, err
		}
		as := c.named || known.Reviewed.Base == m.before.Commit.String()
		if !c.recorded && (c.merges || as && f.plainly(m.before, m.after, known.Reviewed.Head)) {
			m.pr = known.PullRequest
			return m, nil
		}
	}
	if c.says != nil {
		m.pr = *c.says
	} else if m.pr, m.unsure = f.confirm(ctx, c.number, m); m.pr.Number == 0 {
		return nil, nil
	}
	if known != nil && (m.pr.Head.Commit == "" || m.pr.Head.Commit == known.Reviewed.Head) {
		return m, nil
	}
	return m, f.begin(ctx, s, m, m.pr)
}

// begin finds out where the branch was before a pull request came into it. Where its head
// cannot be had, all that was not judged yet counts as its own, until it can.
func (f *Follower) begin(ctx context.Context, s reconcile.Step, m *merged, pr forge.PullRequest) (err error) {
	m.before, m.rough = s.Before, false
	if s.Since.Commit == s.Before.Commit || pr.Head.Commit == "" || len(s.After.Parents) != 1 && pr.Head.Commit != s.After.Commit.String() {
		return nil
	}
	if _, err := f.headOf(ctx, pr); err != nil {
		f.opts.Log.Warn("all that was not judged yet counts as of a pull request", "number", pr.Number, "commit", s.After.Commit.String(), "err", err)
		m.before, m.rough = s.Since, true
		return nil
	}
	m.before, err = f.began(s, pr.Head.Commit, pr.Base.Commit)
	return err
}

// compare finds out what a merge does, and whether that was reported of its head, where it
// is known what was. What was found before saves finding out again what the same commits do.
func (f *Follower) compare(ctx context.Context, m *merged, known *Pull, was *merged) (err error) {
	if was != nil && was.pr.Number == m.pr.Number {
		m.said = was.said
	}
	did := "" // what was reported of the head
	if known != nil && known.Failed == "" && (m.pr.Head.Commit == "" || m.pr.Head.Commit == known.Head.Commit) {
		m.pr.Head = known.Head
		m.reported, m.report, m.asked, did = known.Report.Digest.String(), known.Report, known.Decision, known.facts.Digest
		if known.Reviewed.Base == m.before.Commit.String() && f.plainly(m.before, m.after, known.Reviewed.Head) {
			m.planned, m.unsure = true, ""
			return nil
		}
	}
	if was != nil && was.before.Commit == m.before.Commit && was.effect.rules != nil {
		m.report, m.effect = was.report, was.effect
	} else if m.report, m.effect, err = f.replay(ctx, m.before, m.after); err != nil {
		return err
	}
	m.planned = m.reported == m.report.Digest.String() && did == m.effect.facts.Digest && m.unsure == ""
	return nil
}

// hearing is how long it is waited for what the forge says of a commit that says nothing
// itself, and deafness for how long it is not asked again where it does not: all that is
// pushed waits for it.
const hearing, deafness = 5 * time.Second, 15 * time.Second

// asked is the pull request that was merged as a commit as the forge says; nil for none, and
// where the forge is not heard. It may say so later than another, which is asked again.
func (f *Follower) asked(ctx context.Context, after git.Revision, again bool) *forge.PullRequest {
	if len(after.Parents) == 0 {
		return nil
	}
	f.mu.Lock()
	skip := f.nobodys[after.Commit] && !again || time.Now().Before(f.deaf)
	f.mu.Unlock()
	if skip {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, hearing)
	defer cancel()
	pr, err := f.opts.Forge.MergedAs(within, after.Commit.String())
	none := errors.Is(err, forge.ErrNotFound)
	if err != nil && !none {
		f.opts.Log.Warn("ask whether a commit merges a pull request", "commit", after.Commit.String(), "err", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil && !none:
		f.deaf = time.Now().Add(deafness)
		return nil
	case none || pr.Base.Branch != f.opts.Remote.Branch:
		if len(f.nobodys) >= maxCommits {
			clear(f.nobodys)
		}
		f.nobodys[after.Commit] = true
		return nil
	}
	return &pr
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

// doubt is how long a pull request that is open for the forge may have been merged all
// the same: it notes that after the commit is there.
const doubt = time.Minute

// confirm asks the forge whether a pull request was merged as a commit that says so;
// number 0 where it was not. Where the forge does not say, that is said.
func (f *Follower) confirm(ctx context.Context, number int, m *merged) (pr forge.PullRequest, unsure string) {
	pr, err := f.opts.Forge.Pull(ctx, number)
	switch {
	case errors.Is(err, forge.ErrNotFound) && !m.recorded:
		return forge.PullRequest{}, ""
	case err != nil:
		return forge.PullRequest{Number: number}, fmt.Sprintf("the forge does not say whether pull request %d was merged as it: %v", number, err)
	case pr.Base.Branch == f.opts.Remote.Branch && (pr.State == forge.Merged && pr.MergeCommit == m.after.Commit.String() || hasParent(m.after, pr.Head.Commit)):
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

// own is what rebasing leaves of the commits that a head has and a branch has not, those of
// what was merged into it too: so many at most, the nearest ones.
func (f *Follower) own(head, branch git.Hash) (map[string]bool, error) {
	store := f.opts.Base.Store()
	left, err := store.MergeBase(branch, head)
	if err != nil {
		return nil, err
	}
	out, seen := map[string]bool{}, map[git.Hash]bool{left.Commit: true}
	for next := []git.Hash{head}; len(next) > 0 && len(out) < maxCommits; next = next[1:] {
		if seen[next[0]] {
			continue
		}
		seen[next[0]] = true
		r, err := store.Resolve(next[0].String())
		if err != nil {
			return nil, err
		}
		out[f.made(r.Commit)] = true
		next = append(next, r.Parents...)
	}
	return out, nil
}

// began is where the branch was before a pull request came into it, of which a head was
// looked at for a base. As several commits it came where the branch ends with the head's
// own, rebased or as they are; then that is before the first of them, and not before the
// base or what was judged already. Else it is the commit's parent. Of the last commit
// the forge may have changed the message.
func (f *Follower) began(s reconcile.Step, head, base string) (git.Revision, error) {
	store := f.opts.Base.Store()
	h, err := git.ParseHash(head)
	if err != nil {
		return s.Before, nil
	}
	own := func(git.Revision) bool { return true }
	if h != s.After.Commit {
		made, err := f.own(h, s.Before.Commit)
		if err != nil && !errors.Is(err, git.ErrNotFound) {
			return s.Before, err
		}
		own = func(r git.Revision) bool { return len(r.Parents) == 1 && made[f.made(r.Commit)] }
	}
	if !own(s.After) && !own(s.Before) {
		return s.Before, nil
	}
	at := s.Before
	for at.Commit != s.Since.Commit && at.Commit.String() != base && len(at.Parents) > 0 && own(at) {
		if at, err = store.Resolve(at.Parents[0].String()); err != nil {
			return s.Before, err
		}
	}
	return at, nil
}
