package campaign

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// Reference is what comes of a workload when nothing goes wrong, learnt from
// runs in which nothing did.
type Reference struct {
	*world.Template
	Mask  oracle.Mask
	Steps []Expected
}

// Expected is what a step leads to.
type Expected struct {
	Name   string
	Units  map[string]string // what the daemon says when it has settled
	State  oracle.State
	Counts map[string]oracle.Counts
	// Writes are the requests for changes, in the order of one run.
	Writes []proxy.Call
	Took   time.Duration
}

// The limits of waiting, and how long silence must last to be taken for rest.
// They bound tests that fail; what is counted does not depend on them.
const (
	settleLimit = 150 * time.Second
	shortCalm   = 1500 * time.Millisecond
)

// CleanRuns is how many runs without faults show what differs though nothing
// is wrong.
const CleanRuns = 3

// Learn runs a workload some times without any fault: once to have everything
// evaluated, then the others side by side. What is masked already is so for
// this workload, too.
func Learn(ctx context.Context, lab *world.Lab, workload *world.Workload, runs int, masks ...oracle.Mask) (*Reference, error) {
	t, err := lab.Template(workload)
	if err != nil {
		return nil, err
	}
	ref := &Reference{Template: t, Mask: oracle.Declared()}
	for _, m := range masks {
		maps.Copy(ref.Mask, m)
	}
	all := make([][]Expected, runs)
	errs := make([]error, runs)
	all[0], errs[0] = clean(ctx, lab, t)
	var wg sync.WaitGroup
	for run := 1; run < runs && errs[0] == nil; run++ {
		wg.Go(func() { all[run], errs[run] = clean(ctx, lab, t) })
	}
	wg.Wait()
	for run, steps := range all {
		if errs[run] == nil {
			errs[run] = ref.add(steps)
		}
		if errs[run] != nil {
			return nil, fmt.Errorf("run %d of %s without faults: %w", run+1, workload.Name, errs[run])
		}
	}
	return ref, nil
}

// add learns from one more run.
func (ref *Reference) add(steps []Expected) error {
	if ref.Steps == nil {
		ref.Steps = steps
		return nil
	}
	for i := range steps {
		have, now := &ref.Steps[i], steps[i]
		if differ := unlike(have.Units, now.Units); differ != "" {
			return fmt.Errorf("step %q has no one outcome: %s", now.Name, differ)
		}
		ref.Mask.Learn(have.State, now.State)
		if differ := ref.Mask.Differences(have.State, now.State); len(differ) > 0 {
			return fmt.Errorf("step %q has no one outcome: %s", now.Name, oracle.Short(differ))
		}
		for key, c := range now.Counts {
			most := have.Counts[key]
			most.Creates, most.Updates, most.Deletes = max(most.Creates, c.Creates), max(most.Updates, c.Updates), max(most.Deletes, c.Deletes)
			have.Counts[key] = most
		}
	}
	return nil
}

// clean runs a workload once without faults.
func clean(ctx context.Context, lab *world.Lab, t *world.Template) ([]Expected, error) {
	w, err := lab.New(t, world.Options{})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := w.Daemon.Start(); err != nil {
		return nil, err
	}
	var out []Expected
	for range t.Steps {
		e, err := observe(ctx, w)
		if err != nil {
			return nil, fmt.Errorf("step %q: %w", w.Steps[w.Step].Name, err)
		}
		if w.Step == 0 && stuck(e) {
			return nil, fmt.Errorf("step %q: the workload does not stand: %v", e.Name, e.Units)
		}
		out = append(out, e)
	}
	w.Daemon.Stop()
	if broken := w.Daemon.Broken(); broken != "" {
		return nil, fmt.Errorf("the daemon is broken: %s", broken)
	}
	return out, w.Keep()
}

// observe lets one step happen and looks at what comes of it.
func observe(ctx context.Context, w *world.World) (Expected, error) {
	from, err := w.Now()
	if err != nil {
		return Expected{}, err
	}
	seen, began := w.Log.Len(), time.Now()
	if err := w.Advance(); err != nil {
		return Expected{}, err
	}
	if _, err := settle(ctx, w, nil, settleLimit); err != nil {
		return Expected{}, err
	}
	took := time.Since(began)
	if err := quiet(ctx, w, shortCalm, settleLimit); err != nil {
		return Expected{}, err
	}
	e := Expected{Name: w.Steps[w.Step].Name, Took: took}
	if e.Units, err = settle(ctx, w, nil, settleLimit); err != nil {
		return Expected{}, err
	}
	requests, err := w.Since(from)
	if err != nil {
		return Expected{}, err
	}
	e.Counts = oracle.Count(requests, w.Shared)
	if free := oracle.Unconditional(requests); len(free) > 0 {
		return Expected{}, fmt.Errorf("without any fault: %s", oracle.Short(free))
	}
	for _, entry := range w.Log.Since(seen) {
		if entry.Mutates() {
			e.Writes = append(e.Writes, entry.Call)
		}
	}
	e.State, err = stateOf(ctx, w)
	return e, err
}

// stateOf is the company's objects, but for the daemon's own records.
func stateOf(ctx context.Context, w *world.World) (oracle.State, error) {
	objects, err := w.Live(ctx)
	if err != nil {
		return nil, err
	}
	objects = slices.DeleteFunc(objects, func(l oracle.Live) bool { return l.GetNamespace() == w.System() })
	return oracle.StateOf(objects, w.Shared)
}
