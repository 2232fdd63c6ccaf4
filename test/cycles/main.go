// Command cycles opens, pushes to, force-pushes to, closes and reopens pull requests by
// the hundred, each with a preview, while the forge, its Git and the cluster fail and the
// daemon is killed; and then judges what is left, by the forge, the API server and its
// audit log, and by none of the daemon's words.
//
//	go run ./test/cycles [-cycles 1000] [-parallel 8] [-at-once 100] [-seed 1]
//
// The forge is a real Gitea, the cluster a real control plane.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// options are what is done.
type options struct {
	cycles, parallel, atOnce int
	seed                     uint64
	every                    time.Duration
	calm                     bool
}

func main() {
	var o options
	flag.IntVar(&o.cycles, "cycles", 1000, "pull requests to open and close under faults")
	flag.IntVar(&o.parallel, "parallel", 8, "pull requests at a time")
	flag.IntVar(&o.atOnce, "at-once", 100, "previews to make at once afterwards, without faults; none if zero")
	flag.Uint64Var(&o.seed, "seed", 1, "decides what is left to chance")
	flag.DurationVar(&o.every, "kill-every", 45*time.Second, "how often the daemon is killed; never if zero")
	flag.BoolVar(&o.calm, "calm", false, "no faults")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wrong, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cycles:", err)
		os.Exit(2)
	}
	for _, line := range wrong {
		fmt.Println("WRONG:", line)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) ([]string, error) {
	p, err := found(ctx, o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	fmt.Println("the company stands; pull requests begin")
	before, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := p.storm(ctx, o); err != nil {
		return p.wrong, err
	}
	fmt.Printf("%d pull requests in %s; %d kills; faults: %s\n", p.opened.Load(), time.Since(began).Round(time.Second), p.daemon.Starts()-1, p.fired())
	if err := p.settle(ctx); err != nil {
		return p.wrong, err
	}
	if err := p.judge(ctx, before); err != nil {
		return p.wrong, err
	}
	if o.atOnce > 0 {
		return p.wrong, p.together(ctx, o.atOnce)
	}
	return p.wrong, nil
}

// storm runs the cycles while everything fails now and then.
func (p *place) storm(ctx context.Context, o options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var killer sync.WaitGroup
	if !o.calm {
		p.rules.Set(faults()...)
		killer.Go(func() { p.kill(ctx, o.every) })
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for lane := range o.parallel {
		wg.Go(func() {
			w, err := p.worker(ctx, lane, o.seed)
			for err == nil && ctx.Err() == nil {
				n := int(next.Add(1))
				if n > o.cycles {
					return
				}
				err = w.cycle(ctx, n)
				if n%20 == 0 {
					fmt.Printf("%d of %d\n", n, o.cycles)
				}
			}
			if err != nil {
				cancel(fmt.Errorf("lane %d: %w", lane, err))
			}
		})
	}
	wg.Wait()
	err := context.Cause(ctx)
	cancel(nil)
	killer.Wait() // or it would kill whom the judge looks at
	p.rules.Clear()
	return err
}

// kill kills the daemon every so often and starts it again, until the context ends.
func (p *place) kill(ctx context.Context, every time.Duration) {
	for every > 0 && pause(ctx, every) == nil {
		p.daemon.Kill()
		if err := p.daemon.Start(); err != nil {
			p.bad("start the daemon again: %v", err)
		}
	}
}

// fired says how often each fault happened.
func (p *place) fired() string {
	var out []string
	for _, f := range faults() {
		out = append(out, fmt.Sprintf("%s %d", f.ID, len(p.rules.Fired(f.ID))))
	}
	return strings.Join(out, ", ")
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// eventually polls until a condition gives "".
func eventually(ctx context.Context, limit time.Duration, condition func() string) error {
	began := time.Now()
	for {
		missing := condition()
		if missing == "" {
			return nil
		}
		if time.Since(began) > limit {
			return fmt.Errorf("not within %s: %s", limit, missing)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
