package eval

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
)

// recycleAfter is how many declarations a worker evaluates before it is
// replaced: an evaluator keeps about 160 KB of every service it has seen, and
// nothing of the units it rendered.
const recycleAfter = 1000

// Pool keeps worker processes and asks them. It starts none before the first
// question and is safe for concurrent use.
type Pool struct {
	command string
	idle    chan *worker // capacity is the number of workers; nil stands for one not started

	mu       sync.Mutex
	platform map[string]string
	version  int
	network  bool // workers may keep the network, because the system cannot take it away
}

// NewPool makes a pool of so many workers. command is the binary to run with
// protocol.WorkerArg; empty means this program.
func NewPool(command string, workers int) *Pool {
	if command == "" {
		command = sandbox.Self()
	}
	p := &Pool{command: command, idle: make(chan *worker, max(workers, 1))}
	for range cap(p.idle) {
		p.idle <- nil
	}
	return p
}

// Workers is how many questions can be asked at a time.
func (p *Pool) Workers() int { return cap(p.idle) }

// SetPlatform gives the files of schema/ and platform/ that questions from now
// on are answered against.
func (p *Pool) SetPlatform(files map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.platform = files
	p.version++
}

// Close ends the idle workers.
func (p *Pool) Close() {
	for range cap(p.idle) {
		if w := <-p.idle; w != nil {
			w.stop()
		}
		defer func() { p.idle <- nil }()
	}
}

// ask puts one question. A worker that dies over it is a Fault in the answer,
// as it is the question's doing; an error means that no worker could be had.
func (p *Pool) ask(ctx context.Context, q protocol.Question) (protocol.Answer, error) {
	var w *worker
	select {
	case w = <-p.idle:
	case <-ctx.Done():
		return protocol.Answer{}, ctx.Err()
	}
	defer func() { p.idle <- w }()
	if w != nil && w.asked >= recycleAfter {
		w.stop()
		w = nil
	}
	w, err := p.ready(ctx, w)
	if err != nil {
		return protocol.Answer{}, err
	}
	a, alive, err := w.ask(ctx, q)
	if !alive && err == nil && w.stray {
		// Somebody else killed it, the system perhaps for want of memory. Once is
		// no word about the question.
		if w, err = p.ready(ctx, nil); err != nil {
			return protocol.Answer{}, err
		}
		a, alive, err = w.ask(ctx, q)
	}
	if !alive {
		w = nil
	}
	return a, err
}

// ready gives a worker that has the present platform.
func (p *Pool) ready(ctx context.Context, w *worker) (*worker, error) {
	p.mu.Lock()
	files, version := p.platform, p.version
	p.mu.Unlock()
	if w != nil && w.version == version {
		return w, nil
	}
	if w != nil {
		w.stop()
	}
	w, err := p.start()
	if err != nil {
		return nil, err
	}
	a, alive, err := w.ask(ctx, protocol.Question{Platform: &protocol.Platform{Files: files}})
	if err != nil {
		return nil, err
	}
	switch {
	case !alive && len(a.Faults) > 0:
		return nil, fmt.Errorf("compile the platform: %s", a.Faults[0].Message)
	case !alive: // it answered, and was killed just then
		return nil, fmt.Errorf("compile the platform: %w", cmp.Or(ctx.Err(), context.DeadlineExceeded))
	}
	w.version = version
	return w, nil
}

func (p *Pool) start() (*worker, error) {
	p.mu.Lock()
	network := p.network
	p.mu.Unlock()
	w, err := startWorker(p.command, network)
	if err == nil || network {
		return w, err
	}
	// Some systems forbid namespaces to ordinary users. The worker has no code
	// that opens a connection, so this is the second wall and not the first.
	w, again := startWorker(p.command, true)
	if again != nil {
		return nil, errors.Join(err, again)
	}
	p.mu.Lock()
	p.network = true
	p.mu.Unlock()
	return w, nil
}

// worker is one process.
type worker struct {
	cmd     *exec.Cmd
	in      *bufio.Writer
	out     *bufio.Reader
	pipe    io.Closer
	stderr  *tail
	version int
	asked   int
	stray   bool // it was killed, and not by its own limits
}

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

// ask puts a question and waits for its answer within the wall limit. It
// reports whether the worker lives on.
func (w *worker) ask(ctx context.Context, q protocol.Question) (a protocol.Answer, alive bool, err error) {
	if q.Declare != nil {
		w.asked++
	}
	var deadline atomic.Bool
	timer := time.AfterFunc(protocol.WallLimit, func() {
		deadline.Store(true)
		w.kill()
	})
	stop := context.AfterFunc(ctx, w.kill)
	err = protocol.Write(w.in, q, nil)
	if err == nil {
		a.Data, err = protocol.Read(w.out, &a)
	}
	inTime, unhurt := timer.Stop(), stop()
	if err == nil && inTime && unhurt {
		return a, true, nil
	}
	w.kill()
	_ = w.cmd.Wait()
	if err == nil {
		return a, false, nil // it answered, and was killed just then: the next question needs another
	}
	if ctx.Err() != nil {
		return protocol.Answer{}, false, ctx.Err()
	}
	w.stray = !deadline.Load() && killedFromOutside(w.cmd.ProcessState, w.stderr.String())
	return protocol.Answer{Faults: []protocol.Fault{killed(w.cmd.ProcessState, deadline.Load(), w.stderr.String())}}, false, nil
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
