package pulls

import (
	"cmp"
	"math/rand/v2"
	"slices"

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
