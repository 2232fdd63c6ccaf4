package pulls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/owners"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/review"
)

// factsOf are what a proposal does, by its report and its files, and who made it as far
// as its commits say. Who opened it is added by who knows.
func factsOf(store *git.Store, p Proposal, r review.Report) (owners.Facts, error) {
	changed, err := git.Diff(p.AncestorTree, p.HeadTree)
	if err != nil {
		return owners.Facts{}, fmt.Errorf("compare %s with %s: %w", p.Head.Commit, p.Ancestor.Commit, err)
	}
	f := owners.Facts{}
	files := map[string]string{}
	for _, c := range changed {
		f.Paths, files[c.Path] = append(f.Paths, c.Path), ""
		if !c.After.IsZero() {
			files[c.Path] = c.After.String()
		}
	}
	if len(r.Conflicts) > 0 {
		f.Unknown = append(f.Unknown, "it cannot be merged, so nobody can say what it does")
		return f, nil
	}
	f.Digest = owners.Effect(r.Digest.String(), files)
	for _, u := range r.Units {
		f.Objects = append(f.Objects, objectsOf(u)...)
		if u.Hold != nil && (u.Hold.Reason == plan.HoldInvalid || u.Hold.Reason == plan.HoldPolicy) {
			f.Unknown = append(f.Unknown, fmt.Sprintf("%s cannot be rendered, so nobody can say what becomes of it", u.Unit))
		}
	}
	f.Authors, err = authors(store, p)
	return f, err
}

func objectsOf(u review.Unit) []owners.Object {
	var out []owners.Object
	for _, s := range u.Steps {
		withheld := s.Action == plan.Wait && u.Withheld != nil // it would go if somebody consented
		if !s.Action.Writes() && !withheld {
			continue
		}
		kind := s.ID.Kind
		if s.ID.Group != "" {
			kind += "." + s.ID.Group
		}
		o := owners.Object{Team: u.Team, Environment: u.Unit.Environment, Kind: kind}
		o.Deleted = s.Action == plan.Prune || withheld
		o.Guarded = withheld || o.Deleted && s.Guarded
		out = append(out, o)
	}
	return out
}

// maxCommits bounds how many commits of a proposal are looked at for their authors.
const maxCommits = 1000

// authors are the logins that the commits of a proposal could be of, by the names and
// addresses they bear. Who commits can write there what he wants: so this finds who
// forgot that he was there, and not who hides it.
func authors(store *git.Store, p Proposal) ([]string, error) {
	var out []string
	at := p.Head
	for range maxCommits {
		known, err := store.IsAncestor(at.Commit, p.Base.Commit)
		if err != nil || known {
			return out, err
		}
		for _, login := range logins(at.Author) {
			if !slices.Contains(out, login) {
				out = append(out, login)
			}
		}
		if len(at.Parents) == 0 {
			return out, nil
		}
		if at, err = store.Resolve(at.Parents[0].String()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s is more than %d commits ahead of its base", p.Head.Commit, maxCommits)
}

// logins are those that an author could have: his name, what his address begins with,
// and what the addresses hold that GitHub and GitLab give. Example: of "Ada
// <1+ada@users.noreply.github.com>" "ada".
func logins(author string) []string {
	name, address, _ := strings.Cut(author, " <")
	local, _, _ := strings.Cut(strings.TrimSuffix(address, ">"), "@")
	out := []string{strings.ReplaceAll(name, " ", ""), local}
	for _, mark := range []string{"+", "-"} {
		if number, login, ok := strings.Cut(local, mark); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			out = append(out, login)
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// decide says who must approve a proposal and who of them did. What the forge does not
// say as a whole leaves it undecided.
func (f *Follower) decide(ctx context.Context, pr forge.PullRequest, facts owners.Facts, base git.Revision) owners.Decision {
	return f.decided(ctx, pr, facts, nil, func(commit string) string {
		if commit == pr.Head.Commit {
			return facts.Digest
		}
		return f.effectAt(ctx, pr.Number, base, commit, f.opts.Reviewer.Review)
	}, f.judge)
}

// decided says who must approve what is done, as judge does, and who of them did: by what
// was given and by the reviews of a pull request, each for what effectAt says of its commit.
func (f *Follower) decided(ctx context.Context, pr forge.PullRequest, facts owners.Facts, approvals []owners.Approval, effectAt func(commit string) string,
	judge func(owners.Facts, []owners.Approval) owners.Decision,
) owners.Decision {
	facts.Authors = append(slices.Clone(facts.Authors), pr.Author)
	reviews, known := f.opts.Forge.Reviews(ctx, pr.Number).Members()
	if !known {
		facts.Unknown = append(slices.Clone(facts.Unknown), "the forge does not say who approved")
	}
	for _, v := range forge.Standing(reviews) {
		a := owners.Approval{Login: v.Author}
		if v.Commit != "" {
			a.Digest = effectAt(v.Commit)
		}
		approvals = append(approvals, a)
	}
	d := judge(facts, approvals)
	for _, group := range d.Groups() {
		for i := range approvals {
			in, err := f.opts.Forge.Member(ctx, group, approvals[i].Login)
			if err != nil {
				d.Unknown = append(d.Unknown, "the forge does not say who is in "+group)
				return d
			}
			if in {
				approvals[i].Groups = append(approvals[i].Groups, group)
			}
		}
	}
	return judge(facts, approvals)
}

// judge decides by the rules in force, which are the base's.
func (f *Follower) judge(facts owners.Facts, given []owners.Approval) (d owners.Decision) {
	f.opts.Reviewer.InForce.Read(func(cat *catalog.Catalog) { d = owners.Decide(cat, facts, given) })
	return d
}

// reviewing says what merging a proposal would do.
type reviewing func(ctx context.Context, p Proposal) (review.Report, error)

// effectAt is what a proposal did when it was approved at a commit, against a base: then
// it is the same question to which the head is an answer. "" where the commit is gone or
// cannot be reviewed: that is no approval of anything.
func (f *Follower) effectAt(ctx context.Context, number int, base git.Revision, commit string, review reviewing) string {
	key := base.Commit.String() + " " + commit
	f.mu.Lock()
	effect, ok := f.effects[key]
	f.mu.Unlock()
	if ok {
		return effect
	}
	f.looking.Lock()
	effect, err := f.effect(ctx, base, commit, review)
	f.looking.Unlock()
	if err != nil {
		f.opts.Log.Warn("approval of a commit that cannot be reviewed", "number", number, "commit", commit, "err", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || errors.Is(err, git.ErrNotFound) { // what else went wrong may go right next time
		if len(f.effects) >= maxEffects {
			clear(f.effects)
		}
		f.effects[key] = effect
	}
	return effect
}

// maxEffects bounds how many effects of earlier heads are kept.
const maxEffects = 1000

func (f *Follower) effect(ctx context.Context, base git.Revision, commit string, review reviewing) (string, error) {
	store := f.opts.Base.Store()
	head, err := store.Resolve(commit)
	if err != nil {
		return "", err
	}
	p, err := Open(store, base, head)
	if err != nil {
		return "", err
	}
	r, err := review(ctx, p)
	if err != nil {
		return "", err
	}
	facts, err := factsOf(store, p, r)
	return facts.Digest, err
}

// statusApprovals is the status that says who has yet to approve.
const statusApprovals = "fairway/approvals"

// approvals are a decision as a status and as a part of the comment.
func approvals(d owners.Decision) (status forge.Status, text string) {
	status = forge.Status{Context: statusApprovals, State: forge.Success, Description: "nobody has to approve it"}
	var b strings.Builder
	missing, asked := "", 0
	for _, a := range d.Asks {
		mark := "x"
		if asked++; a.Missing() > 0 {
			mark = " "
			missing = fmt.Sprintf("%d of %d %s", a.Missing(), a.Count, a.Of)
		}
		fmt.Fprintf(&b, "- [%s] %s\n", mark, plan.Cell(a.String()))
	}
	for _, i := range d.Ignored {
		fmt.Fprintf(&b, "- %s does not count: %s\n", plan.Cell(i.Login), plan.Cell(i.Why))
	}
	for _, why := range d.Unknown {
		fmt.Fprintf(&b, "- undecided: %s\n", plan.Cell(why))
	}
	switch {
	case len(d.Unknown) > 0:
		status.State, status.Description = forge.Pending, d.Unknown[0]
	case missing != "":
		status.State, status.Description = forge.Pending, "waits for "+missing
	case asked > 0:
		status.Description = "everybody approved who must"
	}
	if b.Len() == 0 {
		return status, ""
	}
	return status, "\n**Who must approve**\n\n" + b.String()
}
