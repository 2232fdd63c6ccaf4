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
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/owners"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/review"
)

// merged is a commit that a pull request was merged as, and what it does.
type merged struct {
	before, after git.Revision
	reported      string // the digest of the plan that was reported of the head; "" for none
	planned       bool   // it does what was reported
	report        review.Report
	effect        effect
	since         time.Time // it is known
	recorded      bool      // whose it is, by a cluster

	// What is below changes while it waits.
	pr forge.PullRequest
	// unsure says why it is not known whether the pull request was merged as it; "" where
	// that is known.
	unsure string
	asked  owners.Decision
	waits  string // what for; "" where it is applied
	said   string // of it, on the forge
}

// effect is what a change does, whose units it changes, and the rules before it.
type effect struct {
	facts owners.Facts
	units []catalog.UnitKey
	rules *catalog.Catalog
}

// Judge finds out whether a commit is what a pull request was merged as, and whether it
// does what was reported of that. Where it does another thing, because the branch had gone
// on or nothing was reported, and not everybody approved that who must, it waits. The
// number is that of the pull request where that is known, from an earlier judgement.
func (f *Follower) Judge(ctx context.Context, before, after git.Revision, number int) (reconcile.Judgement, error) {
	f.mu.Lock()
	m := f.merges[after.Commit]
	f.mu.Unlock()
	if m == nil {
		var err error
		if m, err = f.identify(ctx, before, after, number); m == nil || err != nil {
			return reconcile.Judgement{}, err
		}
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
		delete(f.merges, after.Commit)
		return reconcile.Judgement{}, nil
	}
	if f.merges[after.Commit] = m; m.said != m.saying() {
		f.Wake()
	}
	if waits == "" {
		return reconcile.Judgement{}, nil
	}
	return reconcile.Judgement{Pull: m.pr.Number, Why: m.why(), Hint: m.hint(), Units: m.effect.units}, nil
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

// identify finds the pull request that a commit may be the merge of, and what the commit
// does; nil where there is none.
func (f *Follower) identify(ctx context.Context, before, after git.Revision, number int) (*merged, error) {
	m := &merged{before: before, after: after, since: f.opts.Now(), recorded: number != 0}
	known := f.byHead(after)
	if known == nil && !m.recorded {
		if number = f.named(after); number == 0 {
			return nil, nil
		}
		if known = f.lastKnown(number); known != nil && !f.plainly(before, after, known.Reviewed.Head) {
			known = nil // then the forge has to say it
		}
	}
	switch {
	case known != nil:
		m.pr = known.PullRequest
	case m.recorded:
		m.pr, m.unsure = f.recall(ctx, number)
	default:
		if m.pr, m.unsure = f.confirm(ctx, number, m); m.pr.Number == 0 {
			return nil, nil
		}
		known = f.lastKnown(number)
	}
	did := "" // what was reported of the head
	if known != nil && known.Failed == "" && (m.pr.Head.Commit == "" || m.pr.Head.Commit == known.Head.Commit) {
		m.pr.Head = known.Head
		m.reported, m.report, m.asked, did = known.Report.Digest.String(), known.Report, known.Decision, known.facts.Digest
		if known.Reviewed.Base == before.Commit.String() && f.plainly(before, after, known.Reviewed.Head) {
			m.planned, m.unsure = true, ""
			return m, nil
		}
	}
	var err error
	if m.report, m.effect, err = f.replay(ctx, before, after); err != nil {
		return nil, err
	}
	m.planned = m.reported == m.report.Digest.String() && did == m.effect.facts.Digest && m.unsure == ""
	return m, nil
}

// byHead is the known pull request whose head a commit merges; nil for none.
func (f *Follower) byHead(after git.Revision) *Pull {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, parent := range after.Parents {
		for _, known := range []map[int]*Pull{f.pulls, f.past} {
			for _, p := range known {
				if i > 0 && p.Head.Commit == parent.String() {
					return p
				}
			}
		}
	}
	return nil
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
		return pr, fmt.Sprintf("pull request %d, which it says it merges, is open for the forge yet", number)
	}
	return forge.PullRequest{}, ""
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
	store := f.opts.Base.Store()
	head, err := store.Resolve(pr.Head.Commit)
	if errors.Is(err, git.ErrNotFound) {
		remote := f.opts.Remote
		remote.Branch = f.opts.Ref(pr.Number)
		head, err = store.Fetch(ctx, remote)
	}
	if err != nil {
		return nil, err
	}
	return authors(store, Proposal{Base: before, Head: head})
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
	switch {
	case unsure != "":
		facts.Unknown = append(slices.Clone(facts.Unknown), unsure)
		return judge(facts, nil)
	case pr.Number == 0:
		return owners.Decision{} // no pull request was merged as it
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

// again asks the forge for the pull request of a merge, and whether it is that one where
// this was not sure; number 0 where it is not.
func (f *Follower) again(ctx context.Context, m *merged) (pr forge.PullRequest, unsure string) {
	f.mu.Lock()
	number, was := m.pr.Number, m.unsure
	f.mu.Unlock()
	if was == "" || m.recorded {
		pr, unsure = f.recall(ctx, number)
	} else {
		pr, unsure = f.confirm(ctx, number, m)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if unsure == "" && pr.Number != 0 {
		m.pr, m.unsure = pr, ""
	}
	return pr, unsure
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
