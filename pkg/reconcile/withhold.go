package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
)

// withheld is a revision that the branch has and the daemon does not follow.
type withheld struct {
	commit git.Hash
	// supersedes is what its clusters say they replace, by name; nil until it was read.
	supersedes map[string][]string
	line       lineage
}

// judge is asked by the store before a fetched revision counts.
func (d *Daemon) judge(ctx context.Context, last, next git.Hash) error {
	return d.trust.between(ctx, last, next, true)
}

// withhold deals with a revision that was fetched and may not be followed. The
// daemon stays at its own and heals to it, until the branch contains that again or
// says that it replaces it.
func (d *Daemon) withhold(ctx context.Context, rev git.Revision, cause error) error {
	d.mu.Lock()
	fresh := d.withheld == nil || d.withheld.commit != rev.Commit
	if fresh {
		d.withheld = &withheld{commit: rev.Commit}
	}
	w, current := d.withheld, d.current.Commit
	d.mu.Unlock()
	message := fmt.Sprintf("revision %s is not followed: %v", rev.Commit, cause)
	if errors.Is(cause, git.ErrRewound) {
		why, err := d.replaces(ctx, w, current)
		if err != nil {
			return err
		}
		if why == "" {
			if err := d.copy().Accept(d.opts.Remote.Branch, rev.Commit); err != nil {
				return err
			}
			return d.follow(ctx, rev)
		}
		message = fmt.Sprintf("branch %s was rewound: it is at %s, which does not contain %s; the clusters stay at %s. %s",
			d.opts.Remote.Branch, rev.Commit, current, current, why)
	}
	d.mu.Lock()
	d.source.Fetched, d.source.Withheld, d.source.Message = d.opts.Now(), rev.Commit.String(), message
	source := d.source
	d.mu.Unlock()
	d.opts.Metrics.Source(source)
	if fresh {
		d.opts.Log.Error("revision withheld", "rev", rev.Commit.String(), "at", current.String(), "message", message)
		d.opts.Journal.Append(context.Background(), journal.Record{
			Time: d.opts.Now(), Kind: journal.Withheld, Revision: rev.Commit.String(), Actor: rev.Author, Message: message,
		})
	}
	return nil
}

// follow goes on with a revision, withheld or new.
func (d *Daemon) follow(ctx context.Context, rev git.Revision) error {
	d.mu.Lock()
	was := d.withheld
	d.withheld = nil
	d.source.Fetched, d.source.Message, d.source.Withheld = d.opts.Now(), "", ""
	source, same := d.source, d.current.Commit == rev.Commit
	d.mu.Unlock()
	if was != nil {
		d.opts.Metrics.Source(source)
		d.opts.Log.Info("branch is followed again", "rev", rev.Commit.String())
		d.opts.Journal.Append(context.Background(), journal.Record{
			Time: d.opts.Now(), Kind: journal.Followed, Revision: rev.Commit.String(), Actor: rev.Author, Message: "the branch is followed again",
		})
	}
	if same {
		if d.again.due(d.opts.Now(), d.fleet.Unsettled()) || d.fleet.Turned(d.today()) {
			return d.adopt(ctx, rev)
		}
		return nil
	}
	if d.seen != rev.Commit {
		d.opts.Journal.Append(ctx, journal.Record{
			Time: d.opts.Now(), Kind: journal.RevisionSeen, Revision: rev.Commit.String(), Actor: rev.Author, Message: rev.Subject,
		})
	}
	d.seen = rev.Commit
	return d.advance(ctx, rev)
}

// replaces says why a rewound branch may not be followed; "" where it may. It may
// when every cluster that is known was brought to a revision it contains or names as
// superseded, and besides either names the present revision or this one never came
// into force, because a cluster refuses it or it declares none.
func (d *Daemon) replaces(ctx context.Context, w *withheld, current git.Hash) (string, error) {
	if w.supersedes == nil {
		tree, err := d.copy().Tree(w.commit)
		if err != nil {
			return "", err
		}
		cat, err := d.trust.evaluator.Preview(ctx, tree)
		if err != nil {
			return "", err
		}
		w.supersedes = map[string][]string{}
		for name, c := range cat.Clusters {
			w.supersedes[name] = c.Supersedes
		}
	}
	loops := d.loopList()
	meant := len(loops) == 0
	for _, list := range w.supersedes {
		meant = meant || slices.Contains(list, current.String())
	}
	for _, l := range loops {
		rec, read := l.ratchet.recorded()
		if !read || rec.Revision == "" {
			continue
		}
		contains, named, err := l.ratchet.follows(w, rec)
		if err != nil {
			return "", err
		}
		if !contains && !named {
			return l.ratchet.advice(rec, current)
		}
		refused, err := l.ratchet.refuses(ctx, current)
		if err != nil {
			return "", err
		}
		meant = meant || !contains || refused
	}
	if !meant {
		return advice(current.String(), "every cluster's cluster.cue"), nil
	}
	err := d.trust.between(ctx, current, w.commit, true)
	if errors.Is(err, errUntrusted) {
		return "It would replace it, but " + err.Error(), nil
	}
	return "", err
}

// advice says how to go on after a rewind: what to name is the present revision,
// unless the cluster was brought to another.
func (r *ratchet) advice(rec cluster.Ratchet, current git.Hash) (string, error) {
	then, err := git.ParseHash(rec.Revision)
	if err != nil {
		return "", err
	}
	if ok, err := r.line.has(r.store(), current, then); err != nil || ok {
		return advice(current.String(), "every cluster's cluster.cue"), err
	}
	return advice(rec.Revision, "platform/clusters/"+r.name+"/cluster.cue"), nil
}

func advice(commit, file string) string {
	return fmt.Sprintf("Push %s back and build on it; or, if history was replaced on purpose, commit supersedes: [\"%s\"] to %s", commit, commit, file)
}

// follows reports how a withheld revision stands to what a cluster has recorded:
// whether it contains that, or names it as superseded.
func (r *ratchet) follows(w *withheld, rec cluster.Ratchet) (contains, named bool, err error) {
	then, err := git.ParseHash(rec.Revision)
	if err != nil {
		return false, false, err
	}
	contains, err = w.line.has(r.store(), w.commit, then)
	return contains, r.replaces(w.supersedes[r.name], then), err
}

// refuses reports whether the cluster refuses a revision, by what is known here.
func (r *ratchet) refuses(ctx context.Context, commit git.Hash) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.verdict.revision == commit.String() {
		return r.verdict.hold != nil, nil
	}
	hold, _, err := r.judge(ctx, target{revision: commit.String()})
	return hold != nil, err
}
