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

	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/preview"
	"github.com/fairway-dev/fairway/pkg/status"
)

// Place is where previews run.
type Place interface {
	// Units are the status of all units.
	Units() []status.Unit
	// Previewed is the version of the previews that clusters are brought to.
	Previewed() int
}

// stage is what is known of one pull request's preview.
type stage struct {
	made preview.Preview
	// leave is what it may have; refused says why it has no preview although it may.
	leave   preview.Leave
	refused string
	monthly float64
	version int // of the set since it is in it as it is now; 0 while it is not
	// pushed is when the head was made, as it says itself.
	pushed time.Time
	since  time.Time // when it was put into the set; zero once it was ready
	status status.Preview
	// deployed is how the forge shows it among what runs where.
	deployed forge.Deployment
}

// preview makes a pull request's preview, or takes it away, and says how it is doing.
// Errors leave what is there as it is: they are the forge's and Git's.
func (f *Follower) preview(ctx context.Context, base git.Revision, now *Pull, same bool) error {
	if f.opts.Previews == nil {
		return nil
	}
	s := &now.stage
	rules, broken := f.rules()
	switch {
	case broken:
		return errors.New("platform/previews cannot be evaluated")
	case rules == nil:
		f.end(now.PullRequest, "previews are not declared any more")
		return nil
	case !same || s.status.State == "":
		if err := f.stage(ctx, rules, base, now); err != nil {
			return err
		}
	}
	var err error
	if s.leave, err = f.gate().Ask(ctx, rules, now.PullRequest, s.pushed); err != nil {
		return fmt.Errorf("ask whether pull request %d may have a preview: %w", now.Number, err)
	}
	f.place(rules, now)
	s.status = f.show(now)
	if s.status.State == status.PreviewEnded && forImage(now.PullRequest) {
		if err := f.opts.Forge.ClosePull(ctx, now.Number); err != nil {
			return err
		}
		f.drop(now.PullRequest)
	}
	return nil
}

// rules are what platform/previews says in force; nil where nothing is declared.
func (f *Follower) rules() (rules *catalog.Previews, broken bool) {
	f.opts.Reviewer.InForce.Read(func(cat *catalog.Catalog) { rules = cat.Previews })
	return rules, rules != nil && rules.Broken()
}

func (f *Follower) gate() preview.Gate { return preview.Gate{Forge: f.opts.Forge, Now: f.opts.Now} }

// stage makes of a head what its preview would be, and finds out what that costs.
func (f *Follower) stage(ctx context.Context, rules *catalog.Previews, base git.Revision, now *Pull) error {
	store, s := f.opts.Base.Store(), &now.stage
	head, err := store.Resolve(now.Head.Commit)
	if err != nil {
		return fmt.Errorf("preview pull request %d: %w", now.Number, err)
	}
	proposal, err := Open(store, base, head)
	if err != nil {
		return err
	}
	merged, conflicts, err := compose.Merge(proposal.AncestorTree, proposal.BaseTree, proposal.HeadTree)
	if err != nil {
		return fmt.Errorf("preview pull request %d: %w", now.Number, err)
	}
	s.pushed = head.Time
	if len(conflicts) > 0 {
		s.made = preview.Preview{Number: now.Number, Head: now.Head.Commit}
		s.refused = "it cannot be merged: " + conflicts[0] + " was changed on both sides"
		return nil
	}
	s.made, err = preview.Make(rules, now.Number, now.Head.Commit, proposal.BaseTree, merged)
	if errors.Is(err, preview.ErrTooMuch) {
		s.made, s.refused = preview.Preview{Number: now.Number, Head: now.Head.Commit}, err.Error()
		return nil
	}
	if err != nil || rules.Monthly == 0 || len(s.made.Files) == 0 {
		return err
	}
	f.looking.Lock()
	s.monthly, err = f.opts.Reviewer.Price(ctx, proposal, s.made)
	f.looking.Unlock()
	if err != nil {
		return err
	}
	if s.monthly > rules.Monthly {
		s.refused = fmt.Sprintf("it would cost %.2f a month, and a preview may cost %.2f", s.monthly, rules.Monthly)
	}
	return nil
}

// place puts a preview where it is brought about from, or takes it away.
func (f *Follower) place(rules *catalog.Previews, now *Pull) {
	s, set := &now.stage, f.opts.Previews
	why := cmp.Or(s.refused, s.leave.Refused)
	fresh := !slices.ContainsFunc(set.List(), func(p preview.Preview) bool { return p.Number == now.Number && p.Head == s.made.Head })
	if why == "" && !set.Put(s.made, rules.Most) {
		why = fmt.Sprintf("there are %d previews already, as many as there may be; it comes when one of them ends", rules.Most)
		s.leave.Refused, s.leave.Waits = why, true
	}
	if why != "" {
		f.end(now.PullRequest, why)
		s.version = 0
		return
	}
	if s.version > 0 || len(s.made.Files) == 0 {
		return
	}
	_, s.version = set.Files()
	s.since = f.opts.Now()
	if fresh {
		f.took(now, fmt.Sprintf("preview %s is made of %s", s.made.Environment(), now.Head.Commit))
	}
}

// end takes a preview away.
func (f *Follower) end(pr forge.PullRequest, why string) {
	there := slices.ContainsFunc(f.opts.Previews.List(), func(p preview.Preview) bool { return p.Number == pr.Number && len(p.Files) > 0 })
	f.opts.Previews.End(pr.Number, why)
	if there {
		f.mu.Lock()
		f.retiring[pr.Number] = true
		f.mu.Unlock()
		f.took(&Pull{PullRequest: pr}, fmt.Sprintf("preview %s ends: %s", catalog.PreviewName(pr.Number), why))
	}
}

// took takes down what became of a preview.
func (f *Follower) took(p *Pull, message string) {
	f.opts.Log.Info("preview", "number", p.Number, "message", message)
	f.opts.Journal.Append(context.Background(), journal.Record{
		Time: f.opts.Now(), Kind: journal.Preview, Revision: p.Head.Commit, Actor: p.Author, Message: message,
	})
}

// settle asks the forge for each preview whose pull request is not among the open ones:
// that one is missing in a list is no proof that it was closed.
func (f *Follower) settle(ctx context.Context, open map[int]forge.PullRequest) {
	if f.opts.Previews == nil {
		return
	}
	numbers := map[int]bool{}
	for _, p := range f.opts.Previews.List() {
		numbers[p.Number] = true
	}
	for _, u := range f.opts.Place.Units() {
		if n, ok := catalog.PreviewOf(u.Unit.Environment); ok {
			numbers[n] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		if _, still := open[n]; still {
			continue
		}
		if _, ended := f.opts.Previews.Ended(catalog.PreviewName(n)); ended {
			continue
		}
		pr, err := f.opts.Forge.Pull(ctx, n)
		switch {
		case err != nil:
			f.opts.Log.Warn("it is not known what became of a pull request; its preview stays", "number", n, "err", err)
		case pr.State == forge.Merged, pr.State == forge.Closed:
			f.end(pr, fmt.Sprintf("pull request %d was %s", n, pr.State))
			f.drop(pr)
		case pr.Base.Branch != f.opts.Remote.Branch:
			f.end(pr, fmt.Sprintf("pull request %d goes into %s", n, pr.Base.Branch))
		}
	}
}

// Price is what a preview would cost a month beside the fleet in force, by what it
// requests all the time.
func (r *Reviewer) Price(ctx context.Context, p Proposal, made preview.Preview) (float64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Trial.Fleeting = true
	files := map[string][]byte{}
	maps.Copy(files, r.InForce.BesideIt())
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.HasPrefix(name, made.Dir()) })
	maps.Copy(files, made.Files)
	r.Trial.Beside(files)
	if _, err := r.Trial.Advance(ctx, p.BaseTree, p.History); err != nil {
		return 0, fmt.Errorf("find out what preview %s costs: %w", made.Environment(), err)
	}
	monthly := 0.0
	r.Trial.Read(func(cat *catalog.Catalog) {
		for _, u := range r.Trial.Units("") {
			if u.Key.Environment == made.Environment() {
				least, _ := capacity.Cost(cat.Clusters[u.Key.Cluster], u.Demand())
				monthly += least * capacity.HoursPerMonth
			}
		}
	})
	return monthly, nil
}
