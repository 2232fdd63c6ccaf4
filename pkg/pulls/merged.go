package pulls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/owners"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/review"
)

// merged is a commit that a pull request was merged as, and what it does.
type merged struct {
	step          reconcile.Step // as it was judged first in this process
	before, after git.Revision
	reported      string // the digest of the plan that was reported of the head; "" for none
	planned       bool   // it does what was reported
	report        review.Report
	effect        effect
	since         time.Time // it is known
	recorded      bool      // whose it is, by a cluster
	// unsure says why it is not known whether the pull request was merged as it; "" where
	// that is known. Rough is that it is not known where it began. Then both are asked again.
	unsure string
	rough  bool

	// What is below changes while it waits.
	pr    forge.PullRequest
	asked owners.Decision
	waits string // what for; "" where it is applied
	said  string // of it, on the forge
}

// effect is what a change does, whose units it changes, and the rules before it.
type effect struct {
	facts owners.Facts
	units []catalog.UnitKey
	rules *catalog.Catalog
}

// Judge finds out whether a commit is what a pull request was merged as, and whether it
// does what was reported of that. Where it does another thing, because the branch had gone
// on or nothing was reported, and not everybody approved that who must, it waits.
func (f *Follower) Judge(ctx context.Context, s reconcile.Step) (reconcile.Judgement, error) {
	f.mu.Lock()
	m := f.merges[s.After.Commit]
	f.mu.Unlock()
	if m == nil || m.unsure != "" || m.rough {
		var err error
		if m, err = f.identify(ctx, s, m); err != nil {
			return reconcile.Judgement{}, err
		}
	}
	if m == nil {
		f.mu.Lock()
		delete(f.merges, s.After.Commit) // if it was one, it was not sure
		f.mu.Unlock()
		return reconcile.Judgement{}, nil
	}
	waits := ""
	if !m.planned {
		d := f.decideMerge(ctx, m)
		status, _ := approvals(d)
		f.mu.Lock()
		if m.asked = d; !d.Satisfied() {
			waits = cmp.Or(m.unsure, status.Description)
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m.waits = waits
	if waits == "" && m.unsure != "" { // then it does not matter whose it is
		delete(f.merges, m.after.Commit)
		return reconcile.Judgement{}, nil
	}
	if f.merges[m.after.Commit] = m; m.said != m.saying() {
		f.Wake()
	}
	if waits == "" {
		return reconcile.Judgement{}, nil
	}
	return reconcile.Judgement{Pull: m.pr.Number, Before: m.before.Commit, Why: m.why(), Hint: m.hint(), Units: m.effect.units}, nil
}

// why says in a line what is held and what for.
func (m *merged) why() string {
	than := "than was reported"
	if m.reported == "" {
		than = "than is known to have been reported"
	}
	return fmt.Sprintf("pull request %d was merged as %s, which does another thing %s: %s", m.pr.Number, m.after.Commit.String()[:12], than, m.waits)
}

func (m *merged) hint() string {
	return fmt.Sprintf("who must approve it does so on the pull request, by a review where the forge takes one after the merge, or by the label %s; or revert the commit",
		approveLabel(m.after.Commit))
}

// approveLabel is the label by which somebody approves what a merge does.
func approveLabel(commit git.Hash) string { return "approve-" + commit.String()[:12] }

// replay finds out what a change from one revision to another does, wherever the fleet in
// force is.
func (f *Follower) replay(ctx context.Context, before, after git.Revision) (r review.Report, e effect, err error) {
	store := f.opts.Base.Store()
	p, err := Open(store, before, after)
	if err != nil {
		return r, e, err
	}
	if r, e.rules, err = f.opts.Reviewer.Replay(ctx, p); err != nil {
		return r, e, err
	}
	for _, u := range r.Units {
		e.units = append(e.units, u.Unit)
	}
	e.facts, err = factsOf(store, p, r)
	return r, e, err
}

// authorsOf are who could have made what was merged, by its commits.
func (f *Follower) authorsOf(ctx context.Context, before git.Revision, pr forge.PullRequest) ([]string, error) {
	head, err := f.headOf(ctx, pr)
	if err != nil {
		return nil, err
	}
	return authors(f.opts.Base.Store(), Proposal{Base: before, Head: head})
}

// headOf is the head of a pull request, which is fetched where the copy of Git lacks it.
func (f *Follower) headOf(ctx context.Context, pr forge.PullRequest) (git.Revision, error) {
	head, err := f.opts.Base.Store().Resolve(pr.Head.Commit)
	if errors.Is(err, git.ErrNotFound) {
		if head, err = f.fetchHead(ctx, pr); err != nil {
			if again, is := f.opts.Base.Store().Resolve(pr.Head.Commit); is == nil {
				return again, nil // it was fetched beside
			}
		}
	}
	return head, err
}

// decideMerge says who must approve what a merge does, by the rules before it, and who of
// them did: by an approval of a commit that would have done the same, or by a label.
func (f *Follower) decideMerge(ctx context.Context, m *merged) owners.Decision {
	facts, judge := m.effect.facts, func(facts owners.Facts, given []owners.Approval) owners.Decision {
		return owners.Decide(m.effect.rules, facts, given)
	}
	if d := judge(facts, nil); d.Satisfied() {
		return d
	}
	pr, unsure := f.again(ctx, m) // its labels as they are now
	if unsure != "" {
		facts.Unknown = append(slices.Clone(facts.Unknown), unsure)
		return judge(facts, nil)
	}
	var err error
	if facts.Authors, err = f.authorsOf(ctx, m.before, pr); err != nil {
		facts.Unknown = append(slices.Clone(facts.Unknown), "it is not known who made the change: "+err.Error())
	}
	effectAt := func(commit string) string {
		if commit == pr.Head.Commit && f.plainly(m.before, m.after, commit) {
			return facts.Digest
		}
		return f.effectAt(ctx, pr.Number, m.before, commit, f.opts.Reviewer.Past)
	}
	var labelled []owners.Approval
	if label := approveLabel(m.after.Commit); slices.Contains(pr.Labels, label) {
		events, known := f.opts.Forge.LabelEvents(ctx, pr.Number).Members()
		if !known {
			facts.Unknown = append(slices.Clone(facts.Unknown), "the forge does not say who put the label on")
		}
		labelled = vouched(events, label, facts.Digest)
	}
	return f.decided(ctx, pr, facts, labelled, effectAt, judge)
}

// vouched are the approvals by a label that is on: of those who put it on since it was
// taken off last.
func vouched(events map[int]forge.LabelEvent, label, digest string) (given []owners.Approval) {
	for _, i := range slices.Sorted(maps.Keys(events)) {
		switch e := events[i]; {
		case e.Label == label && e.Added:
			given = append(given, owners.Approval{Login: e.Actor, Digest: digest})
		case e.Label == label:
			given = nil
		}
	}
	return given
}

// again asks the forge for the pull request of a merge; where it is not sure which one
// that is, it says why.
func (f *Follower) again(ctx context.Context, m *merged) (pr forge.PullRequest, unsure string) {
	if m.unsure != "" {
		return m.pr, m.unsure
	}
	pr, err := f.opts.Forge.Pull(ctx, m.pr.Number)
	if err != nil {
		return m.pr, fmt.Sprintf("the forge does not say who approved pull request %d: %v", m.pr.Number, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m.pr = pr
	return pr, ""
}

// tellMerges tells the forge what became of the pull requests that were merged.
func (f *Follower) tellMerges(ctx context.Context) {
	f.mu.Lock()
	var all []merged
	for _, m := range f.merges {
		if m.said != m.saying() && m.unsure == "" {
			all = append(all, *m)
		}
	}
	f.mu.Unlock()
	for _, m := range all {
		status, text := approvals(m.asked)
		said := m.saying()
		if err := f.publish(ctx, m.pr, m.report, text+said, status); err != nil {
			f.opts.Log.Warn("tell of a merge", "number", m.pr.Number, "commit", m.after.Commit.String(), "err", err)
			continue
		}
		f.opts.Log.Info("pull request merged", "number", m.pr.Number, "commit", m.after.Commit.String(), "planned", m.planned, "waits", m.waits)
		if !m.planned {
			f.opts.Journal.Append(ctx, journal.Record{
				Time: f.opts.Now(), Kind: journal.Reviewed, Revision: m.after.Commit.String(), Actor: m.pr.Author,
				Message: fmt.Sprintf("pull request %d was merged: plan %s instead of %s; %s", m.pr.Number, m.report.Digest, cmp.Or(m.reported, "none"), cmp.Or(m.waits, "applied")),
			})
		}
		f.mu.Lock()
		if now := f.merges[m.after.Commit]; now != nil {
			if now.said = said; now.waits == "" && now.saying() == said {
				delete(f.merges, m.after.Commit)
			}
		}
		f.mu.Unlock()
	}
}

// saying is what the comment says of a merge below the plan.
func (m *merged) saying() string {
	as := "\n**Merged** as " + m.after.Commit.String() + ". "
	switch {
	case m.planned:
		return as + "What is said above is what is applied.\n"
	case m.waits == "":
		return as + "It does another thing than was reported before: what is said above, and that is applied.\n"
	}
	return as + "It does another thing than was reported before: what is said above. **It is held**: " + m.waits + ".\n\nW" + strings.TrimPrefix(m.hint(), "w") + ".\n"
}
