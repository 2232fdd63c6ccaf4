package eval

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// killed explains the end of a worker in the middle of a question, and says
// whose doing it was. Only what is certain to happen again is kept as the
// question's result; everything else is worth another try.
func killed(state *os.ProcessState, deadline bool, stderr string, cause error) (protocol.Fault, end) {
	f := protocol.Fault{Code: protocol.CodeKilled, Retry: true, Hint: "look for nested comprehensions, products of disjunctions and very long lists"}
	became := dead
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case deadline:
		f.Message = fmt.Sprintf("evaluation was stopped: it took longer than %s", protocol.WallLimit)
	case status.Exited() && status.ExitStatus() == protocol.ExitCPU, status.Signaled() && status.Signal() == syscall.SIGXCPU:
		f.Message = fmt.Sprintf("evaluation was stopped: it used more than %s of processor time", protocol.CPULimit)
		f.Retry = false
	case outOfMemory(stderr):
		f.Message = fmt.Sprintf("evaluation was stopped: it used more than %d MiB of memory", protocol.MemoryLimit>>20)
	case errors.Is(cause, protocol.ErrAnswer), status.Exited() && status.ExitStatus() == 0:
		f.Message = fmt.Sprintf("evaluation gave no answer that can be used, twice: %v", cause)
		f.Hint, became = "the fleet stays as it is and evaluation is tried again; if it lasts, look at the daemon's binary", astray
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		f.Message = "evaluation was killed twice by somebody else, the system perhaps for want of memory"
		f.Hint, became = "the fleet stays as it is and evaluation is tried again; give the daemon's host more memory", astray
	default:
		f.Message = fmt.Sprintf("evaluation ended the evaluator (%s)", state)
	}
	return f, became
}

func outOfMemory(stderr string) bool {
	return strings.Contains(stderr, "out of memory") || strings.Contains(stderr, "cannot allocate memory")
}
