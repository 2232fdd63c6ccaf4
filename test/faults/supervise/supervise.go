// Package supervise runs the real daemon as a process and does to it what
// operating systems, disks and people do: kills it, stops it and lets it go on,
// starts it twice, and takes its files away, fills them with rubbish, or leaves
// it no room.
package supervise

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Options are what a daemon is started with.
type Options struct {
	// Binary is the path of reconciler.
	Binary string
	// Repo, Kubeconfig and Data are its flags.
	Repo, Kubeconfig, Data string
	// Poll is how often it asks Git; it has no other way of hearing of a push but
	// Wake.
	Poll time.Duration
	// Flags are given to it besides.
	Flags []string
}

// Daemon is one process after another, with one place for files.
type Daemon struct {
	opts   Options
	secret string
	log    buffer

	mu      sync.Mutex
	full    bool // there is no room for files
	running *process
	ends    []string // how processes ended that were not asked to
	starts  int
}

type process struct {
	cmd   *exec.Cmd
	base  string
	began time.Time
	done  chan struct{}
	asked bool // somebody wanted it to end
}

// buffer keeps what the processes wrote.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// New makes a daemon that does not run yet.
func New(o Options) *Daemon { return &Daemon{opts: o, secret: "a hook's secret"} }

// Start starts a process. It does nothing if one runs.
func (d *Daemon) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil {
		return nil
	}
	listen, err := freeAddress()
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	secret := filepath.Join(filepath.Dir(d.opts.Data), filepath.Base(d.opts.Data)+".secret")
	if err := os.WriteFile(secret, []byte(d.secret), 0o600); err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	p := &process{base: "http://" + listen, began: time.Now(), done: make(chan struct{})}
	p.cmd = d.command(append([]string{"serve", "--repo", d.opts.Repo, "--data-dir", d.opts.Data, "--kubeconfig", d.opts.Kubeconfig,
		"--listen", listen, "--hook-secret-file", secret, "--poll", d.opts.Poll.String(), "--log-format", "json"}, d.opts.Flags...)...)
	p.cmd.Stdout, p.cmd.Stderr = &d.log, &d.log
	p.cmd.WaitDelay = 10 * time.Second // a child of its that is stuck keeps its output open
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	d.running, d.starts = p, d.starts+1
	go d.wait(p)
	return nil
}

// command runs the binary, under a limit of nothing for files where there is no room.
func (d *Daemon) command(args ...string) *exec.Cmd {
	if !d.full {
		return exec.Command(d.opts.Binary, args...)
	}
	return exec.Command("sh", append([]string{"-c", `ulimit -f 0; exec "$0" "$@"`, d.opts.Binary}, args...)...)
}

// wait notes how a process ended.
func (d *Daemon) wait(p *process) {
	_ = p.cmd.Wait() // how it ended is in ProcessState
	d.mu.Lock()
	defer d.mu.Unlock()
	if !p.asked {
		d.ends = append(d.ends, p.cmd.ProcessState.String())
	}
	if d.running == p {
		d.running = nil
	}
	close(p.done)
}

// freeAddress is an address where nobody listens, on an own one of this machine's: on the
// common one, connections of others take the port before the daemon listens there.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 64+rand.IntN(64), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Kill ends the process as kill -9 does, and returns when it is gone.
func (d *Daemon) Kill() { d.end(syscall.SIGKILL) }

// Stop asks the process to end, and returns when it is gone.
func (d *Daemon) Stop() { d.end(syscall.SIGTERM) }

func (d *Daemon) end(signal syscall.Signal) {
	d.mu.Lock()
	p := d.running
	if p == nil {
		d.mu.Unlock()
		return
	}
	p.asked = true
	d.mu.Unlock()
	_ = p.cmd.Process.Signal(signal) // it may have ended by itself
	if signal == syscall.SIGTERM {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped process hears nothing
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Freeze and Thaw stop the process and let it go on, as SIGSTOP and SIGCONT do.
func (d *Daemon) Freeze() { d.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (d *Daemon) Thaw() { d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(s syscall.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil {
		_ = d.running.cmd.Process.Signal(s) // it may have ended by itself
	}
}

// Running reports whether a process runs.
func (d *Daemon) Running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running != nil
}

// Starts is how many processes there were.
func (d *Daemon) Starts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts
}

// Base is the address of the running process's API; "" if none runs.
func (d *Daemon) Base() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		return ""
	}
	return d.running.base
}

// Since is when the running process was started; the beginning of time if none runs.
func (d *Daemon) Since() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		return time.Time{}
	}
	return d.running.began
}

// Log is everything the processes wrote.
func (d *Daemon) Log() string { return d.log.String() }

// Broken says what no daemon may do whatever happens: end by itself, panic, or
// find that goroutines wrote at the same time. "" if it did not.
func (d *Daemon) Broken() string {
	d.mu.Lock()
	ends := strings.Join(d.ends, ", ")
	d.mu.Unlock()
	if ends != "" {
		return "it ended by itself: " + ends + "\n" + tail(d.Log(), 30)
	}
	lines := bufio.NewScanner(strings.NewReader(d.Log()))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "panic:") || strings.HasPrefix(lines.Text(), "fatal error:") || strings.HasPrefix(lines.Text(), "goroutine ") {
			return "it panicked: " + lines.Text()
		}
	}
	return ""
}

// Forgive takes back that processes ended by themselves: they may where they
// cannot do their work, as long as they say so and do not panic.
func (d *Daemon) Forgive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends = nil
}

// Trouble gives the last lines of the log that tell of errors.
func (d *Daemon) Trouble(n int) string {
	var out []string
	for line := range strings.Lines(d.Log()) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out[max(0, len(out)-n):], "\n")
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Ask reads one answer of the daemon's API.
func (d *Daemon) Ask(path string, into any) error {
	base := d.Base()
	if base == "" {
		return errors.New("ask daemon: it does not run")
	}
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(base + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask daemon for %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// Wake tells the daemon that something was pushed, as a forge does. It does not
// matter whether it hears.
func (d *Daemon) Wake() {
	base := d.Base()
	if base == "" {
		return
	}
	req, err := http.NewRequest(http.MethodPost, base+"/hooks/git", strings.NewReader("{}"))
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+d.secret)
	client := http.Client{Timeout: 5 * time.Second}
	if res, err := client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

// Workers are the process ids of the daemon's evaluation workers.
func (d *Daemon) Workers() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		return nil
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.running.cmd.Process.Pid))
	if err != nil {
		return nil // the pattern is good
	}
	var out []int
	for _, list := range lists {
		raw, _ := os.ReadFile(list) // it may have just ended
		for _, field := range strings.Fields(string(raw)) {
			// A child that is not yet the worker is the daemon's own fork: stopped there, it
			// stops whoever started it for as long, and no daemon can know of it.
			command, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if child, err := strconv.Atoi(field); err == nil && bytes.Contains(command, []byte(protocol.WorkerArg)) {
				out = append(out, child)
			}
		}
	}
	return out
}
