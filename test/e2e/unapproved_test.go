package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/reconcile"
)

// approver says of merges what a test wants: of each commit in it, that it has to wait.
// What the real one finds out on a real forge is held by test/pulls.
type approver struct {
	mu    sync.Mutex
	units map[string][]catalog.UnitKey // by commit
	asked map[string]int               // pull requests that were named, by commit
}

// newApproving is a company whose merges are judged as the approver says.
func newApproving(t *testing.T) (*world, *approver) {
	t.Helper()
	w := newWorld(t, shopAndPay)
	a := &approver{units: map[string][]catalog.UnitKey{}, asked: map[string]int{}}
	w.merges = a
	return w, a
}

func (a *approver) Judge(_ context.Context, s reconcile.Step) (reconcile.Judgement, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[s.After.Commit.String()] = s.Pull
	units, waits := a.units[s.After.Commit.String()]
	if !waits {
		return reconcile.Judgement{}, nil
	}
	return reconcile.Judgement{Why: "waits for its owners", Hint: "ask them", Pull: 7, Units: units}, nil
}

func (a *approver) waitFor(commit string, units ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range units {
		key, err := catalog.ParseUnitKey(name)
		if err != nil {
			panic(err)
		}
		a.units[commit] = append(a.units[commit], key)
	}
}

func (a *approver) approve(commit string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.units, commit)
}

// pull is the pull request by which a commit was asked of last; -1 if it was not.
func (a *approver) pull(commit string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n, asked := a.asked[commit]; asked {
		return n
	}
	return -1
}

// pushJudged pushes a commit of which units of prod have to wait.
func (w *world) pushJudged(a *approver, subject string, edits files, units ...string) string {
	w.t.Helper()
	w.write(edits)
	gitIn(w.t, w.clone, "add", "--all")
	gitIn(w.t, w.clone, "commit", "--quiet", "-m", subject)
	commit := w.head()
	a.waitFor(commit, units...)
	return w.pushHead()
}

// setting is what a variable of a team's service is on a cluster.
func (w *world) setting(cluster, team, environment, service, name string) string {
	w.t.Helper()
	data, _ := w.live(cluster, "ConfigMap", w.space(team, environment), service).Object["data"].(map[string]any)
	return fmt.Sprint(data[name])
}

// size is the CACHE_SIZE of cart in prod.
func (w *world) size() string {
	w.t.Helper()
	return w.setting("prod-eu", "shop", w.prod(), "cart", "CACHE_SIZE")
}

// recordedWaiting is what prod-eu itself remembers to wait for approval.
func (w *world) recordedWaiting() string {
	w.t.Helper()
	waiting, _, _ := unstructured.NestedString(w.live("prod-eu", "ConfigMap", w.system, kube.RatchetName).Object, "data", "unapproved")
	return waiting
}

// TestUnapprovedMergeIsHeld: units that a merge changed which was not approved for what it
// does stay as they are, and everything else goes on; through a restart, the loss of the
// disk, and later commits; until it is approved, or taken back.
func TestUnapprovedMergeIsHeld(t *testing.T) {
	w, a := newApproving(t)
	data := t.TempDir()
	w.start(data)
	w.settled(w.head())
	cart := func(size string) files {
		return w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "`+size+`"`)
	}
	w.settled(w.push("cart: as it was reported", cart("1")))
	held := w.prod() + "/prod-eu/cart"
	mustStay := func(when string) {
		t.Helper()
		w.waitHeld(held, reconcile.HoldUnapproved, w.head())
		eventually(t, patience, when+": it is said what for", func() string {
			if u := w.unitNow(held); u.Message != "waits for its owners" || u.Hint != "ask them" {
				return describe(u)
			}
			return ""
		})
		if got := w.size(); got != "1" {
			t.Errorf("%s: in prod it is %s", when, got)
		}
	}
	merge := w.pushJudged(a, "cart: another thing (#7)", cart("2"), held)
	mustStay("merged")
	eventually(t, patience, "dev goes on", func() string {
		return strings.TrimPrefix(w.setting("local", "shop", w.dev(), "cart", "CACHE_SIZE"), "2")
	})
	if waiting := w.recordedWaiting(); waiting != merge+" 7 "+held+"\n" {
		t.Errorf("the cluster has recorded %q", waiting)
	}

	w.push("pay: another mode", w.web("money", "pay", `config: MODE: "another"`))
	eventually(t, patience, "another unit goes on", func() string {
		return strings.TrimPrefix(w.setting("prod-eu", "money", w.prod(), "pay", "MODE"), "another")
	})
	mustStay("another commit")
	if out, err := w.apply(w.prod()); err != nil || !strings.Contains(out, held+": held: commit "+merge) {
		t.Errorf("apply without the daemon says (%v):\n%s", err, out)
	}
	mustStay("applied by hand")

	w.daemon.stop()
	w.start(data)
	mustStay("restarted")
	w.daemon.stop()
	w.start(t.TempDir())
	mustStay("restarted without its disk")
	if got := a.pull(merge); got != 7 {
		t.Errorf("it was asked again of pull request %d, want 7", got)
	}

	a.approve(merge)
	w.daemon.Wake()
	w.settled(w.head())
	if got := w.size(); got != "2" {
		t.Errorf("approved, it is %s", got)
	}
	eventually(t, patience, "the cluster has nothing recorded that waits", w.recordedWaiting)

	w.takenBack(a, cart, held)
}

// takenBack: what waits does so no more once the commit is reverted, with what came since.
func (w *world) takenBack(a *approver, cart func(string) files, held string) {
	w.t.Helper()
	merge := w.pushJudged(a, "cart: and another (#8)", cart("3"), held)
	w.waitHeld(held, reconcile.HoldUnapproved, w.head())
	from := w.lab.now(w.t)
	w.settled(w.push("revert it", cart("2")))
	for _, r := range w.writes(from) {
		if strings.Contains(r.URI, w.space("shop", w.prod())) {
			w.t.Errorf("written: %s %s; nothing changed there in the end", r.Verb, r.URI)
		}
	}
	a.approve(merge) // whatever is said of it now
	w.settled(w.push("cart: on we go", cart("4")))
	if got := w.size(); got != "4" {
		w.t.Errorf("after that it is %s", got)
	}
}

// TestDeadBetweenMergeAndHold: a daemon that dies once it has fetched a merge, and before
// any cluster was told that it waits, judges it when it is back. A fetch by another command
// stands in for the one it did.
func TestDeadBetweenMergeAndHold(t *testing.T) {
	w, a := newApproving(t)
	data := t.TempDir()
	w.start(data)
	w.settled(w.head())
	w.daemon.Wake() // it remembers what is judged at the end of a look
	w.quiet()
	w.daemon.stop()
	held := w.prod() + "/prod-eu/cart"
	w.pushJudged(a, "cart: another thing (#7)", w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "2"`), held)
	store, err := git.OpenStore(data+"/git", git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Fetch(t.Context(), git.Remote{URL: w.url, Branch: "main"}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	w.start(data)
	w.waitHeld(held, reconcile.HoldUnapproved, w.head())
	if got := w.size(); got == "2" {
		t.Error("it was applied")
	}
}
