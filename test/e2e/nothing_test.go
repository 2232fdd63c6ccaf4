package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// TestFailedEvaluationChangesNothing: where it cannot be known what should be,
// nothing is deleted and nothing written, and taking the push back is enough.
func TestFailedEvaluationChangesNothing(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	all := []string{w.inDev("cart"), w.inDev("checkout"), w.inDev("pay"), w.inProd("cart"), w.inProd("checkout"), w.inProd("pay")}
	path := "platform/paths/web/objects.cue"
	for _, c := range []struct {
		name   string
		edits  files
		held   []string // units that must say so, of which only those are looked at
		reason string
	}{
		{"path does not parse", files{path: "package web\n#Unit: {"}, all, plan.HoldInvalid},
		{"path conflicts with itself", files{"platform/parts/more.cue": "package parts\n\n#Workload: out: objects: config: apiVersion: \"v2\"\n"}, all, plan.HoldInvalid},
		{"path renders nothing", files{path: "package web\n\nimport \"fairway.dev/schema\"\n\n#Unit: {\n\tschema.#Unit\n\tin: _\n}\n"}, all, plan.HoldEmpty},
		{"schema does not parse", files{"schema/team.cue": "package schema\n#Team: {"}, nil, ""}, // it is not known which units there are: all stay
		{"environment is broken", files{"environments/" + w.prod() + "/environment.cue": w.environment(w.prod(), 3000, "prod-eu", "")}, nil, ""},
		{"nothing is left but the root", nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := w.lab.now(t)
			if c.edits == nil {
				gitIn(t, w.clone, "rm", "--quiet", "-r", "teams", "environments", "platform", "schema")
			}
			commit := w.push(c.name, c.edits)
			eventually(t, patience, "the revision is looked at", func() string {
				if s := w.source(); s.Revision != commit && s.Message == "" {
					return "not yet"
				}
				return ""
			})
			w.quiet()
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("written:\n  %s\nwant nothing", spelled(writes))
			}
			for _, name := range c.held {
				u := w.waitSync(name, status.Held)
				if u.Reason != c.reason || u.Message == "" {
					t.Errorf("%s, want held for %s", describe(u), c.reason)
				}
			}
			gitIn(t, w.clone, "revert", "--no-edit", "HEAD")
			w.settled(w.pushHead())
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("written when it was taken back:\n  %s\nwant nothing", spelled(writes))
			}
		})
	}
}

// TestKilledEvaluationDeletesNothing: workers are killed for as long as
// revisions are evaluated. What somebody else killed is tried again, and
// nothing is written or deleted over it.
func TestKilledEvaluationDeletesNothing(t *testing.T) {
	w := newAlone(t, twenty)
	w.run()
	from := w.lab.now(t)
	killed := killWorkers(t)
	for try := range 4 {
		remark := fmt.Sprintf("\n// Remark %d.\n", try)
		doomed := w.push("everything anew", files{"platform/parts/account.cue": w.read("platform/parts/account.cue") + remark})
		eventually(t, patience, "the revision is judged though workers die", func() string {
			if s := w.source(); s.Revision != doomed {
				return "at " + s.Revision + ": " + s.Message
			}
			return ""
		})
	}
	if n := killed(); n < 3 {
		t.Fatalf("%d workers were killed; that is no test", n)
	}
	w.quiet()
	for _, r := range w.writes(from) {
		if r.Verb == "delete" {
			t.Errorf("deleted: %s", r)
		}
	}
	commit := w.push("again", files{"platform/parts/account.cue": w.read("platform/parts/account.cue") + "// Another.\n"})
	w.settled(commit)
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("written:\n  %s\nwant nothing: a remark changes no object", spelled(writes))
	}
}

func (w *world) read(path string) string {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.clone, path))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

// workers lists the evaluation workers among the children of a process.
func workers(parent int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		pid, ppid, ok := parentOf(stat)
		if !ok || ppid != parent {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		if strings.Contains(string(command), "evaluation-worker") {
			out = append(out, pid)
		}
	}
	return out
}

// killWorkers kills evaluation workers of this process until it is asked how many
// that were or the test ends: the first three as they come, while they compile
// the platform, and the others at a random moment after that.
func killWorkers(t *testing.T) (stop func() int) {
	done, ended := make(chan struct{}), make(chan struct{})
	n, ends := 0, map[int]time.Time{}
	go func() {
		defer close(ended)
		for {
			for _, pid := range workers(os.Getpid()) {
				if ends[pid].IsZero() {
					ends[pid] = end(n)
				}
				if time.Now().After(ends[pid]) && syscall.Kill(pid, syscall.SIGKILL) == nil {
					n++
				}
			}
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	var once sync.Once
	stop = func() int {
		once.Do(func() { close(done) })
		<-ended
		return n
	}
	t.Cleanup(func() { stop() })
	return stop
}

// end is when a worker born now is killed, n having been killed before it: the
// first three at once, of the others every second one and at any moment of its
// work, so that a slow machine gets through too.
func end(n int) time.Time {
	if n >= 3 && rand.N(2) == 0 {
		return time.Now().Add(time.Hour)
	}
	if n < 3 {
		return time.Now().Add(-1)
	}
	return time.Now().Add(rand.N(time.Second))
}
