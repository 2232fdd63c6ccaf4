package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/status"
	"github.com/fairway-dev/fairway/test/labtest"
)

// platform is a running `reconciler up`.
type platform struct {
	*process
	state, base string
}

// TestWalk does what README's walk says, word for word, on a fresh clone: up,
// look, edit, push, live, break it, held, revert, back; then Ctrl-C, and up
// again from what was kept.
func TestWalk(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "fairway")
	gitIn(t, t.TempDir(), "clone", "--quiet", top(), fresh)
	state := filepath.Join(t.TempDir(), "state")
	listen := freeAddress(t)
	p := up(t, fresh, state, listen)
	w := &world{t: t, base: "http://" + listen}
	before := p.timeout(t)
	blocks := walkBlocks(t)
	checks := []func(){
		func() {},
		func() { p.mustHaveTimeout(t, before, true) },
		func() {
			if u := w.unitNow("prod/prod-eu/checkout"); u.Sync != status.Held || !strings.Contains(u.Message, "service.cue:") {
				t.Errorf("after the mistake: %s, want held with its place", describe(u))
			}
		},
		func() {
			if u := w.unitNow("prod/prod-eu/checkout"); u.Sync != status.Synced {
				t.Errorf("after the revert: %s, want synced", describe(u))
			}
			p.mustHaveTimeout(t, before, true)
		},
	}
	if len(blocks) != len(checks) {
		t.Fatalf("README's walk has %d blocks and this test checks %d: bring them together", len(blocks), len(checks))
	}
	for i, block := range blocks {
		began := time.Now()
		out, err := p.shell(t, block)
		t.Logf("block %d took %s:\n%s%s", i+1, time.Since(began).Round(time.Millisecond), block, out)
		if err != nil {
			t.Fatalf("block %d: %v", i+1, err)
		}
		checks[i]()
	}
	p.interrupt(t)

	began := time.Now()
	p = up(t, fresh, state, listen)
	took := time.Since(began)
	t.Logf("up again in %s", took.Round(time.Millisecond))
	if took > within(25*time.Second) {
		t.Errorf("a warm start took %s, want 25 s at most", took)
	}
	p.mustHaveTimeout(t, before, true)
	p.interrupt(t)
}

// TestUpAtNight: whoever starts the platform while dev sleeps is told so, everything
// is well all the same, what sleeps runs nothing whoever wrote its objects, and what
// everything depends on runs; and a time that is none is refused before anything starts.
func TestUpAtNight(t *testing.T) {
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), "fairway")
	gitIn(t, t.TempDir(), "clone", "--quiet", top(), fresh)
	state := filepath.Join(t.TempDir(), "state")
	listen := freeAddress(t)
	p := up(t, fresh, state, listen, "--at", "2026-12-01T22:00:00Z")
	m := regexp.MustCompile(`asleep +dev: ([0-9]+) units run nothing now, as sleep in environments/dev/environment.cue says`).FindStringSubmatch(p.log.String())
	if m == nil {
		t.Fatalf("the start does not say that dev sleeps:\n%s", p.log)
	}
	w := &world{t: t, base: "http://" + listen}
	units, err := w.units()
	if err != nil {
		t.Fatal(err)
	}
	asleep := 0
	for name, u := range units {
		if u.Asleep {
			asleep++
		}
		if u.Asleep && !strings.HasPrefix(name, "dev/") || u.Sync != status.Synced {
			t.Errorf("at night: %s", describe(u))
		}
	}
	if fmt.Sprint(asleep) != m[1] {
		t.Errorf("%d units sleep, and the start says %s", asleep, m[1])
	}
	cfg, err := kube.Config(filepath.Join(state, "kubeconfig"), "local")
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.Resource(kinds()["Deployment"]).List(t.Context(), metav1.ListOptions{LabelSelector: "fairway.dev/environment=dev"})
	if err != nil || len(list.Items) == 0 {
		t.Fatalf("there are %d Deployments in dev: %v", len(list.Items), err)
	}
	for i := range list.Items {
		o := &list.Items[i]
		sleeps := units["dev/local/"+o.GetLabels()["fairway.dev/service"]].Asleep
		if runs := replicas(o) > 0; runs == sleeps {
			t.Errorf("%s has %d replicas at night, and asleep is %v", o.GetName(), replicas(o), sleeps)
		}
	}
	p.interrupt(t)

	cmd := exec.Command(reconciler(t), "up", "--lab", "none", "--state-dir", state, "--at", "tonight")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), `--at "tonight" is no time; write it like 2026-12-01T22:00:00Z`) {
		t.Errorf("up at no time: %v: %s", err, out)
	}
}

// walkBlocks are the blocks of README.md that are marked as the walk.
func walkBlocks(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(top(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```sh walk\n(.*?)^```$").FindAllStringSubmatch(string(raw), -1) {
		out = append(out, m[1])
	}
	return out
}

// up starts the platform and waits until it says that everything is healthy.
func up(t *testing.T, dir, state, listen string, more ...string) *platform {
	t.Helper()
	lab, err := labtest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{process: &process{log: &logged{}, done: make(chan struct{})}, state: state, base: "http://" + listen}
	p.cmd = exec.Command(reconciler(t), append([]string{"up", "--lab", lab, "--state-dir", state, "--listen", listen}, more...)...)
	p.cmd.Dir, p.cmd.Env = dir, bareMachine()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Signal(os.Interrupt); <-p.done })
	eventually(t, 5*time.Minute, "up is healthy", func() string {
		select {
		case <-p.done:
			t.Fatalf("up ended:\n%s", p.log)
		default:
		}
		if !strings.Contains(p.log.String(), "Ctrl-C ends everything") {
			return "it says: " + p.log.String()
		}
		return ""
	})
	return p
}

// bareMachine is an environment where nobody has told git who they are.
func bareMachine() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
}

// shell runs a block in the working clone, with reconciler at hand.
func (p *platform) shell(t *testing.T, block string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", block)
	cmd.Dir = filepath.Join(p.state, "platform")
	cmd.Env = append(bareMachine(), "PATH="+filepath.Dir(reconciler(t))+":"+os.Getenv("PATH"), "RECONCILER_SERVER="+p.base,
		"XDG_CACHE_HOME="+filepath.Join(p.state, "cache"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// unitNow gives a unit's status, of whatever world.
func (w *world) unitNow(name string) status.Unit {
	w.t.Helper()
	var list struct{ Items []status.Unit }
	if err := w.ask("/api/v1/units", &list); err != nil {
		w.t.Fatal(err)
	}
	for _, u := range list.Items {
		if u.Unit.String() == name {
			return u
		}
	}
	w.t.Fatalf("there is no unit %s", name)
	return status.Unit{}
}

// timeout reads what checkout in prod has for the value that the walk changes.
func (p *platform) timeout(t *testing.T) string {
	t.Helper()
	cfg, err := kube.Config(filepath.Join(p.state, "kubeconfig"), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	o, err := client.Resource(kinds()["ConfigMap"]).Namespace("shop-prod").Get(t.Context(), "checkout", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := o.Object["data"].(map[string]any)
	value, _ := data["PAYMENT_TIMEOUT"].(string)
	return value
}

func (p *platform) mustHaveTimeout(t *testing.T, before string, changed bool) {
	t.Helper()
	if now := p.timeout(t); now == "" || (now != before) != changed {
		t.Errorf("checkout in prod has PAYMENT_TIMEOUT %q; it was %q before the walk", now, before)
	}
}

// interrupt presses Ctrl-C and holds that nothing of the platform is left running.
func (p *platform) interrupt(t *testing.T) {
	t.Helper()
	children := p.family(t)
	if len(children) < 8 {
		t.Errorf("%d processes are of the platform, want 8 at least: two planes of four", len(children))
	}
	took := p.end(t, os.Interrupt.(syscall.Signal))
	t.Logf("Ctrl-C took %s", took.Round(time.Millisecond))
	if took > within(10*time.Second) {
		t.Errorf("Ctrl-C took %s, want 10 s at most", took)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, lastLines(p.log.String(), 5))
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			t.Errorf("process %d is still there: %q", pid, command)
		}
	}
}

// family lists the descendants of the platform's process.
func (p *platform) family(t *testing.T) []int {
	t.Helper()
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range stats {
		if pid, ppid, ok := parentOf(stat); ok {
			parents[pid] = ppid
		}
	}
	var out []int
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == p.cmd.Process.Pid {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// parentOf reads a process's and its parent's id; not those of one that ended.
func parentOf(stat string) (pid, ppid int, ok bool) {
	raw, err := os.ReadFile(stat)
	if err != nil {
		return 0, 0, false // it ended meanwhile
	}
	var state string
	after := string(raw[strings.LastIndexByte(string(raw), ')')+1:])
	if _, err := fmt.Sscan(after, &state, &ppid); err != nil || state == "Z" {
		return 0, 0, false
	}
	_, err = fmt.Sscan(string(raw), &pid)
	return pid, ppid, err == nil
}
