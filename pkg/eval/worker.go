package eval

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"runtime/debug"
	"syscall"

	"cuelang.org/go/cue/token"
)

// WorkerArg is the argument that makes this binary a worker; see [MaybeWorker].
const WorkerArg = "evaluation-worker"

// exitCPU is how a worker ends that used up its processor time.
const exitCPU = 152

// WorkerMain runs a worker: it answers questions on r until r ends. It has no
// files, no network and no environment, and the kernel bounds what it may use.
// It returns the process's exit code.
func WorkerMain(in io.Reader, out io.Writer) int {
	if err := confine(); err != nil {
		fmt.Fprintf(os.Stderr, "confine the worker: %v\n", err)
		return 2
	}
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(softMemory)
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGXCPU)
	go func() {
		<-over
		os.Exit(exitCPU)
	}()
	r, w := bufio.NewReaderSize(in, 1<<16), bufio.NewWriterSize(out, 1<<16)
	var s *session
	for {
		var q question
		if _, err := readFrame(r, &q); err != nil {
			if errors.Is(err, io.EOF) {
				return 0
			}
			fmt.Fprintf(os.Stderr, "read question: %v\n", err)
			return 2
		}
		if err := grantCPU(); err != nil {
			fmt.Fprintf(os.Stderr, "set the processor limit: %v\n", err)
			return 2
		}
		a := answerTo(&s, q)
		if err := writeFrame(w, a, a.Data); err != nil {
			fmt.Fprintf(os.Stderr, "write answer: %v\n", err)
			return 2
		}
	}
}

// answerTo answers one question. A panic of the evaluator is a fault of the
// input, not the end of the worker; the session is given up, as it may be torn.
func answerTo(s **session, q question) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			*s = nil
			a = answer{Faults: []Fault{{Code: "evaluator", Message: fmt.Sprintf("the evaluator gave up: %v", p), Hint: "simplify the file"}}}
		}
	}()
	switch {
	case q.Platform != nil:
		*s = newSession(q.Platform.Files)
		return answer{Packages: (*s).graph()}
	case *s == nil:
		return answer{Faults: []Fault{{Code: codeNoSession}}}
	case q.Declare != nil:
		return (*s).declare(*q.Declare)
	case q.Unit != nil:
		return (*s).render(*q.Unit)
	case q.Reference:
		return (*s).reference()
	}
	return answer{Faults: []Fault{{Code: "protocol", Message: "empty question"}}}
}

// codeKilled marks a fault that ended its worker; codeNoSession tells the pool that the worker lost the platform.
const (
	codeKilled    = "evaluation-killed"
	codeNoSession = "no-session"
)

// graph lists the imports of every package of the schema and the platform.
// Files that do not parse count as importing nothing; whoever imports them
// hears of it.
func (s *session) graph() map[string][]string {
	out := map[string][]string{}
	for name := range s.files {
		dir := path.Dir(name)
		if _, done := out[dir]; done || !importable(dir) {
			continue
		}
		inst := s.load(token.NoPos, module+"/"+dir)
		out[dir] = ourImports(inst)
	}
	return out
}

// killedFromOutside reports an end that none of the worker's own limits makes.
func killedFromOutside(state *os.ProcessState, stderr string) bool {
	status, _ := state.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL && !outOfMemory(stderr)
}

// killed explains the end of a worker in the middle of a question.
func killed(state *os.ProcessState, deadline bool, stderr string) Fault {
	f := Fault{Code: codeKilled}
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case deadline:
		f.Message = fmt.Sprintf("evaluation was stopped: it took longer than %s", WallLimit)
	case status.Exited() && status.ExitStatus() == exitCPU, status.Signaled() && status.Signal() == syscall.SIGXCPU:
		f.Message = fmt.Sprintf("evaluation was stopped: it used more than %s of processor time", CPULimit)
	case outOfMemory(stderr):
		f.Message = fmt.Sprintf("evaluation was stopped: it used more than %d MiB of memory", MemoryLimit>>20)
	case killedFromOutside(state, stderr):
		f.Message = "evaluation was killed twice by somebody else, the system perhaps for want of memory"
	default:
		f.Message = fmt.Sprintf("evaluation ended the evaluator (%s)", state)
	}
	f.Hint = "look for nested comprehensions, products of disjunctions and very long lists"
	return f
}
