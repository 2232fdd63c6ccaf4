package eval

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// killedFromOutside reports an end that none of the worker's own limits makes.
func killedFromOutside(state *os.ProcessState, stderr string) bool {
	status, _ := state.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL && !outOfMemory(stderr)
}

// killed explains the end of a worker in the middle of a question.
func killed(state *os.ProcessState, deadline bool, stderr string) protocol.Fault {
	f := protocol.Fault{Code: protocol.CodeKilled}
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case deadline:
		f.Message = fmt.Sprintf("evaluation was stopped: it took longer than %s", protocol.WallLimit)
	case status.Exited() && status.ExitStatus() == protocol.ExitCPU, status.Signaled() && status.Signal() == syscall.SIGXCPU:
		f.Message = fmt.Sprintf("evaluation was stopped: it used more than %s of processor time", protocol.CPULimit)
	case outOfMemory(stderr):
		f.Message = fmt.Sprintf("evaluation was stopped: it used more than %d MiB of memory", protocol.MemoryLimit>>20)
	case killedFromOutside(state, stderr):
		f.Message = "evaluation was killed twice by somebody else, the system perhaps for want of memory"
	default:
		f.Message = fmt.Sprintf("evaluation ended the evaluator (%s)", state)
	}
	f.Hint = "look for nested comprehensions, products of disjunctions and very long lists"
	return f
}

func outOfMemory(stderr string) bool {
	return strings.Contains(stderr, "out of memory") || strings.Contains(stderr, "cannot allocate memory")
}
