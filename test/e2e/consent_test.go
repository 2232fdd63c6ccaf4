package e2e_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// consenting are the environments with one more line in that of prod.
func (w *world) consenting(line string) files {
	return w.environments().and(files{"environments/" + w.prod() + "/environment.cue": w.environment(w.prod(), 30, "prod-eu", line)})
}

// lineToAdd is the line that a held unit's hint tells to add, and the file.
func lineToAdd(t testing.TB, u status.Unit) (file, line string) {
	t.Helper()
	m := regexp.MustCompile(`add to (\S+):  (consents: .*)$`).FindStringSubmatch(u.Hint)
	if m == nil {
		t.Fatalf("no line to add in the hint of %s", describe(u))
	}
	return m[1], m[2]
}

// deleted lists what was deleted after an instant, in this world.
func (w *world) deleted(from instant) []request {
	w.t.Helper()
	var out []request
	for _, r := range w.writes(from) {
		if r.Verb == "delete" {
			out = append(out, r)
		}
	}
	return out
}

// mustDeleteNothing holds that an interval has no deletion.
func (w *world) mustDeleteNothing(from instant) {
	w.t.Helper()
	if got := w.deleted(from); len(got) > 0 {
		w.t.Errorf("deleted:\n  %s\nwant nothing", spelled(got))
	}
}

// waitHeld waits until a unit is held for a reason at a commit.
func (w *world) waitHeld(unit, reason, commit string) status.Unit {
	w.t.Helper()
	return w.waitUnit(unit, "held for "+reason, func(u status.Unit) bool {
		return u.Sync == status.Held && u.Reason == reason && u.Desired == commit
	})
}

// TestConsentForATeamsNamespace: with the last service of a team goes its unit,
// whose namespace waits for consent, and its guards with it; the line that the
// status tells to add lets both go; the commit that adds it renders nothing.
func TestConsentForATeamsNamespace(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return shopAndPay(w).and(w.teamFile("solo")).and(w.everywhere("solo", "only", ""))
	})
	w.run()
	commit := w.push("only is gone from prod", files{w.releasePath(w.prod(), "solo", "only"): gone})
	team, space := w.inProd("team."+w.team("solo")), w.space("solo", w.prod())
	w.settled(commit, team)
	u := w.waitHeld(team, plan.HoldProtected, commit)
	for _, kind := range []string{"ResourceQuota", "LimitRange", "NetworkPolicy"} {
		if w.live("prod-eu", kind, space, "team") == nil {
			t.Errorf("%s went before the namespace", kind)
		}
	}
	file, line := lineToAdd(t, u)
	if want := "environments/" + w.prod() + "/environment.cue"; file != want {
		t.Errorf("the hint names %s, want %s", file, want)
	}
	wrong := regexp.MustCompile(`"[0-9a-f]{12}"`).ReplaceAllString(line, `"0123456789ab"`)
	from := w.lab.now(t)
	commit = w.push("consent to something else", w.consenting(wrong))
	w.waitHeld(team, plan.HoldProtected, commit)
	w.mustDeleteNothing(from)

	commit = w.push("the namespace may go", w.consenting(line))
	eventually(t, patience, "the namespace is gone", func() string {
		if w.live("prod-eu", "Namespace", "", space) != nil {
			return "it is there"
		}
		return ""
	})
	w.settled(commit)
	if entry := w.inventoryOf("prod-eu", team); entry != "" {
		t.Errorf("the inventory still has %s", entry)
	}
	for _, r := range w.deleted(from) {
		if !slices.Contains([]string{"team", "fairway-deployer", space}, r.Object.Name) || r.Cluster != "prod-eu" {
			t.Errorf("deleted, and should not be: %s", r)
		}
	}
	if n := w.evaluations(commit); n != 1 {
		t.Errorf("the consent took %v evaluations, want one: the environment's", n)
	}
}

// evaluations is how many a revision took, as the log says.
func (w *world) evaluations(commit string) float64 {
	for _, line := range w.daemon.log.lines("revision evaluated") {
		if line["rev"] == commit {
			n, _ := line["evaluations"].(float64)
			return n
		}
	}
	return -1
}

// TestConsentForABudget: a unit that is still declared and would lose more than
// its budget is held; with the exact line it goes on, and no further.
func TestConsentForABudget(t *testing.T) {
	w := newWorld(t, func(w *world) files { return wholeCheckout(w).and(w.crowd(12)) })
	w.run()
	unit := w.inProd("checkout")
	before := w.essences("prod-eu", true)
	from := w.lab.now(t)
	commit := w.push("checkout has other names", w.web("shop", "checkout", `objectName: "till"
	needs: {pay: service: "pay", cart: service: "cart"}
	http: public: true
	scale: {min: 2, max: 4}`))
	u := w.waitHeld(unit, plan.HoldBudget, commit)
	w.mustDeleteNothing(from)
	_, line := lineToAdd(t, u)
	commit = w.push("checkout may go in prod", w.consenting(line))
	w.waitUnit(unit, "synced", func(u status.Unit) bool { return u.Sync == status.Synced && u.Desired == commit })
	w.quiet()
	gone := w.deleted(from)
	if len(gone) != 8 {
		t.Errorf("deleted:\n  %s\nwant the 8 objects of checkout", spelled(gone))
	}
	for _, r := range gone {
		if r.Object.Name != "checkout" || r.Object.Namespace != w.space("shop", w.prod()) {
			t.Errorf("deleted, and should not be: %s", r)
		}
	}
	after := w.essences("prod-eu", true)
	for name := range before {
		if _, there := after[name]; !there && !strings.HasSuffix(name, "/checkout") {
			t.Errorf("%s is gone", name)
		}
	}
}

// crowd declares a team with many services in prod, so that the cluster has
// objects enough for what a test removes to be few of them.
func (w *world) crowd(n int) files {
	out := w.teamFile("crowd")
	for i := range n {
		name := fmt.Sprintf("one%d", i)
		out.and(w.web("crowd", name, "")).and(w.release(w.prod(), "crowd", name, "1.0.0"))
	}
	return out
}

// TestConsentForACluster: services removed by the dozen are counted together
// before the first object goes; nothing is deleted on that cluster, what is to be
// created and updated is, and the line in the cluster's declaration lets all go.
func TestConsentForACluster(t *testing.T) {
	w := newWorld(t, func(w *world) files { return shopAndPay(w).and(w.crowd(6)) })
	w.run()
	from := w.lab.now(t)
	edits := w.web("money", "pay", `config: MODE: "strict"`)
	for i := range 4 {
		edits[w.releasePath(w.prod(), "crowd", fmt.Sprintf("one%d", i))] = gone
	}
	commit := w.push("most of crowd goes", edits)
	u := w.waitHeld(w.inProd("one0"), plan.HoldBreaker, commit)
	w.waitHeld(w.inProd("one3"), plan.HoldBreaker, commit)
	w.waitUnit(w.inProd("pay"), "synced", func(u status.Unit) bool { return u.Sync == status.Synced && u.Revision == commit })
	if got := w.mode("prod-eu", w.prod()); got != "strict" {
		t.Errorf("pay was not updated: mode %q", got)
	}
	w.mustDeleteNothing(from)

	file, line := lineToAdd(t, u)
	if file != "platform/clusters/prod-eu/cluster.cue" {
		t.Errorf("the hint names %s", file)
	}
	declared := w.read(file)
	end := strings.LastIndex(declared, "}")
	commit = w.push("they may go", files{file: declared[:end] + "\t" + line + "\n}\n"})
	w.settled(commit)
	for _, r := range w.deleted(from) {
		if !regexp.MustCompile(`^one[0-3]$`).MatchString(r.Object.Name) {
			t.Errorf("deleted, and should not be: %s", r)
		}
	}
	if got := len(w.deleted(from)); got < 20 {
		t.Errorf("%d objects were deleted, want those of four services", got)
	}
	for i := range 4 {
		if entry := w.inventoryOf("prod-eu", w.inProd(fmt.Sprintf("one%d", i))); entry != "" {
			t.Errorf("the inventory still has %s", entry)
		}
	}
}

// TestConsentForWhatIsLocked: a kind that the environment locks stays, whoever
// removed it; so does an object that a person marked on the cluster.
func TestConsentForWhatIsLocked(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return shopAndPay(w).and(w.consenting(`locks: ["Deployment.apps"]`))
	})
	w.run()
	from := w.lab.now(t)
	commit := w.push("checkout is not in prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	u := w.waitHeld(w.inProd("checkout"), plan.HoldProtected, commit)
	if !strings.Contains(u.Message, "Deployment") {
		t.Errorf("%s, want it to name the Deployment", describe(u))
	}
	w.mustDeleteNothing(from)
	_, line := lineToAdd(t, u)
	commit = w.push("it may go", w.consenting(line))
	w.settled(commit)
	if got := len(w.deleted(from)); got == 0 || w.live("prod-eu", "Deployment", w.space("shop", w.prod()), "checkout") != nil {
		t.Errorf("%d objects were deleted, and the Deployment is there", got)
	}
}

// TestConsentSurvivesKill9: the daemon is killed among the deletions of a whole
// cluster that were agreed to. Another goes on with exactly those, although the
// consent is gone from Git by then: what is condemned is recorded on the cluster.
// Nothing that goes is made again.
func TestConsentSurvivesKill9(t *testing.T) {
	const rounds, each = 4, 5
	w := newWorld(t, func(w *world) files { return shopAndPay(w).and(w.crowd(rounds * each)) })
	data := t.TempDir()
	p := w.spawn(data)
	w.settled(w.head())
	file := "platform/clusters/prod-eu/cluster.cue"
	without := w.read(file)
	among := 0
	for round := 0; round < rounds && among == 0; round++ {
		edits, units := files{}, []string{}
		for i := range each {
			name := fmt.Sprintf("one%d", round*each+i)
			edits[w.releasePath(w.prod(), "crowd", name)] = gone
			units = append(units, w.inProd(name))
		}
		commit := w.push("some of crowd go", edits)
		w.hook(w.secret)
		u := w.waitHeld(units[0], plan.HoldBreaker, commit)
		_, line := lineToAdd(t, u)
		from := w.lab.now(t)
		w.push("they may go", files{file: without[:strings.LastIndex(without, "}")] + "\t" + line + "\n}\n"})
		w.hook(w.secret)
		inTime(t, patience, "the first deletion", func() string {
			if len(w.deleted(from)) == 0 {
				return "there is none"
			}
			return ""
		})
		p.end(t, syscall.SIGKILL)
		killed := w.lab.now(t)
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		left := 0
		for name := range w.objects("prod-eu") {
			for _, unit := range units {
				if strings.HasSuffix(name, "/"+unit[strings.LastIndex(unit, "/")+1:]) {
					left++
				}
			}
		}
		t.Logf("killed after %d deletions, %d objects left", len(w.deleted(from)), left)
		if left > 0 {
			among++
		}
		commit = w.push("the consent is gone", files{file: without})
		p = w.spawn(data)
		w.settled(commit)
		for _, unit := range units {
			if entry := w.inventoryOf("prod-eu", unit); entry != "" {
				t.Errorf("the inventory still has %s", entry)
			}
		}
		for _, r := range w.writes(killed) {
			name := r.Object.Name
			if r.Verb != "delete" && r.Object.Namespace != w.system && strings.HasPrefix(name, "one") {
				t.Errorf("made again: %s", r)
			}
			if r.Verb == "delete" && !strings.HasPrefix(name, "one") {
				t.Errorf("deleted, and should not be: %s", r)
			}
		}
	}
	if among == 0 {
		t.Errorf("in %d rounds the daemon was never killed among deletions", rounds)
	}
	p.end(t, syscall.SIGTERM)
}
