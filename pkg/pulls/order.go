package pulls

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairway-dev/fairway/pkg/forge"
)

// order says which open pull requests are looked at now, and which may wait. Somebody waits
// at a head that is new since the last look: they come first, the newest of all. What an
// earlier process may have told of follows, by chance, so that each has its turn however
// soon a process ends; then what was not looked at for longest.
func (f *Follower) order(open map[int]forge.PullRequest) (now, later []forge.PullRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.inherited == nil
	if first {
		f.inherited = map[int]string{}
	}
	for number, pr := range open {
		if first {
			f.inherited[number] = pr.Head.Commit
		}
		seen := f.inherited[number]
		if known := f.pulls[number]; known != nil {
			seen = known.Reviewed.Head
		}
		if seen == pr.Head.Commit {
			later = append(later, pr)
		} else {
			now = append(now, pr)
		}
	}
	slices.SortFunc(now, func(a, b forge.PullRequest) int {
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(b.Number, a.Number))
	})
	rand.Shuffle(len(later), func(i, j int) { later[i], later[j] = later[j], later[i] })
	slices.SortStableFunc(later, func(a, b forge.PullRequest) int { return f.looked[a.Number].Compare(f.looked[b.Number]) })
	return now, later
}

// woken reports whether somebody asked to have the forge asked again.
func (f *Follower) woken() bool { return len(f.wake) > 0 }

// Hinted asks the forge now, as somebody says that a pull request became another one. A
// forge may list what was before for a moment after it told of a push, so it is asked of
// that one again soon after the last hint.
func (f *Follower) Hinted(number int) {
	f.mu.Lock()
	f.hinted[number] = time.Now().Add(soon)
	f.mu.Unlock()
	f.Wake()
}

// doubted is when the next of those is asked of that somebody hinted at; nil for never.
func (f *Follower) doubted() <-chan time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.hinted) == 0 {
		return nil
	}
	return time.After(max(0, time.Until(slices.MinFunc(slices.Collect(maps.Values(f.hinted)), time.Time.Compare))))
}

// askAgain asks the forge of each pull request whose time has come, and reports whether one
// is not as it was last seen.
func (f *Follower) askAgain(ctx context.Context) bool {
	var due []int
	f.mu.Lock()
	for number, at := range f.hinted {
		if !at.After(time.Now()) {
			due = append(due, number)
			delete(f.hinted, number)
		}
	}
	f.mu.Unlock()
	var asks errgroup.Group
	asks.SetLimit(atOnce)
	var other atomic.Bool
	for _, number := range due {
		asks.Go(func() error {
			if pr, err := f.opts.Forge.Pull(ctx, number); err == nil && f.unlike(pr) { // else it is asked at the next poll
				other.Store(true)
			}
			return nil
		})
	}
	_ = asks.Wait()
	return other.Load()
}

// unlike reports whether a pull request is not as it was looked at last.
func (f *Follower) unlike(pr forge.PullRequest) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.pulls[pr.Number]
	open := pr.State == forge.Open && pr.Base.Branch == f.opts.Remote.Branch
	return open != (known != nil) || open && (known.Failed != "" || known.Reviewed.Head != pr.Head.Commit)
}
