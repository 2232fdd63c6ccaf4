package campaign

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/test/faults/world"
)

func sortedLines(text string) []string {
	out := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(out)
	return out
}

// Bench runs cases on a lab.
type Bench struct {
	Lab *world.Lab
	Ref *Reference
	// Parallel is how many companies live at a time; 2 if zero.
	Parallel int
	// Seed decides what is left to chance.
	Seed uint64
	// Report gets every outcome as it comes, one at a time.
	Report func(Outcome)
	// Log gets a word on what goes on; nil for none.
	Log func(format string, args ...any)

	mu     sync.Mutex
	failed []error // cases that the bench itself could not carry out
}

// Run runs cases until all are done, the context ends, or the bench itself fails.
func (b *Bench) Run(ctx context.Context, cases []Case) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	q := newQueue(cases, len(b.Ref.Steps))
	var wg sync.WaitGroup
	for range max(1, b.Parallel) {
		wg.Go(func() {
			for walk := q.next(); len(walk) > 0 && ctx.Err() == nil; walk = q.next() {
				left, err := b.walk(ctx, walk)
				if err != nil {
					cancel(err)
					return
				}
				q.back(left)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return errors.Join(b.failed...)
}

// excuse notes a case that the bench could not carry out, and says whether that
// happened too often to go on.
func (b *Bench) excuse(err error) bool {
	b.say("not carried out: %v", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed = append(b.failed, err)
	return len(b.failed) <= maxFailed
}

// maxFailed is how many cases may fail by the bench's own fault.
const maxFailed = 20

// walk takes one company from step to step with one fault at each, and gives
// the cases that it did not get to.
func (b *Bench) walk(ctx context.Context, cases []Case) ([]Case, error) {
	began := time.Now()
	w, err := b.Lab.New(b.Ref.Template, cases[0].Company)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := w.Daemon.Start(); err != nil {
		return nil, err
	}
	for i, c := range cases {
		if c.Step <= w.Step {
			return cases[i:], nil // a case before went further
		}
		if err := b.calmly(ctx, w, c.Step); err != nil {
			err = fmt.Errorf("before %s %s: %w", c.Fault, c.Name, err)
			if ctx.Err() == nil && b.excuse(err) {
				return cases[i+1:], nil
			}
			return nil, err
		}
		r := &Run{World: w, Case: c, Ref: b.Ref, Want: b.Ref.Steps[c.Step], Random: b.random(c)}
		out, err := r.run(ctx)
		if err != nil {
			err = fmt.Errorf("%s %s: %w", c.Fault, c.Name, err)
			if ctx.Err() == nil && b.excuse(err) {
				return cases[i+1:], nil
			}
			return nil, err
		}
		b.report(out)
		if len(out.Diverged) > 0 {
			b.say("diverged: %s %s\n  %s\nthe daemon's trouble:\n%s", out.Fault, out.Name, strings.Join(out.Diverged, "\n  "), w.Daemon.Trouble(12))
			return cases[i+1:], nil
		}
	}
	b.say("%s: %d cases in %s", w.ID, len(cases), time.Since(began).Round(100*time.Millisecond))
	return nil, nil
}

// calmly lets the steps before one happen without any fault.
func (b *Bench) calmly(ctx context.Context, w *world.World, until int) error {
	for w.Step+1 < until {
		if err := w.Advance(); err != nil {
			return err
		}
		if _, err := settle(ctx, w, b.Ref.Steps[w.Step].Units, settleLimit); err != nil {
			return err
		}
		if err := quiet(ctx, w, shortCalm, settleLimit); err != nil {
			return err
		}
	}
	return nil
}

// random is what decides chance in a case: the same in every campaign of one seed.
func (b *Bench) random(c Case) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.Fault + c.Name)) // it never fails
	return rand.New(rand.NewPCG(b.Seed, h.Sum64()))
}

func (b *Bench) say(format string, args ...any) {
	if b.Log != nil {
		b.Log(format, args...)
	}
}

func (b *Bench) report(o Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Report != nil {
		b.Report(o)
	}
}

// queue hands out walks: for each step the next case that waits for it.
type queue struct {
	mu    sync.Mutex
	steps [][]Case
}

func newQueue(cases []Case, steps int) *queue {
	q := &queue{steps: make([][]Case, steps)}
	q.back(cases)
	return q
}

func (q *queue) back(cases []Case) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range cases {
		q.steps[c.Step] = append(q.steps[c.Step], c)
	}
}

// next gives cases of different steps, in the order of steps, that can share a
// company; none when all are handed out.
func (q *queue) next() []Case {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Case
	for step := range q.steps {
		i := slices.IndexFunc(q.steps[step], func(c Case) bool {
			return len(out) == 0 || sameCompany(c.Company, out[0].Company)
		})
		if i >= 0 {
			out = append(out, q.steps[step][i])
			q.steps[step] = slices.Delete(q.steps[step], i, i+1)
		}
	}
	return out
}

func sameCompany(a, b world.Options) bool {
	return a.Cold == b.Cold && a.Poll == b.Poll && slices.Equal(a.Flags, b.Flags)
}
