// Package e2e_test holds what Fairway promises to whoever uses it, each promise
// a test: a push by git, the daemon, real API servers, and their audit logs as
// the witness that does not depend on our code.
//
// The two control planes are started once and shared. A test has a platform
// repository, a Git server and names of its own (a world), so that tests meet
// neither in a namespace nor in an inventory.
package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/test/labtest"
)

func TestMain(m *testing.M) {
	worker.Maybe()
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

// lab is the control planes that all tests share.
type lab struct {
	start sync.Once
	err   error
	set   *labtest.Set

	planes     map[string]*labtest.Plane
	logs       map[string]*auditLog
	admin      map[string]dynamic.Interface
	dir        string
	kubeconfig string // of the user fairway, a context for each plane

	build  sync.Once
	binary string
	broken error

	addresses atomic.Int64 // that were given to processes
}

var shared = &lab{}

func clusters() []string { return []string{"local", "prod-eu"} }

// theLab gives the running planes, and starts them at the first call.
func theLab(t testing.TB) *lab {
	t.Helper()
	shared.start.Do(func() { shared.err = shared.run() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared
}

func (l *lab) run() error {
	set, err := labtest.RunSet(clusters()...)
	if err != nil {
		return err
	}
	l.set, l.planes, l.admin, l.dir, l.kubeconfig = set, set.Planes, set.Admin, set.Dir, set.Kubeconfig
	l.logs = map[string]*auditLog{}
	for name, p := range l.planes {
		l.logs[name] = &auditLog{file: p.AuditLog, cluster: name}
	}
	return nil
}

func (l *lab) stop() {
	if l.set != nil {
		l.set.Stop()
	}
}

// top is the folder of the repository this test stands in. Tests run in their own.
func top() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
}

// reconciler gives the path of the real binary, built once from this tree.
func reconciler(t testing.TB) string {
	t.Helper()
	l := theLab(t)
	l.build.Do(func() {
		l.binary = filepath.Join(l.dir, "reconciler")
		cmd := exec.Command("go", "build", "-o", l.binary, "./cmd/reconciler")
		cmd.Dir = top()
		if out, err := cmd.CombinedOutput(); err != nil {
			l.broken = fmt.Errorf("build reconciler: %w: %s", err, out)
		}
	})
	if l.broken != nil {
		t.Fatal(l.broken)
	}
	return l.binary
}

// lenience stretches every limit of time on machines that are slow or busy.
// Counters are never stretched.
func lenience() float64 {
	if f, err := strconv.ParseFloat(os.Getenv("FAIRWAY_E2E_LENIENCE"), 64); err == nil && f > 0 {
		return f
	}
	return 3
}

// within is a promised time, stretched.
func within(d time.Duration) time.Duration { return time.Duration(float64(d) * lenience()) }

// patience bounds every wait whose length is not what is tested.
const patience = 3 * time.Minute

// eventually polls until the condition gives "", and fails with what it gave last.
// It polls less often the longer that takes: what many tests ask for costs what is
// asked more than it.
func eventually(t testing.TB, limit time.Duration, what string, condition func() string) time.Duration {
	t.Helper()
	return polled(t, limit, 100*time.Millisecond, what, condition)
}

// inTime is eventually for what is over soon: it goes on polling often.
func inTime(t testing.TB, limit time.Duration, what string, condition func() string) {
	t.Helper()
	polled(t, limit, 0, what, condition)
}

func polled(t testing.TB, limit, longest time.Duration, what string, condition func() string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		missing := condition()
		took := time.Since(began)
		if missing == "" {
			return took
		}
		if took > limit {
			t.Fatalf("%s: not within %s: %s", what, limit, missing)
		}
		time.Sleep(max(min(took/16, longest), 10*time.Millisecond))
	}
}

// gitIn runs git in a folder as a user without any configuration of this machine's.
func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryGit(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	var errout bytes.Buffer
	cmd.Stderr = &errout
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, errout.String())
	}
	return strings.TrimSpace(string(out)), nil
}
