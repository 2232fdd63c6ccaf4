package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// binary builds fairway-lab or finds it built.
func binary(t *testing.T) string {
	t.Helper()
	build := exec.Command("./build.sh")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		t.Fatalf("build the lab: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// A running is a plane that a test started, with its readiness line.
type running struct {
	Name            string
	Server          string
	Kubeconfig      string
	AdminKubeconfig string
	AuditLog        string
	Pids            map[string]int
	StartedIn       string

	cmd *exec.Cmd
}

// start runs a plane and waits for its readiness line. The plane's own death
// with the test is left to --until-stdin-closes.
func start(t *testing.T, dir string, flags ...string) *running {
	t.Helper()
	args := append([]string{"plane", "--dir", dir, "--until-stdin-closes"}, flags...)
	cmd := exec.Command(binary(t), args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("start a plane: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("start a plane: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a plane: %v", err)
	}
	r := &running{cmd: cmd}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("read the readiness line of a plane: %v", err)
	}
	if err := json.Unmarshal(line, r); err != nil {
		t.Fatalf("decode the readiness line %q: %v", line, err)
	}
	return r
}

// end sends a signal to the supervisor and returns how long it took to end.
func (r *running) end(t *testing.T, signal syscall.Signal) time.Duration {
	t.Helper()
	began := time.Now()
	if err := r.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("send %s to the supervisor: %v", signal, err)
	}
	err := r.cmd.Wait()
	if signal != syscall.SIGKILL && err != nil {
		t.Errorf("supervisor after %s: %v, want exit status 0", signal, err)
	}
	return time.Since(began)
}

// client logs in as the identity of a kubeconfig.
func client(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatalf("load %s: %v", kubeconfig, err)
	}
	config.QPS = -1
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatalf("make a client from %s: %v", kubeconfig, err)
	}
	return c
}

// survivors lists the processes that name dir in their arguments.
func survivors(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatalf("list processes: %v", err)
	}
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), dir) {
			found = append(found, fmt.Sprintf("%s: %s", file, strings.ReplaceAll(string(line), "\x00", " ")))
		}
	}
	return found
}

// eventually polls until check returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
