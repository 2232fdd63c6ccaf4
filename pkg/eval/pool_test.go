package eval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
)

// platformFiles is as much of a platform as these tests need.
func platformFiles() map[string]string {
	return map[string]string{
		"schema/schema.cue":            "package schema\n\n#Team: {name!: string, x?: _}\n",
		"platform/paths/web/type.cue":  "package web\n\n#Service: {name!: string, ...}\n",
		"platform/paths/web/build.cue": "package web\n\n#Unit: {in: _, out: objects: {}}\n",
	}
}

func pool(t *testing.T, workers int) *Pool {
	t.Helper()
	p := NewPool("", workers)
	p.SetPlatform(platformFiles())
	t.Cleanup(p.Close)
	return p
}

func team(body string) protocol.Question {
	text := "package team\n\nimport (\n\t\"list\"\n\t\"strings\"\n)\n\nname: \"a\"\n_use: [list.Max, strings.ToLower]\n" + body
	return protocol.Question{Declare: &protocol.Declare{Kind: protocol.Team, Dir: "teams/a", Files: map[string]string{"team.cue": text}}}
}

func ask(t *testing.T, p *Pool, q protocol.Question) protocol.Answer {
	t.Helper()
	a, err := p.ask(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func good(t *testing.T, p *Pool) {
	t.Helper()
	if a := ask(t, p, team("x: 1\n")); len(a.Faults) > 0 || string(a.Data) != `{"name":"a","x":1}` {
		t.Errorf("a good declaration: got %s, %+v", a.Data, a.Faults)
	}
}

// TestBombs sets off what cannot be evaluated. Each ends its own worker within
// its budget and is told which; the pool goes on.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as an evaluation may")
	}
	for _, test := range []struct {
		name, body, want string
		within           time.Duration
	}{
		{"processor", "_l: list.Range(0, 3000, 1)\nx: [for a in _l for b in _l for c in _l if a+b+c < 0 {a}]\n", "evaluation was stopped: it used more than 8s of processor time", protocol.WallLimit},
		{"memory", doubling(30), "evaluation was stopped: it used more than 512 MiB of memory", protocol.WallLimit},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pool(t, 1)
			good(t, p)
			start := time.Now()
			a := ask(t, p, team(test.body))
			if took := time.Since(start); took > test.within*12/10 {
				t.Errorf("took %v, its budget is %v", took, test.within)
			}
			if len(a.Faults) != 1 || a.Faults[0].Code != protocol.CodeKilled || a.Faults[0].Message != test.want && !otherwise(a.Faults[0].Message) {
				t.Fatalf("got %+v, want %q", a.Faults, test.want)
			}
			good(t, p)
		})
	}
	t.Run("wall clock", func(t *testing.T) {
		t.Parallel()
		p := pool(t, 1)
		good(t, p)
		p.idleWorker(t, syscall.SIGSTOP)
		start := time.Now()
		a := ask(t, p, team("x: 1\n"))
		if took := time.Since(start); took > protocol.WallLimit*12/10 || took < protocol.WallLimit {
			t.Errorf("took %v, its budget is %v", took, protocol.WallLimit)
		}
		if len(a.Faults) != 1 || a.Faults[0].Message != "evaluation was stopped: it took longer than 10s" {
			t.Errorf("got %+v", a.Faults)
		}
		good(t, p)
	})
}

// otherwise reports other true endings: on a busy machine the wall clock may be
// first, and a test built with -race ends with 66 when it is out of memory.
func otherwise(message string) bool {
	return strings.Contains(message, "took longer than 10s") || strings.Contains(message, "(exit status 66)")
}

// doubling is a text that is 2^n times as long as it looks.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("_a0: \"0123456789abcdef\"\n")
	for i := range n {
		fmt.Fprintf(&b, "_a%d: _a%d+_a%d\n", i+1, i, i)
	}
	fmt.Fprintf(&b, "x: _a%d\n", n)
	return b.String()
}

// idleWorker sends a signal to the one worker that waits for a question.
func (p *Pool) idleWorker(t *testing.T, s syscall.Signal) {
	t.Helper()
	w := <-p.idle
	defer func() { p.idle <- w }()
	if err := w.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	for s == syscall.SIGSTOP { // it stops a moment later
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// The context ends a question at once, and that is nobody's mistake.
func TestContextEndsAQuestion(t *testing.T) {
	p := pool(t, 1)
	good(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	a, err := p.ask(ctx, team("_l: list.Range(0, 3000, 1)\nx: [for a in _l for b in _l for c in _l if a+b+c < 0 {a}]\n"))
	if !errors.Is(err, context.DeadlineExceeded) || len(a.Faults) > 0 {
		t.Errorf("got %v, %+v", err, a.Faults)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	good(t, p)
}

func TestManyAskAtOnce(t *testing.T) {
	p := pool(t, 2)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			a, err := p.ask(context.Background(), team(fmt.Sprintf("x: %d\n", i)))
			if want := fmt.Sprintf(`{"name":"a","x":%d}`, i); err != nil || string(a.Data) != want {
				t.Errorf("got %s, %v, %+v; want %s", a.Data, err, a.Faults, want)
			}
		})
	}
	wg.Wait()
}

// What does not fit the confinement is looked up from outside: no environment
// but what a worker needs, no network but its own, few files, a memory limit.
func TestWorkersAreConfined(t *testing.T) {
	t.Setenv("FAIRWAY_SECRET", "hidden")
	p := pool(t, 1)
	var weak []sandbox.Wall
	p.Weak = func(missing []sandbox.Wall) { weak = missing }
	good(t, p)
	w := <-p.idle
	defer func() { p.idle <- w }()
	proc := fmt.Sprintf("/proc/%d/", w.cmd.Process.Pid)
	environ, err := os.ReadFile(proc + "environ")
	if err != nil {
		t.Skip(err) // no /proc here
	}
	if got, want := string(environ), "CUE_REGISTRY=none\x00GOTRACEBACK=none\x00"; got != want {
		t.Errorf("environment: got %q, want %q", got, want)
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Max data size             536870912            536870912", "Max file size             0                    0", "Max open files            16                   16", "Max core file size        0                    0"} {
		if !bytes.Contains(limits, []byte(want)) {
			t.Errorf("no %q in\n%s", want, limits)
		}
	}
	if !regexp.MustCompile(`Max cpu time +\d+ `).Match(limits) {
		t.Errorf("its processor time is not limited:\n%s", limits)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil || !bytes.Contains(status, []byte("NoNewPrivs:\t1")) {
		t.Errorf("it could gain privileges: %v", err)
	}
	if !slices.ContainsFunc(weak, func(w sandbox.Wall) bool { return w.Name == sandbox.WallCalls }) && !bytes.Contains(status, []byte("Seccomp:\t2")) {
		t.Errorf("its system calls are not filtered, and nobody was told: %v", weak)
	}
	fds, err := os.ReadDir(proc + "fd")
	for _, fd := range fds {
		target, _ := os.Readlink(proc + "fd/" + fd.Name())
		if !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/sys/fs/cgroup/") { // the last are the runtime's, to read its share of processors
			t.Errorf("it holds %s open: %s", fd.Name(), target)
		}
	}
	if err != nil || len(fds) < 3 {
		t.Errorf("its files: %v, %v", fds, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.network != nil {
		t.Skip("the system does not let ordinary users give up the network: ", p.network)
	}
	mine, _ := os.Readlink("/proc/self/ns/net")
	if theirs, err := os.Readlink(proc + "ns/net"); err != nil || theirs == mine {
		t.Errorf("it shares our network: %s, %v", theirs, err)
	}
	routes, err := os.ReadFile(proc + "net/route")
	if err != nil || strings.Count(string(routes), "\n") > 1 {
		t.Errorf("it has routes: %s %v", routes, err)
	}
}
