// Package labtest gives tests a real control plane out of the lab.
//
// A test binary starts one plane and shares it: tests keep apart by namespaces
// of their own. It never skips. A plane that cannot be had fails the test,
// because the safety of the engine is shown against the real API server.
package labtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Options tune a plane. The zero value works.
type Options struct {
	// Name is what the lab calls the cluster; "test" if empty.
	Name string
	// Audit has every request written to Plane.AuditLog, with its body.
	Audit bool
	// Dir keeps the plane's files; a temporary folder if empty.
	Dir string
	// Addons is the folder of what stands in for operators; lab/addons of the
	// repository if empty.
	Addons string
}

// Plane is a running control plane.
type Plane struct {
	// Kubeconfig is for the identity under test, bound by RBAC and by priority and fairness.
	Kubeconfig string
	// AdminKubeconfig is for the identity that arranges the test.
	AdminKubeconfig string
	// AuditLog is the file of requests; empty without Options.Audit.
	AuditLog string

	stop func()
}

// Stop ends the plane and removes its temporary files.
func (p *Plane) Stop() { p.stop() }

// Start runs a plane until the test ends.
func Start(t testing.TB, opts Options) *Plane {
	t.Helper()
	p, err := Run(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// Run runs a plane until Stop; for a TestMain that shares one. The plane ends
// with this process in any case, because it watches its standard input.
func Run(opts Options) (*Plane, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	dir := opts.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "fairway-lab-"); err != nil {
			return nil, fmt.Errorf("start plane: %w", err)
		}
	}
	p, err := run(binary, dir, opts)
	if err != nil {
		return nil, fmt.Errorf("start plane: %w", err)
	}
	if err := p.prepare(context.Background()); err != nil {
		p.stop()
		return nil, fmt.Errorf("start plane: %w", err)
	}
	if opts.Dir == "" {
		stop := p.stop
		p.stop = func() { stop(); os.RemoveAll(dir) }
	}
	return p, nil
}

func run(binary, dir string, opts Options) (*Plane, error) {
	name := opts.Name
	if name == "" {
		name = "test"
	}
	addons := opts.Addons
	if addons == "" {
		addons = repository("lab", "addons")
	}
	args := []string{"plane", "--name", name, "--dir", dir, "--addons", addons, "--until-stdin-closes"}
	if opts.Audit {
		args = append(args, "--audit", "--audit-level", "Request")
	}
	cmd := exec.Command(binary, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		in.Close()
		cmd.Wait()
	}
	p, err := ready(out, dir)
	if err != nil {
		cmd.Process.Kill()
		stop()
		return nil, err
	}
	p.stop = stop
	if opts.Audit {
		p.AuditLog = filepath.Join(dir, "audit.log")
	}
	return p, nil
}

// ready waits for the line that says the plane can be used.
func ready(out io.Reader, dir string) (*Plane, error) {
	line := make(chan []byte, 1)
	go func() {
		r := bufio.NewReader(out)
		b, _ := r.ReadBytes('\n')
		line <- b
		io.Copy(io.Discard, r)
	}()
	select {
	case b := <-line:
		if !json.Valid(b) || len(b) == 0 {
			return nil, fmt.Errorf("plane did not come up: %q", b)
		}
		return &Plane{
			Kubeconfig:      filepath.Join(dir, "fairway.kubeconfig"),
			AdminKubeconfig: filepath.Join(dir, "admin.kubeconfig"),
		}, nil
	case <-time.After(2 * time.Minute):
		return nil, errors.New("plane did not come up in 2 minutes")
	}
}

// Binary gives the lab's binary: the one in FAIRWAY_LAB, or else the one that
// the repository's lab/build.sh builds once and keeps.
func Binary() (string, error) {
	if path := os.Getenv("FAIRWAY_LAB"); path != "" {
		return path, nil
	}
	cmd := exec.Command(repository("lab", "build.sh"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build lab: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

// repository is the path of something in the repository.
func repository(parts ...string) string { return filepath.Join(append([]string{Top()}, parts...)...) }

// Top is the folder of the repository that this process was started in: the nearest
// one around it that has a lab. Where the code was compiled does not say that, as
// paths may be trimmed from it.
func Top() string {
	start, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "lab", "addons")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return start
		}
	}
}
