package pulls

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

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

// Hinted asks the forge now, as somebody says that a pull request became another one; 0
// stands for one that is not named. A forge may list what was before for a moment after
// it told of a push, so it is asked of that one again soon.
func (f *Follower) Hinted(number int) {
	f.Wake()
	f.mu.Lock()
	defer f.mu.Unlock()
	if number == 0 || f.hinted[number] {
		return
	}
	f.hinted[number] = true
	time.AfterFunc(soon, func() { f.askAgain(number) })
}

// askAgain asks the forge of one pull request, and of all if it is not as it was last seen.
func (f *Follower) askAgain(number int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	f.mu.Lock()
	delete(f.hinted, number)
	f.mu.Unlock()
	pr, err := f.opts.Forge.Pull(ctx, number)
	if err != nil {
		return // it is asked at the next poll
	}
	f.mu.Lock()
	known := f.pulls[number]
	f.mu.Unlock()
	open := pr.State == forge.Open && pr.Base.Branch == f.opts.Remote.Branch
	if open != (known != nil) || open && known.Reviewed.Head != pr.Head.Commit {
		f.Wake()
	}
}
