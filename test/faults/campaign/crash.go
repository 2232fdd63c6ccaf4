package campaign

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/supervise"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// crashes are F1: the daemon dies at every request for a change that the
// workload makes without faults, at each phase of the request.
func crashes(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		seen := map[string]int{}
		for _, call := range want.Writes {
			seen[call.String()]++
			n := seen[call.String()]
			for _, phase := range proxy.Phases() {
				out = append(out, Case{
					Fault: "F1", Name: fmt.Sprintf("%s: %s #%d: %s", want.Name, call, n, phase), Step: step, Fires: "kill",
					Rules: []proxy.Rule{{ID: "kill", Match: exactly(call, n), Do: proxy.Action{Kind: proxy.Kill, Phase: phase}}},
				})
			}
		}
	}
	return out
}

// exactly matches the n-th request like one that was seen.
func exactly(c proxy.Call, n int) proxy.Match {
	return proxy.Match{
		Servers: []string{c.Server}, Verbs: []string{c.Verb}, Groups: []string{c.Group}, Resources: []string{c.Resource},
		Namespace: c.Namespace, Name: c.Name, Nth: n,
	}
}

// doubles are F2: the daemon dies at a random moment, and again at a random
// moment of what follows, its warm-up and first listings included; in every
// other case Git moves on while it is dead.
func doubles(ref *Reference, n int) []Case {
	var out []Case
	for i := range n {
		step := i % len(ref.Steps)
		moves := i/len(ref.Steps)%2 == 1 && Movable(ref, step)
		name := fmt.Sprintf("%s: two kills, number %d", ref.Steps[step].Name, i)
		if moves {
			name += ", Git moved between"
		}
		out = append(out, Case{Fault: "F2", Name: name, Step: step, After: func(ctx context.Context, r *Run) error {
			return r.dieTwice(ctx, moves)
		}})
	}
	return out
}

func (r *Run) dieTwice(ctx context.Context, moves bool) error {
	for kill := range 2 {
		if err := r.Sleep(ctx, 1200*time.Millisecond); err != nil {
			return err
		}
		r.Daemon.Kill()
		if kill == 0 && moves {
			if err := r.Move(); err != nil {
				return err
			}
		}
		if err := r.Restart(ctx); err != nil {
			return err
		}
	}
	return nil
}

// workersDie are F3: evaluation workers are killed, or hang, while they work on
// a company nothing of which was ever evaluated.
func workersDie(n int) []Case {
	var out []Case
	for i := range n {
		signal, word := syscall.SIGKILL, "killed"
		if i%4 == 3 {
			signal, word = syscall.SIGSTOP, "stopped"
		}
		out = append(out, Case{
			Fault: "F3", Name: fmt.Sprintf("a worker is %s, number %d", word, i), Company: world.Options{Cold: true},
			After: func(ctx context.Context, r *Run) error { return r.strike(ctx, signal) },
		})
	}
	return out
}

// strike sends a signal to one worker at a random moment.
func (r *Run) strike(ctx context.Context, signal syscall.Signal) error {
	if err := r.Sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	struck := 0
	err := eventually(ctx, 5*time.Second, func() string {
		for _, pid := range r.Daemon.Workers() {
			if syscall.Kill(pid, signal) == nil {
				struck++
				return ""
			}
		}
		return "there is no worker"
	})
	if ctx.Err() != nil {
		return err
	}
	r.missed = struck == 0 // they were done before the moment came
	return nil
}

// filesHurt are F5 and F19: the daemon's files are lost or damaged, while it is
// dead and under its feet.
func filesHurt(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, damage := range supervise.Damages() {
			for _, alive := range []bool{false, true} {
				word := "while it is dead"
				if alive {
					word = "under its feet"
				}
				out = append(out, Case{Fault: "F5", Name: fmt.Sprintf("%s: files are %s %s", want.Name, damage, word), Step: step,
					After: func(ctx context.Context, r *Run) error { return r.hurt(ctx, damage, alive) }})
			}
		}
	}
	return out
}

func (r *Run) hurt(ctx context.Context, damage supervise.Damage, alive bool) error {
	if err := r.Sleep(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	if alive {
		if err := r.Daemon.Hurt(damage, r.Random); err != nil {
			return err
		}
		if err := r.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	r.Daemon.Kill()
	if !alive {
		if err := r.Daemon.Hurt(damage, r.Random); err != nil {
			return err
		}
	}
	return r.Restart(ctx)
}

// diskFull are F19: no file can be written any more, from some moment on, and
// while the daemon starts; then there is room again.
func diskFull(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, restart := range []bool{false, true} {
			name := want.Name + ": the disk is full"
			if restart {
				name += ", and the daemon starts anew"
			}
			out = append(out, Case{Fault: "F19", Name: name, Step: step, Before: func(_ context.Context, r *Run) error {
				if restart {
					return nil
				}
				return r.Daemon.Fill()
			}, After: func(ctx context.Context, r *Run) error { return r.noRoom(ctx, restart) }})
		}
	}
	return out
}

func (r *Run) noRoom(ctx context.Context, restart bool) error {
	defer r.Daemon.Clear()
	if restart {
		if err := r.Sleep(ctx, time.Second); err != nil {
			return err
		}
		r.Daemon.Kill()
		if err := r.Daemon.Fill(); err != nil {
			return err
		}
		if err := r.Restart(ctx); err != nil {
			return err
		}
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	r.Daemon.Clear()
	r.Daemon.Kill()
	r.Daemon.Forgive() // without room to work in it may end, and say so
	return r.Restart(ctx)
}

// twins are F17: the daemon is stopped in the middle of its work, a second one
// does the work and Git moves on; then the first goes on as if nothing had been.
// Where it is stopped for long enough, both also hold a Lease.
func twins(ref *Reference, frozen time.Duration) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for i := range 3 {
			c := Case{Fault: "F17", Name: fmt.Sprintf("%s: stopped for %s while another acts, number %d", want.Name, frozen, i), Step: step,
				After: func(ctx context.Context, r *Run) error { return r.twin(ctx, frozen) }}
			if i == 2 && frozen > 45*time.Second {
				c.Name, c.Company = c.Name+", with a Lease", world.Options{Flags: []string{"--lease"}}
			}
			out = append(out, c)
		}
	}
	return out
}

func (r *Run) twin(ctx context.Context, frozen time.Duration) error {
	if err := r.Sleep(ctx, 800*time.Millisecond); err != nil {
		return err
	}
	r.Daemon.Freeze()
	defer r.Daemon.Thaw()
	other := r.Another()
	if err := other.Start(); err != nil {
		return err
	}
	defer other.Kill()
	if Movable(r.Ref, r.Step) {
		if err := r.Move(); err != nil {
			return err
		}
		other.Wake()
	}
	if err := pause(ctx, frozen); err != nil {
		return err
	}
	r.Daemon.Thaw()
	r.Daemon.Wake()
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	if broken := other.Broken(); broken != "" {
		r.Wrong("the second daemon is broken: %s", broken)
	}
	return nil
}
