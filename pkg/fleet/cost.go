package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// PolicyCost is what judging by one policy takes.
type PolicyCost struct {
	Policy string
	// Share is its part of what judging by all of them takes, 0 to 1.
	Share   float64
	PerUnit time.Duration
}

// Dear reports that judging takes twice as long as it would without the policy.
func (c PolicyCost) Dear() bool { return c.Share > 0.5 }

// costRuns is how often each unit is judged; the median counts.
const costRuns = 5

// PolicyCosts measures the policies over all units that render, nothing of it out
// of the cache. They are measured side by side in one worker, one after the
// other for each unit, so that what the machine does meanwhile is all of theirs.
func (f *Fleet) PolicyCosts(ctx context.Context) ([]PolicyCost, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken, units := map[string]time.Duration{}, 0
	for _, key := range slices.SortedFunc(maps.Keys(f.units.Units), func(a, b catalog.UnitKey) int { return cmp.Compare(a.String(), b.String()) }) {
		runs := map[string][]time.Duration{}
		for range costRuns {
			judged, ok, err := f.renderer.Time(ctx, f.units, f.declared, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			for _, j := range judged {
				runs[j.Policy] = append(runs[j.Policy], time.Duration(j.Nanoseconds))
			}
		}
		if len(runs) > 0 {
			units++
		}
		for policy, each := range runs {
			slices.Sort(each)
			taken[policy] += each[len(each)/2]
		}
	}
	var all time.Duration
	for _, d := range taken {
		all += d
	}
	var out []PolicyCost
	for policy, d := range taken {
		out = append(out, PolicyCost{Policy: policy, Share: float64(d) / float64(max(all, 1)), PerUnit: d / time.Duration(units)})
	}
	return out, nil
}
