package pulls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/metrics"
	"github.com/fairway-dev/fairway/pkg/owners"
	"github.com/fairway-dev/fairway/pkg/preview"
	"github.com/fairway-dev/fairway/pkg/review"
)

// Base is the branch that pull requests are for, as the daemon has it.
type Base interface {
	// Current is the revision in force; false until there is one.
	Current() (git.Revision, bool)
	Store() *git.Store
}

// Journal takes down what was reported.
type Journal interface {
	Append(ctx context.Context, records ...journal.Record)
}

// Options are what a follower is made of.
type Options struct {
	Forge    forge.Forge
	Base     Base
	Reviewer *Reviewer
	// Remote is where heads are fetched from; its Branch is the base branch. Ref is the
	// name that the forge gives a pull request's head there.
	Remote git.Remote
	Ref    func(number int) string
	// Link is the page with all of a report; "" for none.
	Link    func(number int) string
	Journal Journal
	// Previews are made of pull requests, and run in Place; nil where there are none.
	Previews *preview.Set
	Place    Place
	Metrics  *metrics.Metrics // nil for none
	Log      *slog.Logger
	// Poll is how often the forge is asked for all pull requests; Wake asks at once.
	Poll time.Duration
	Now  func() time.Time
}

// Pull is what is known of one open pull request.
type Pull struct {
	forge.PullRequest
	// Head and Base are the revisions that were looked at last, Report what came of it.
	Reviewed struct{ Head, Base string }
	Report   review.Report
	// Decision says who must approve it, and who did.
	Decision owners.Decision

	facts owners.Facts
	made  string // what rebasing leaves of the head
	stage stage
	said  string             // the decision and the preview, as the forge was told them last
	lines []forge.Annotation // the mistakes, where they stand on the head
	shown string             // the lines, as the forge was told them last; see annotated
	// Failed says why there is no report of these; "" where there is one.
	Failed string
	At     time.Time
}

// Follower reports on the open pull requests of a forge, and again when one is pushed to
// or its base goes on. What the forge does not list as a whole is not known: then what was
// known stays.
type Follower struct {
	opts Options
	wake chan struct{}

	// One proposal is looked at at a time: it is of one processor and one copy of Git,
	// which others wait for too.
	looking sync.Mutex

	mu    sync.Mutex
	pulls map[int]*Pull
	// past are the last ones that were open and are not any more; merges are commits that
	// pull requests were merged as, while they wait or that is not said yet.
	past   map[int]*Pull
	merges map[git.Hash]*merged
	// looked says when open pull requests were looked at last; inherited are the heads that
	// were there when this process began.
	looked    map[int]time.Time
	inherited map[int]string
	// nobodys are commits that no pull request was merged as; until deaf passed, the forge
	// is not asked of such.
	nobodys map[git.Hash]bool
	deaf    time.Time
	hinted  map[int]time.Time // those that the forge is asked of again, and when; see Hinted
	// effects are what heads did that were approved and are none any more, by base and
	// commit.
	effects map[string]string
	// retiring are the previews that ended and that the forge was not told of, and dropping
	// those that were of an image, whose branch goes with them.
	retiring map[int]bool
	dropping map[int]forge.PullRequest
	err      error // why the forge is not heard, of the last time it was asked
}

// NewFollower makes a follower that does nothing yet.
func NewFollower(o Options) *Follower {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll == 0 {
		o.Poll = time.Minute
	}
	return &Follower{opts: o, wake: make(chan struct{}, 1), pulls: map[int]*Pull{}, past: map[int]*Pull{}, looked: map[int]time.Time{}, hinted: map[int]time.Time{}, nobodys: map[git.Hash]bool{}, merges: map[git.Hash]*merged{}, effects: map[string]string{}, retiring: map[int]bool{}, dropping: map[int]forge.PullRequest{}}
}

// Wake asks the forge now. Many wakes before it is asked are one.
func (f *Follower) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		f.Look(ctx)
		f.wait(ctx)
	}
}

// watching is how often it is looked how previews get on that are on their way.
const watching = 500 * time.Millisecond

// wait waits until the forge is to be asked again, and tells it meanwhile how previews
// get on.
func (f *Follower) wait(ctx context.Context) {
	end := time.After(f.opts.Poll)
	for {
		var soon <-chan time.Time
		if f.progress(ctx) {
			soon = time.After(watching)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.doubted():
			if f.askAgain(ctx) {
				return
			}
		case <-f.wake:
			return
		case <-end:
			return
		case <-soon:
		}
	}
}

// Look asks the forge once and reports on what is new.
func (f *Follower) Look(ctx context.Context) {
	base, there := f.opts.Base.Current()
	if !there {
		time.AfterFunc(soon, f.Wake) // what it was woken for is told once there is one
		return
	}
	set := f.opts.Forge.Pulls(ctx, f.opts.Remote.Branch)
	open, known := set.Members()
	f.mu.Lock()
	if f.err = nil; !known {
		f.err = set.Why()
	} else {
		f.leave(open)
	}
	f.mu.Unlock()
	if !known {
		if ctx.Err() == nil {
			f.opts.Log.Error("ask the forge for pull requests", "err", set.Why())
		}
		return
	}
	f.settle(ctx, open)
	f.tellMerges(ctx)
	f.retire(ctx)
	now, later := f.order(open)
	var looks errgroup.Group
	looks.SetLimit(atOnce)
	for i, pr := range append(now, later...) {
		if ctx.Err() != nil || i > len(now) && f.woken() {
			break
		}
		looks.Go(func() error {
			f.one(ctx, base, pr)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.looked[pr.Number] = f.opts.Now()
			return nil
		})
	}
	_ = looks.Wait() // what went wrong with one is said there
}

// atOnce is how many pull requests are looked at at once. What they would do is found out
// of one after the other; it is the forge that is waited for, and a forge is not asked by
// many at a time.
const atOnce = 4

// maxPast bounds how many pull requests are known that are not open any more.
const maxPast = 200

// leave keeps of what is known the open pull requests, and for a while what was said of
// the others: they may have been merged. The caller holds mu.
func (f *Follower) leave(open map[int]forge.PullRequest) {
	for n, p := range f.pulls {
		if _, still := open[n]; still {
			continue
		}
		if len(f.past) >= maxPast {
			clear(f.past)
		}
		f.past[n] = p
		delete(f.pulls, n)
	}
	maps.DeleteFunc(f.looked, func(n int, _ time.Time) bool { _, still := open[n]; return !still })
}

// Once reports on one pull request and gives what came of it: what a job does that has no
// daemon. Errors are those of the forge, of Git and of evaluation.
func (f *Follower) Once(ctx context.Context, number int) (Pull, error) {
	base, there := f.opts.Base.Current()
	if !there {
		return Pull{}, fmt.Errorf("report on pull request %d: there is no base", number)
	}
	pr, err := f.opts.Forge.Pull(ctx, number)
	if err != nil {
		return Pull{}, err
	}
	if pr.State != forge.Open || pr.Base.Branch != f.opts.Remote.Branch {
		return Pull{}, fmt.Errorf("report on pull request %d: it is %s and into %s; want an open one into %s", number, pr.State, pr.Base.Branch, f.opts.Remote.Branch)
	}
	f.one(ctx, base, pr)
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pulls[number]
	switch {
	case ctx.Err() != nil:
		return Pull{}, ctx.Err()
	case p == nil:
		return Pull{}, fmt.Errorf("report on pull request %d: the forge does not say what it would bring, or its base moved", number)
	case p.Failed != "":
		return *p, errors.New(p.Failed)
	}
	return *p, nil
}

// one looks at a pull request: at what it does if it or its base is at another commit than
// last time, or something went wrong then, and in any case at who approved it.
func (f *Follower) one(ctx context.Context, base git.Revision, pr forge.PullRequest) {
	if pr.Head.Commit == "" {
		return
	}
	f.mu.Lock()
	known := f.pulls[pr.Number]
	f.mu.Unlock()
	now := &Pull{PullRequest: pr, At: f.opts.Now()}
	now.Reviewed.Head, now.Reviewed.Base = pr.Head.Commit, base.Commit.String()
	same := known != nil && known.Failed == "" && known.Reviewed == now.Reviewed
	if known != nil {
		now.shown = known.shown
	}
	var err error
	if same {
		now.Report, now.facts, now.said, now.stage, now.At = known.Report, known.facts, known.said, known.stage, known.At
		now.lines, now.made = known.lines, known.made
	} else if err = f.review(ctx, base, now); errors.Is(err, errMoved) {
		time.AfterFunc(soon, f.Wake) // the base that is in force now is the one to tell of
		return
	} else if err != nil {
		err = errors.Join(err, f.trouble(ctx, pr))
	}
	if err == nil {
		now.Decision = f.decide(ctx, pr, now.facts, base)
		unknown := f.preview(ctx, base, now, same) // then it stays, and what else is known is told
		err = errors.Join(unknown, f.tell(ctx, now, same))
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		now.Failed = err.Error()
		if known == nil || known.Failed != now.Failed {
			f.opts.Log.Error("pull request", "number", pr.Number, "head", pr.Head.Commit, "err", err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pulls[pr.Number] = now
}

// soon is after how long pull requests are looked at again whose base went on meanwhile.
const soon = time.Second

// tell tells the forge what it does not know yet of a pull request, and takes it down.
func (f *Follower) tell(ctx context.Context, now *Pull, same bool) error {
	approvals, text := approvals(now.Decision)
	preview, more := previewSaid(now.stage.status)
	said := approvals.Description + text + preview.Description + more
	f.deployed(ctx, now)
	f.annotated(ctx, now)
	if same && said == now.said {
		return nil
	}
	if err := f.publish(ctx, now.PullRequest, now.Report, text+more, approvals, preview); err != nil {
		return err
	}
	now.said = said
	if same {
		return nil
	}
	f.opts.Log.Info("pull request reviewed", "number", now.Number, "head", now.Head.Commit, "base", now.Reviewed.Base, "verdict", now.Report.Verdict())
	f.opts.Journal.Append(ctx, journal.Record{
		Time: now.At, Kind: journal.Reviewed, Revision: now.Head.Commit, Actor: now.Author,
		Message: fmt.Sprintf("pull request %d: %s; plan %s", now.Number, now.Report.Verdict(), now.Report.Digest),
	})
	return nil
}

// fetchHead fetches the head of a pull request. What is there now counts: one that went on
// since the forge was asked is an error, and is looked at when the forge says so.
func (f *Follower) fetchHead(ctx context.Context, pr forge.PullRequest) (git.Revision, error) {
	store, remote := f.opts.Base.Store(), f.opts.Remote
	remote.Branch = f.opts.Ref(pr.Number)
	head, err := store.Fetch(ctx, remote)
	if errors.Is(err, git.ErrRewound) { // whose branch it is may do so
		err = store.Accept(remote.Branch, head.Commit)
	}
	if err != nil {
		return head, fmt.Errorf("fetch the head of pull request %d: %w", pr.Number, err)
	}
	if head.Commit.String() != pr.Head.Commit {
		return head, fmt.Errorf("pull request %d is at %s for Git and at %s for the forge", pr.Number, head.Commit, pr.Head.Commit)
	}
	return head, nil
}

// review says what merging the head of a pull request would do.
func (f *Follower) review(ctx context.Context, base git.Revision, pr *Pull) error {
	f.looking.Lock()
	defer f.looking.Unlock()
	store := f.opts.Base.Store()
	head, err := f.fetchHead(ctx, pr.PullRequest)
	if err != nil {
		return err
	}
	pr.made = f.made(head.Commit)
	proposal, err := Open(store, base, head)
	if err != nil {
		return err
	}
	if pr.Report, err = f.opts.Reviewer.Review(ctx, proposal); err != nil {
		return err
	}
	if pr.facts, err = factsOf(store, proposal, pr.Report); err != nil {
		return err
	}
	pr.lines, err = lines(proposal, pr.Report.Mistakes)
	return err
}

// The statuses on a head, and the marks of the comment and of what is said at lines.
const (
	statusVet  = "fairway/vet"
	statusPlan = "fairway/plan"
	marker     = "fairway/report"
	onLines    = "fairway/lines"
)

// commentRoom is how long a report may be: every forge takes that much, with its mark.
const commentRoom = 60_000

// moreRoom is how much of that the approvals and the preview may take.
const moreRoom = 16_000

// publish tells what came of a review: its statuses and more, and one comment.
func (f *Follower) publish(ctx context.Context, pr forge.PullRequest, r review.Report, text string, more ...forge.Status) error {
	link := f.opts.Link(pr.Number)
	vet := forge.Status{Context: statusVet, State: forge.Success, Description: "no mistakes", URL: link}
	if errors, warnings := r.Mistakes.Count(); errors > 0 {
		vet.State, vet.Description = forge.Failure, r.Verdict()
	} else if warnings > 0 {
		vet.Description = "no mistakes, " + diag.Many(warnings, "warning")
	}
	plan := forge.Status{Context: statusPlan, State: forge.Success, Description: r.Verdict(), URL: link}
	if len(r.Conflicts) > 0 || vet.State == forge.Failure {
		plan.State = forge.Failure
	}
	var errs []error
	for _, s := range append([]forge.Status{vet, plan}, more...) {
		if s.Context == "" {
			continue
		}
		s.URL = cmp.Or(s.URL, link)
		errs = append(errs, f.opts.Forge.SetStatus(ctx, pr.Head.Commit, s))
	}
	text = strings.ToValidUTF8(text[:min(len(text), moreRoom)], "")
	errs = append(errs, f.opts.Forge.Comment(ctx, pr.Number, forge.Comment{
		Marker: marker, Link: link,
		Body: r.Markdown(commentRoom-len(text), link) + text,
	}))
	return errors.Join(errs...)
}

// trouble says on the head that nothing could be found out.
func (f *Follower) trouble(ctx context.Context, pr forge.PullRequest) error {
	return f.opts.Forge.SetStatus(ctx, pr.Head.Commit, forge.Status{
		Context: statusPlan, State: forge.Errored, Description: "the change could not be reviewed; it is tried again", URL: f.opts.Link(pr.Number),
	})
}
