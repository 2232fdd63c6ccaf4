package campaign

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Fault is a line of the table.
type Fault struct {
	ID, What string
	// Cases are all there are; Sample is how many of them the sampled run takes.
	Cases  []Case
	Sample int
}

// Sizes are how often what is random is tried in the whole campaign.
type Sizes struct {
	Doubles, Workers int
	Frozen           time.Duration
}

// Full are the sizes of the whole campaign.
func Full() Sizes { return Sizes{Doubles: 300, Workers: 60, Frozen: time.Minute} }

// Sampled are the sizes of the sampled run.
func Sampled() Sizes { return Sizes{Doubles: 300, Workers: 60, Frozen: 4 * time.Second} }

// Table is every fault with all its cases.
func Table(ref *Reference, sizes Sizes) []Fault {
	return []Fault{
		{"F1", "killed at a write, each write and phase", append(crashes(ref), madeAnew(ref)...), 32},
		{"F2", "killed twice at random, with Git moved meanwhile", doubles(ref, sizes.Doubles), 6},
		{"F3", "evaluation workers killed or stopped", workersDie(sizes.Workers), 1},
		{"F5", "files lost, torn, flipped, emptied, overwritten", filesHurt(ref), 6},
		{"F6", "API servers that lag behind", timeTravel(ref), 6},
		{"F7", "watch events that never come", unobserved(ref), 5},
		{"F8", "watches frozen, doubled, too old", streams(ref), 3},
		{"F9", "half of all writes conflict", conflicts(ref), 2},
		{"F10", "429 with Retry-After", throttled(ref), 2},
		{"F11", "5xx, lost and cut answers, before and after the commit; webhooks that do not answer", append(failures(ref), guarded(ref)...), 8},
		{"F12", "one API group unavailable, or not served", unavailable(ref), 3},
		{"F13", "listings cut short, emptied, of HTML", enumerations(ref), 4},
		{"F17", "stopped while a second instance acts", twins(ref, sizes.Frozen), 2},
		{"F19", "no room for files", diskFull(ref), 2},
		{"F21", "the branch is moved back by force, replaced, taken away", rewinds(ref), 3},
		{"F22", "a Git server that fails", gitFails(ref), 4},
		{"F26", "made anew between look and deletion", recreated(ref), 3},
		{"F27", "rivals, label copiers, foreign finalizers", others(ref), 3},
		{"F36", "our own records deleted by hand", recordsLost(ref), 3},
	}
}

// Cases are those of some faults; of all if none is named.
func Cases(table []Fault, ids ...string) ([]Case, error) {
	var out []Case
	known := map[string]bool{}
	for _, f := range table {
		known[f.ID] = true
		for _, id := range ids {
			if id == f.ID {
				out = append(out, f.Cases...)
			}
		}
		if len(ids) == 0 {
			out = append(out, f.Cases...)
		}
	}
	for _, id := range ids {
		if !known[id] {
			return nil, fmt.Errorf("there is no fault %q in the table", id)
		}
	}
	return out, nil
}

// Pick takes a sample of each fault, spread over the steps: a seed gives the
// same sample every time. Part is how much of the samples is taken, 1 for all.
func Pick(table []Fault, seed uint64, part float64) []Case {
	var out []Case
	for i, f := range table {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		bySteps := map[int][]Case{}
		var steps []int
		for _, at := range random.Perm(len(f.Cases)) {
			c := f.Cases[at]
			if bySteps[c.Step] == nil {
				steps = append(steps, c.Step)
			}
			bySteps[c.Step] = append(bySteps[c.Step], c)
		}
		want := max(1, int(float64(f.Sample)*part))
		for n := 0; want > 0 && len(steps) > 0; n++ {
			step := steps[n%len(steps)]
			if n >= len(f.Cases)*len(steps) {
				break // every step has given all it has
			}
			if len(bySteps[step]) == 0 {
				continue
			}
			out = append(out, bySteps[step][0])
			bySteps[step] = bySteps[step][1:]
			want--
		}
	}
	return out
}
