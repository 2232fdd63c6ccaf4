package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
)

// recycleAfter is how many questions a worker answers before it is replaced: an evaluator
// keeps about 160 KB of every service it has seen, and nothing of the units it rendered.
// A new one compiles the platform in a fifth of a second; after a thousand questions the
// collector takes two fifths of all time, near the limit of a worker's memory.
const recycleAfter = 400

// Pool keeps worker processes and asks them. It starts none before the first
// question and is safe for concurrent use.
type Pool struct {
	command string
	idle    chan *worker // capacity is the number of workers; nil stands for one not started

	// Weak, if set, is told once of the walls around workers that this system
	// does not have, when the first worker has started.
	Weak func([]sandbox.Wall)

	mu       sync.Mutex
	platform map[string]string
	version  int
	network  error // why workers keep the network; nil where they do not
	told     bool
	missing  []sandbox.Wall
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
	if p.version > 0 && maps.Equal(p.platform, files) {
		return // what workers have compiled is still right
	}
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
	for again := false; ; again = true {
		var err error
		if w, err = p.ready(ctx, w); err != nil {
			return protocol.Answer{}, err
		}
		a, end, err := w.ask(ctx, q)
		if end != lives {
			w = nil
		}
		if err != nil || end != astray || again {
			return a, err
		}
		// Somebody else ended it, or it talked nonsense. Once is no word about the
		// question.
	}
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
	a, end, err := w.ask(ctx, protocol.Question{Platform: &protocol.Platform{Files: files}})
	if err != nil {
		return nil, err
	}
	switch {
	case end != lives && len(a.Faults) > 0:
		return nil, fmt.Errorf("compile the platform: %s", a.Faults[0].Message)
	case end != lives: // it answered, and was killed just then
		return nil, fmt.Errorf("compile the platform: %w", cmp.Or(ctx.Err(), context.DeadlineExceeded))
	}
	w.version = version
	p.tell(a.Missing)
	return w, nil
}

// Missing are the walls around workers that this system does not have, as far
// as a worker was started.
func (p *Pool) Missing() []sandbox.Wall {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.missing)
}

// tell says once which walls are missing.
func (p *Pool) tell(missing []sandbox.Wall) {
	p.mu.Lock()
	told := p.told
	p.told = true
	if p.network != nil {
		missing = append(missing, sandbox.Wall{Name: sandbox.WallNetwork, Why: p.network.Error()})
	}
	p.missing = missing
	p.mu.Unlock()
	if !told && len(missing) > 0 && p.Weak != nil {
		p.Weak(missing)
	}
}

func (p *Pool) start() (*worker, error) {
	p.mu.Lock()
	network := p.network != nil
	p.mu.Unlock()
	w, err := startWorker(p.command, network)
	if err == nil || network {
		return w, err
	}
	// Some systems forbid namespaces to ordinary users. The filter of system
	// calls lets no socket be made, so this is the second wall and not the first.
	w, again := startWorker(p.command, true)
	if again != nil {
		return nil, errors.Join(err, again)
	}
	p.mu.Lock()
	p.network = err
	p.mu.Unlock()
	return w, nil
}
