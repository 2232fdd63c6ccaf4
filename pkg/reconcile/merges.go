package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/git"
)

// Merges says of commits that pull requests were merged as whether what they do may be
// applied: what was reported of a pull request, or approved, may be another thing than what
// the merge does, because the branch had gone on.
type Merges interface {
	// Judge says what of a commit has to wait. An error means that it cannot be found out
	// what the commit does.
	Judge(ctx context.Context, s Step) (Judgement, error)
}

// Step is a commit of the branch that a pull request may have been merged as.
type Step struct {
	// Before is the commit's first parent, and Since where the branch was when it was judged
	// last: no pull request came into it before that. Of a commit that an earlier judgement
	// is of, both are where the pull request began.
	Since, Before, After git.Revision
	// Pull is the number of the pull request that an earlier judgement named, else 0.
	Pull int
}

// Judgement is what has to wait for approval, and why; nothing where Why is empty.
type Judgement struct {
	Why, Hint string
	// Pull is the number of the pull request.
	Pull int
	// Before is where the branch was before the pull request came into it: the commit's
	// first parent, or before the first of its commits where there are several.
	Before git.Hash
	Units  []catalog.UnitKey
}

// HoldUnapproved is the reason to hold a unit that a merge changed which nobody approved
// for what it does.
const HoldUnapproved = "UnapprovedChange"

// judged is the name under which the copy of Git remembers up to where merges were judged.
const judged = "judged"

// Heed has a daemon that does not run yet ask somebody of merges.
func (d *Daemon) Heed(m Merges) { d.merges = m }

// advance brings the clusters to a newer revision, after it was found out what of the
// merges since the last one has to wait.
func (d *Daemon) advance(ctx context.Context, rev git.Revision) error {
	steps, err := d.since(rev)
	if err != nil {
		return err
	}
	for i := 1; i < len(steps); i++ {
		j, err := d.merges.Judge(ctx, Step{Since: steps[0], Before: steps[i-1], After: steps[i]})
		if err != nil {
			return fmt.Errorf("revision %s waits: judge what commit %s does: %w", rev.Commit, steps[i].Commit, err)
		}
		if j.Why != "" {
			d.bar(steps[i].Commit, j)
		}
	}
	return d.adopt(ctx, rev)
}

// since are the last revision that was judged and those after it up to another, oldest
// first; none where nobody is asked of merges, or nobody can say what was judged.
func (d *Daemon) since(rev git.Revision) ([]git.Revision, error) {
	if d.merges == nil {
		return nil, nil
	}
	now, there := d.Current()
	last := now.Commit
	if !there {
		last = d.copy().Marked(judged)
	}
	if last.IsZero() {
		return nil, nil
	}
	var steps []git.Revision
	for at := rev.Commit; ; {
		revs, err := d.copy().FirstParents(at, stride)
		if err != nil {
			return nil, fmt.Errorf("revision %s: %w", rev.Commit, err)
		}
		for _, r := range revs {
			steps = append(steps, r)
			if r.Commit == last {
				slices.Reverse(steps)
				return steps, nil
			}
		}
		oldest := revs[len(revs)-1]
		if len(oldest.Parents) == 0 {
			return nil, nil
		}
		at = oldest.Parents[0]
	}
}

// bar has the units of a commit wait.
func (d *Daemon) bar(commit git.Hash, j Judgement) {
	d.mu.Lock()
	if d.barred == nil {
		d.barred = map[git.Hash]Judgement{}
	}
	same := d.barred[commit].Why == j.Why
	d.barred[commit] = j
	d.mu.Unlock()
	if !same {
		d.opts.Log.Error("merge is held", "commit", commit.String(), "units", len(j.Units), "why", j.Why)
	}
	for _, l := range d.loopList() {
		l.ratchet.bar(commit.String(), j)
	}
}

// lift has the units of a commit go on.
func (d *Daemon) lift(commit git.Hash, why string) {
	d.mu.Lock()
	delete(d.barred, commit)
	d.mu.Unlock()
	d.opts.Log.Info("merge is applied", "commit", commit.String(), "why", why)
	for _, l := range d.loopList() {
		if units := l.ratchet.lift(commit.String()); len(units) > 0 {
			l.queue.add(l.now(), units...)
		}
	}
}

// reconsider asks again of the merges that wait, those too that only clusters know of.
func (d *Daemon) reconsider(ctx context.Context) error {
	now, there := d.Current()
	if !there {
		return nil
	}
	waiting := d.waiting()
	for _, commit := range slices.SortedFunc(maps.Keys(waiting), func(a, b git.Hash) int { return slices.Compare(a[:], b[:]) }) {
		if err := d.ask(ctx, commit, waiting[commit], now); err != nil {
			return fmt.Errorf("ask again of merge %s: %w", commit, err)
		}
	}
	return nil
}

// ask asks again of one merge, and has its units go on where it is approved or was taken
// back. What the present history does not contain yet waits on: a copy may lag behind.
func (d *Daemon) ask(ctx context.Context, commit git.Hash, was Judgement, now git.Revision) error {
	within, err := d.copy().IsAncestor(commit, now.Commit)
	if errors.Is(err, git.ErrNotFound) || err == nil && !within {
		return nil
	}
	if err != nil {
		return err
	}
	steps, err := d.copy().FirstParents(commit, 2)
	if err != nil || len(steps) < 2 {
		return err
	}
	before := steps[1]
	if !was.Before.IsZero() {
		if before, err = d.copy().Resolve(was.Before.String()); errors.Is(err, git.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
	}
	undone, err := d.undone(before, steps[0], now)
	if err != nil {
		return err
	}
	if undone {
		d.lift(commit, "it was taken back")
		return nil
	}
	if d.merges == nil {
		return nil // nobody can say that it is approved
	}
	j, err := d.merges.Judge(ctx, Step{Since: before, Before: before, After: steps[0], Pull: was.Pull})
	switch {
	case err != nil:
		return err
	case j.Why == "":
		d.lift(commit, "it is approved")
	default:
		d.told(commit, j)
	}
	return nil
}

// told takes in what a commit waits for now; its units stay those that they were.
func (d *Daemon) told(commit git.Hash, j Judgement) {
	d.mu.Lock()
	was := d.barred[commit]
	d.mu.Unlock()
	if was.Why != j.Why {
		d.bar(commit, j)
		for _, l := range d.loopList() {
			l.queue.add(l.now(), l.ratchet.units(commit.String())...)
		}
	}
}

// waiting are the commits that wait, by what the daemon or a cluster knows, and whose
// they are.
func (d *Daemon) waiting() map[git.Hash]Judgement {
	all := map[git.Hash]Judgement{}
	for _, l := range d.loopList() {
		for name, j := range l.ratchet.commits() {
			h, err := git.ParseHash(name)
			if err == nil && (all[h].Before.IsZero() || !j.Before.IsZero()) { // an older version does not record it
				all[h] = j
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(all, d.barred)
	return all
}

// undone reports whether all that a commit did to files is as it was before it.
func (d *Daemon) undone(before, merge, now git.Revision) (bool, error) {
	var trees [3]*git.Tree
	for i, r := range []git.Revision{before, merge, now} {
		var err error
		if trees[i], err = d.copy().Tree(r.Commit); err != nil {
			return false, err
		}
	}
	did, err := git.Diff(trees[0], trees[1])
	if err != nil {
		return false, err
	}
	since, err := git.Diff(trees[0], trees[2])
	if err != nil {
		return false, err
	}
	differ := make(map[string]bool, len(since))
	for _, c := range since {
		differ[c.Path] = true
	}
	return !slices.ContainsFunc(did, func(c git.Change) bool { return differ[c.Path] }), nil
}

// mark remembers up to where merges were judged, once no cluster has to be told first
// what waits: after a crash they are judged again from there.
func (d *Daemon) mark() {
	now, there := d.Current()
	if d.merges == nil || !there || d.copy().Marked(judged) == now.Commit {
		return
	}
	if slices.ContainsFunc(d.loopList(), func(l *loop) bool { return l.ratchet.unsaved() }) {
		return
	}
	if err := d.copy().Mark(judged, now.Commit); err != nil {
		d.opts.Log.Error("remember where merges were judged", "err", err)
	}
}
