package eval

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
)

// worker is one process.
type worker struct {
	cmd     *exec.Cmd
	in      *bufio.Writer
	out     *bufio.Reader
	pipe    io.Closer
	stderr  *tail
	version int
	asked   int
	id      uint64 // of the last question
}

// end is what became of a worker over a question.
type end int

const (
	lives  end = iota
	dead       // by what it was asked
	astray     // by something else, as far as can be told
)

func startWorker(command string, network bool) (*worker, error) {
	cmd := exec.Command(command, protocol.WorkerArg)
	cmd.Env = []string{"CUE_REGISTRY=none", "GOTRACEBACK=none"}
	cmd.Dir = "/"
	cmd.SysProcAttr = sandbox.Isolation(network)
	stderr := &tail{}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start evaluation worker: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start evaluation worker: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start evaluation worker: %w", err)
	}
	return &worker{
		cmd: cmd, in: bufio.NewWriterSize(stdin, 1<<16), out: bufio.NewReaderSize(stdout, 1<<16),
		pipe: stdin, stderr: stderr,
	}, nil
}

// ask puts a question and waits for its answer within the wall limit.
func (w *worker) ask(ctx context.Context, q protocol.Question) (a protocol.Answer, became end, err error) {
	if q.Declare != nil {
		w.asked++
	}
	w.id++
	q.ID = w.id
	if err := sandbox.GrantCPU(w.cmd.Process.Pid, protocol.CPULimit); err != nil && !errors.Is(err, syscall.ESRCH) {
		w.stop()
		return protocol.Answer{}, dead, fmt.Errorf("ready an evaluation worker: %w", err)
	}
	var deadline atomic.Bool
	timer := time.AfterFunc(protocol.WallLimit, func() {
		deadline.Store(true)
		w.kill()
	})
	stop := context.AfterFunc(ctx, w.kill)
	a, err = w.exchange(q)
	inTime, unhurt := timer.Stop(), stop()
	if err == nil && inTime && unhurt {
		return a, lives, nil
	}
	w.kill()
	_ = w.cmd.Wait()
	if err == nil {
		return a, dead, nil // it answered, and was killed just then: the next question needs another
	}
	if ctx.Err() != nil {
		return protocol.Answer{}, dead, ctx.Err()
	}
	f, became := killed(w.cmd.ProcessState, deadline.Load(), w.stderr.String(), err)
	return protocol.Answer{Faults: []protocol.Fault{f}}, became, nil
}

// exchange writes a question and reads what comes back. It believes nothing
// that does not answer this question as it must be answered.
func (w *worker) exchange(q protocol.Question) (a protocol.Answer, err error) {
	if err := protocol.Write(w.in, q, nil); err != nil {
		return protocol.Answer{}, err
	}
	if a.Data, err = protocol.Read(w.out, &a); err != nil {
		return protocol.Answer{}, err
	}
	if n := w.out.Buffered(); n > 0 {
		return protocol.Answer{}, fmt.Errorf("%w: %d bytes stand behind it", protocol.ErrAnswer, n)
	}
	return a, q.Check(a)
}

func (w *worker) kill() { _ = w.cmd.Process.Kill() }

// stop ends a worker that is not answering anything.
func (w *worker) stop() {
	w.pipe.Close()
	w.kill()
	_ = w.cmd.Wait()
}

// tail keeps the last of what a worker says on its error stream.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > 1<<16 {
		t.buf.Reset()
	}
	return t.buf.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
