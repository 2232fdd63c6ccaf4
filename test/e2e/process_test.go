package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/status"
)

// process is the real binary as a daemon.
type process struct {
	cmd  *exec.Cmd
	log  *logged
	done chan struct{}
}

// spawn starts the binary on a data folder.
func (w *world) spawn(data string, flags ...string) *process {
	w.t.Helper()
	return w.spawnWith(data, w.url, flags...)
}

// spawnWith is spawn with another repository and more flags.
func (w *world) spawnWith(data, repo string, flags ...string) *process {
	w.t.Helper()
	listen := freeAddress(w.t)
	secret := filepath.Join(w.t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(w.secret+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	p := &process{log: &logged{}, done: make(chan struct{})}
	args := append([]string{"serve", "--repo", repo, "--data-dir", data, "--kubeconfig", w.lab.kubeconfig,
		"--system-namespace", w.system, "--listen", listen, "--hook-secret-file", secret, "--poll", "1h", "--log-format", "json"}, flags...)
	p.cmd = exec.Command(reconciler(w.t), args...)
	p.cmd.Env = append(os.Environ(), w.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	w.t.Cleanup(func() { // of a test that failed before it ended the process
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	w.base = "http://" + listen
	return p
}

// freeAddress gives an address nobody listens at. It is on a loopback address of
// its own: on the usual one, others would take the port before a process does.
func freeAddress(t testing.TB) string {
	t.Helper()
	n := shared.addresses.Add(1)
	l, err := net.Listen("tcp", fmt.Sprintf("127.7.%d.%d:0", n/250, n%250+1))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// end sends a signal and waits until the process is gone.
func (p *process) end(t testing.TB, signal syscall.Signal) time.Duration {
	t.Helper()
	began := time.Now()
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		t.Fatalf("the process is there 15 s after %s; its log:\n%s", signal, lastLines(p.log.String(), 20))
	}
	return time.Since(began)
}

// swept empties the clusters of this world, waits until that is done, and lets
// the daemon keep its inventory again, as an operator does who installs its rights.
func (w *world) swept() {
	w.t.Helper()
	for _, name := range clusters() {
		for _, space := range w.spaces(name) {
			w.remove(name, "Namespace", "", space)
		}
	}
	for _, name := range clusters() {
		eventually(w.t, patience, "the namespaces are gone from "+name, func() string { return strings.Join(w.spaces(name), ", ") })
	}
	w.mayRecord()
}

// mayRecord makes the namespace of the inventory, with the daemon's rights in it.
func (w *world) mayRecord() {
	w.t.Helper()
	for _, p := range w.lab.planes {
		must(w.t, p.Inventory(w.t.Context(), w.system))
	}
}

// twenty is a company of twenty services in dev, five teams of four.
func twenty(w *world) files {
	out := files{}
	for team := range 5 {
		name := fmt.Sprintf("team%d", team)
		out.and(w.teamFile(name))
		for n := range 4 {
			service := fmt.Sprintf("svc%d%d", team, n)
			needs := ""
			if n > 0 {
				needs = fmt.Sprintf("needs: before: service: %q", fmt.Sprintf("svc%d%d", team, n-1))
			}
			out.and(w.web(name, service, needs)).and(w.release(w.dev(), name, service, "1.0.0"))
		}
	}
	return out
}

// TestKill9: the daemon is killed again and again at random moments of a first
// sync, every third time its data folder is removed too. What comes of it is
// what an undisturbed run gives: no object missing, none too many, and then rest.
func TestKill9(t *testing.T) {
	w := newAlone(t, twenty)
	data := t.TempDir()
	p := w.spawn(data)
	began := time.Now()
	w.settled(w.head())
	want := w.essences("local", false)
	firstSync := time.Since(began)
	p.end(t, syscall.SIGTERM)
	w.swept()

	from := w.lab.now(t)
	kills, data := 0, filepath.Join(t.TempDir(), "data")
	for ; kills < 12; kills++ {
		p := w.spawn(data)
		time.Sleep(time.Duration(rand.Int64N(int64(min(firstSync, time.Second))))) // the random moment is the test
		p.end(t, syscall.SIGKILL)
		if kills%3 == 2 {
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d kills; %d objects before the last start, %d writes so far", kills, len(w.objects("local")), len(w.writes(from)))
	p = w.spawn(data)
	w.settled(w.head())
	mustEqual(t, "what is live after the kills", want, w.essences("local", false))
	w.mustBeRecorded("local")
	for _, r := range w.writes(from) {
		if r.Verb == "delete" {
			t.Errorf("deleted: %s", r)
		}
	}

	p.end(t, syscall.SIGKILL)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	from = w.lab.now(t)
	p = w.spawn(data)
	w.settled(w.head())
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("a start without data on a converged cluster wrote:\n  %s\nwant nothing", spelled(writes))
	}
	p.end(t, syscall.SIGTERM)
}

// mustBeRecorded holds that the inventory has each live object of ours: an
// object that is not in it would never be removed.
func (w *world) mustBeRecorded(cluster string) {
	w.t.Helper()
	var missing []string
	for key, o := range w.objects(cluster) {
		unit := o.GetAnnotations()["fairway.dev/unit"]
		if !strings.Contains(w.inventoryOf(cluster, unit), string(o.GetUID())) {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		w.t.Errorf("%d objects are not in the inventory by their UID, such as %s", len(missing), missing[0])
	}
}

// TestSIGTERM: the daemon ends within ten seconds, whatever it is doing, and
// leaves no worker behind. A hook that brings the secret had woken it.
func TestSIGTERM(t *testing.T) {
	w := newWorld(t, shopAndPay)
	p := w.spawn(t.TempDir())
	w.settled(w.head())
	commit := w.push("pay: strict", w.web("money", "pay", `config: MODE: "strict"`))
	if code := w.hook("wrong"); code != 401 {
		t.Errorf("a hook with a wrong secret: %d, want 401", code)
	}
	if s := w.source(); s.Revision == commit {
		t.Error("the daemon looked at Git without a proper hook")
	}
	if code := w.hook(w.secret); code != 202 {
		t.Errorf("a hook with the secret: %d, want 202", code)
	}
	w.settled(commit)
	if got := w.mode("prod-eu", w.prod()); got != "strict" {
		t.Errorf("after the hook: %q, want the pushed mode", got)
	}
	// All is to be evaluated anew when the signal comes.
	w.push("everything anew", files{"platform/parts/account.cue": w.read("platform/parts/account.cue") + "\n// A remark.\n"})
	w.hook(w.secret)
	var busy []int
	inTime(t, patience, "workers are there", func() string {
		if busy = workers(p.cmd.Process.Pid); len(busy) == 0 {
			return "none"
		}
		return ""
	})
	took := p.end(t, syscall.SIGTERM)
	t.Logf("ended in %s", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("it took %s to end, want 10 s at most", took)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0; its log:\n%s", code, lastLines(p.log.String(), 5))
	}
	for _, pid := range busy {
		if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(raw), "evaluation-worker") {
			t.Errorf("worker %d is still there", pid)
		}
	}
}

// TestStoppedDaemonWritesNothingOld: a daemon is stopped, as with a frozen
// machine, and another one brings the cluster to a newer revision meanwhile.
// When the first goes on, it does not put back what it knew.
func TestStoppedDaemonWritesNothingOld(t *testing.T) {
	w := newWorld(t, shopAndPay)
	first := w.spawn(t.TempDir())
	w.settled(w.head())
	stopped := w.base
	_ = first.cmd.Process.Signal(syscall.SIGSTOP)
	began := time.Now()

	commit := w.push("pay: strict", w.web("money", "pay", `config: MODE: "strict"`))
	second := w.spawn(t.TempDir())
	w.settled(commit)
	time.Sleep(time.Until(began.Add(12 * time.Second))) // longer than the daemon takes for a nap
	second.end(t, syscall.SIGTERM)

	from := w.lab.now(t)
	_ = first.cmd.Process.Signal(syscall.SIGCONT)
	w.base = stopped
	w.settled(commit)
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("the daemon that was stopped wrote:\n  %s\nwant nothing", spelled(writes))
	}
	if got := w.mode("prod-eu", w.prod()); got != "strict" {
		t.Errorf("afterwards the mode is %q, want the newer one", got)
	}
	first.end(t, syscall.SIGTERM)
}

// TestTwoReplicas: of two daemons with leases one acts. The other does when
// that one ends, and nothing is written twice.
func TestTwoReplicas(t *testing.T) {
	w := newWorld(t, shopAndPay)
	first := w.spawn(t.TempDir(), "--lease")
	w.settled(w.head())
	second := w.spawn(t.TempDir(), "--lease", "--poll", "1s")
	eventually(t, patience, "the second stands by", func() string {
		var list struct{ Items []status.Cluster }
		if err := w.ask("/api/v1/clusters", &list); err != nil {
			return err.Error()
		}
		for _, c := range list.Items {
			if !strings.HasPrefix(c.Message, "standing by: ") {
				return fmt.Sprintf("%s: %q", c.Name, c.Message)
			}
		}
		return emptyIs(len(list.Items) == 0, "no clusters")
	})
	from := w.lab.now(t)
	commit := w.push("pay: strict", w.web("money", "pay", `config: MODE: "strict"`))
	eventually(t, patience, "the second knows the commit", func() string {
		return emptyIs(w.source().Revision != commit, "it does not")
	})
	if writes := applied(w.writes(from)); len(writes) > 0 {
		t.Errorf("the daemon that stands by wrote:\n  %s", spelled(writes))
	}
	first.end(t, syscall.SIGTERM)
	w.settled(commit)
	if got := w.mode("prod-eu", w.prod()); got != "strict" {
		t.Errorf("after the takeover the mode is %q, want strict", got)
	}
	second.end(t, syscall.SIGTERM)
}

func emptyIs(wrong bool, what string) string {
	if wrong {
		return what
	}
	return ""
}

// applied leaves out what a daemon writes about itself.
func applied(list []request) []request {
	return slices.DeleteFunc(list, func(r request) bool { return r.Object.Resource == "leases" })
}
