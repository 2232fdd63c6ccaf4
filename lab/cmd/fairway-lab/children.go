package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A starter starts processes from one thread that lives as long as the
// program. The kernel ties a child's life to the thread that started it, not
// to the process, and Go ends idle threads as it likes.
type starter chan func()

func newStarter() starter {
	s := make(starter)
	go func() {
		runtime.LockOSThread() // never unlocked: see starter
		for start := range s {
			start()
		}
	}()
	return s
}

func (s starter) start(c *exec.Cmd) error {
	done := make(chan error)
	s <- func() { done <- c.Start() }
	return <-done
}

// A child is one component run as a process of its own, and run again
// whenever it ends.
type child struct {
	name    string
	args    []string
	logPath string

	mu       sync.Mutex // guards cmd, and starting against stopping
	cmd      *exec.Cmd
	stopping chan struct{} // closed when it shall not be started again
	ended    chan struct{} // closed when it has ended for good
}

// launch starts the child for the first time.
func (s starter) launch(name, logPath string, args []string) (*child, error) {
	c := &child{name: name, args: args, logPath: logPath, stopping: make(chan struct{}), ended: make(chan struct{})}
	if err := os.Truncate(logPath, 0); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("start %s: empty its log: %w", name, err)
	}
	return c, c.begin(s)
}

// begin starts the process. It runs in a process group of its own, so that
// Ctrl-C at a terminal reaches the supervisor only, which then stops its
// children in order; and it dies with the supervisor, however that ends.
func (c *child) begin(s starter) error {
	log, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", append([]string{c.name}, c.args...)...)
	cmd.Args[0] = "fairway-lab"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isStopping() {
		return errors.New("the plane is stopping")
	}
	if err := s.start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	c.cmd = cmd
	return nil
}

// watch waits for the process to end and starts it again after a pause that
// doubles while it keeps failing. Before the plane is ready an end is final
// and goes to failed instead: what cannot start once will not start later.
func (c *child) watch(s starter, ready context.Context, failed chan<- error) {
	defer close(c.ended)
	pause := 250 * time.Millisecond
	for {
		began := time.Now()
		err := c.cmd.Wait()
		if c.isStopping() {
			return
		}
		if ready.Err() == nil {
			failed <- fmt.Errorf("%s ended during the start: %s\n%s", c.name, ending(err), lastLines(c.logPath, 15))
			return
		}
		if time.Since(began) > time.Minute {
			pause = 250 * time.Millisecond
		}
		fmt.Fprintf(os.Stderr, "fairway-lab: %s ended: %s; starting it again in %s (log: %s)\n", c.name, ending(err), pause, c.logPath)
		select {
		case <-c.stopping:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 10*time.Second)
		if err := c.begin(s); err != nil && !c.isStopping() {
			fmt.Fprintf(os.Stderr, "fairway-lab: %s stays down: %v\n", c.name, err)
			return
		}
	}
}

// stop asks the process to end and kills it when the time is up.
func (c *child) stop(patience time.Duration) {
	c.mu.Lock()
	close(c.stopping)
	process := c.cmd.Process
	c.mu.Unlock()
	_ = process.Signal(syscall.SIGTERM) // an error says that it has ended already
	select {
	case <-c.ended:
		return
	case <-time.After(patience):
	}
	_ = process.Kill()
	<-c.ended
}

func (c *child) isStopping() bool {
	select {
	case <-c.stopping:
		return true
	default:
		return false
	}
}

func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd.Process.Pid
}

// ending says how a process ended.
func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}
