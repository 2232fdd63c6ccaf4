// Package worker is the side of evaluation that knows CUE: a process that is
// asked questions over pipes and has nothing but its own memory.
package worker

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

	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
)

// softMemory is where the collector begins to work hard.
const softMemory = 384 << 20

// Maybe becomes a worker, and does not return, if this process was started as
// one. Every main and TestMain of a binary that evaluates calls it first,
// because a worker is the same binary.
func Maybe() {
	if len(os.Args) == 2 && os.Args[1] == protocol.WorkerArg {
		os.Exit(Main(os.Stdin, os.Stdout))
	}
}

// Main runs a worker: it answers questions on r until r ends. It has no
// files, no network and no environment, and the kernel bounds what it may use.
// It returns the process's exit code.
func Main(in io.Reader, out io.Writer) int {
	runtime.GOMAXPROCS(1)
	missing, err := sandbox.Enter(sandbox.Limits{Memory: protocol.MemoryLimit})
	if err != nil {
		fmt.Fprintf(os.Stderr, "confine the worker: %v\n", err)
		return 2
	}
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(softMemory)
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGXCPU)
	go func() {
		<-over
		os.Exit(protocol.ExitCPU)
	}()
	r, w := bufio.NewReaderSize(in, 1<<16), bufio.NewWriterSize(out, 1<<16)
	var s *session
	for {
		var q protocol.Question
		if _, err := protocol.Read(r, &q); err != nil {
			if errors.Is(err, io.EOF) {
				return 0
			}
			fmt.Fprintf(os.Stderr, "read question: %v\n", err)
			return 2
		}
		a := answerTo(&s, q)
		a.ID, a.Missing, a.Faults = q.ID, missing, explain.Clip(a.Faults)
		if err := protocol.Write(w, a, a.Data); err != nil {
			fmt.Fprintf(os.Stderr, "write answer: %v\n", err)
			return 2
		}
	}
}

// answerTo answers one question. A panic of the evaluator is a fault of the
// input, not the end of the worker; the session is given up, as it may be torn.
func answerTo(s **session, q protocol.Question) (a protocol.Answer) {
	defer func() {
		if p := recover(); p != nil {
			*s = nil
			a = protocol.Answer{Faults: []protocol.Fault{{Code: "evaluator", Message: fmt.Sprintf("the evaluator gave up: %v", p), Hint: "simplify the file"}}}
		}
	}()
	switch {
	case q.Platform != nil:
		*s = newSession(q.Platform.Files)
		return protocol.Answer{Packages: (*s).graph()}
	case *s == nil:
		return protocol.Answer{Faults: []protocol.Fault{{Code: protocol.CodeNoSession, Retry: true, Message: "the evaluator has no platform to evaluate against"}}}
	case q.Declare != nil:
		return (*s).declare(*q.Declare)
	case q.Unit != nil:
		return (*s).render(*q.Unit)
	case q.Judge != nil:
		return (*s).judge(*q.Judge)
	case q.Why != nil:
		return (*s).why(*q.Why)
	case q.Reference:
		return (*s).reference()
	}
	return protocol.Answer{Faults: []protocol.Fault{{Code: "protocol", Message: "empty question"}}}
}

// graph lists the imports of every package of the schema and the platform.
// Files that do not parse count as importing nothing; whoever imports them
// hears of it.
func (s *session) graph() map[string][]string {
	out := map[string][]string{}
	for name := range s.files {
		dir := path.Dir(name)
		if _, done := out[dir]; done || !protocol.Importable(dir) {
			continue
		}
		inst := s.load(token.NoPos, syntax.Module+"/"+dir)
		out[dir] = syntax.Imports(inst)
	}
	return out
}
