package eval

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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

func team(body string) question {
	text := "package team\n\nimport (\n\t\"list\"\n\t\"strings\"\n)\n\nname: \"a\"\n_use: [list.Max, strings.ToLower]\n" + body
	return question{Declare: &declareQuestion{Kind: kindTeam, Dir: "teams/a", Files: map[string]string{"team.cue": text}}}
}

func ask(t *testing.T, p *Pool, q question) answer {
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
		{"processor", "_l: list.Range(0, 3000, 1)\nx: [for a in _l for b in _l for c in _l if a+b+c < 0 {a}]\n", "evaluation was stopped: it used more than 8s of processor time", WallLimit},
		{"memory", doubling(30), "evaluation was stopped: it used more than 512 MiB of memory", WallLimit},
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
			if len(a.Faults) != 1 || a.Faults[0].Code != codeKilled || a.Faults[0].Message != test.want && !otherwise(a.Faults[0].Message) {
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
		if took := time.Since(start); took > WallLimit*12/10 || took < WallLimit {
			t.Errorf("took %v, its budget is %v", took, WallLimit)
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
	status, err := os.ReadFile(proc + "status")
	if err != nil || !bytes.Contains(status, []byte("NoNewPrivs:\t1")) {
		t.Errorf("it could gain privileges: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.network {
		t.Skip("the system does not let ordinary users give up the network")
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

// A panic of the evaluator is a fault of what was asked; the worker goes on, and
// wants the platform again as it may be torn.
func TestPanicIsAFault(t *testing.T) {
	s := newSession(platformFiles())
	s.ctx = nil // as torn as can be
	a := answerTo(&s, team("x: 1\n"))
	if len(a.Faults) != 1 || a.Faults[0].Code != "evaluator" || !strings.HasPrefix(a.Faults[0].Message, "the evaluator gave up: ") {
		t.Fatalf("got %+v", a.Faults)
	}
	if a := answerTo(&s, team("x: 1\n")); len(a.Faults) != 1 || a.Faults[0].Code != codeNoSession {
		t.Errorf("a torn session was used again: %+v", a)
	}
	if a := answerTo(&s, question{Platform: &platformQuestion{Files: platformFiles()}}); len(a.Faults) > 0 {
		t.Errorf("the platform again: %+v", a.Faults)
	}
	if a := answerTo(&s, team("x: 1\n")); len(a.Faults) > 0 {
		t.Errorf("after the platform: %+v", a.Faults)
	}
}

func TestFramesRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	w, r := bufio.NewWriter(&buf), bufio.NewReader(&buf)
	for _, bulk := range []string{"", `{"a":1}`} {
		if err := writeFrame(w, answer{Imports: []string{"schema"}}, []byte(bulk)); err != nil {
			t.Fatal(err)
		}
		var a answer
		got, err := readFrame(r, &a)
		if err != nil || string(got) != bulk || !slices.Equal(a.Imports, []string{"schema"}) {
			t.Errorf("got %q, %+v, %v", got, a, err)
		}
	}
	if err := writeFrame(w, answer{}, make([]byte, maxFrame)); err == nil {
		t.Error("a frame beyond the limit was written")
	}
	if _, err := readFrame(bufio.NewReader(strings.NewReader("\xff\xff\xff\xff\x00\x00\x00\x01x")), &answer{}); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame beyond the limit was read for: %v", err)
	}
}

// FuzzFrame: whatever comes over the pipe, nothing panics, and no more is
// allocated than the frame may be.
func FuzzFrame(f *testing.F) {
	for _, q := range []question{{}, {Reference: true}, team("x: 1\n"), {Platform: &platformQuestion{Files: map[string]string{"schema/a.cue": "package schema"}}}, {Unit: &unitQuestion{Package: "platform/paths/web", Input: json.RawMessage(`{}`)}}} {
		var buf bytes.Buffer
		if err := writeFrame(bufio.NewWriter(&buf), q, []byte("{}")); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, '{'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) >= 4 && binary.BigEndian.Uint32(raw) > 1<<16 {
			return // read as far as it goes, which is slow and proves nothing
		}
		r := bufio.NewReader(bytes.NewReader(raw))
		s := newSession(platformFiles())
		for range 3 {
			var q question
			if _, err := readFrame(r, &q); err != nil {
				return
			}
			answerTo(&s, q)
		}
	})
}
