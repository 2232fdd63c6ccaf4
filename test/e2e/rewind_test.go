package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/status"
)

// forcePush replaces the branch by what the clone has.
func (w *world) forcePush() string {
	w.t.Helper()
	return w.pushHead("--force")
}

// recorded is the revision a cluster itself remembers, or "".
func (w *world) recorded(cluster string) string {
	w.t.Helper()
	o := w.live(cluster, "ConfigMap", w.system, kube.RatchetName)
	if o == nil {
		return ""
	}
	revision, _, _ := unstructured.NestedString(o.Object, "data", "revision")
	return revision
}

// withheld waits until the daemon says that it does not follow a commit.
func (w *world) withheld(commit string) status.Source {
	w.t.Helper()
	var s status.Source
	eventually(w.t, patience, "the commit is withheld", func() string {
		if s = w.source(); s.Withheld == commit {
			return ""
		}
		return fmt.Sprintf("the source says %+v", s)
	})
	return s
}

// allHeld waits until every unit is held for the history of its revision.
func (w *world) allHeld() {
	w.t.Helper()
	eventually(w.t, patience, "all units are held", func() string {
		units, err := w.units()
		if err != nil {
			return err.Error()
		}
		for _, u := range units {
			if u.Sync != status.Held || u.Reason != reconcile.HoldRewound {
				return describe(u)
			}
		}
		if len(units) == 0 {
			return "there are no units"
		}
		return ""
	})
}

// mustWriteNothing holds that nothing was asked of the clusters since an instant,
// the records of revisions included.
func (w *world) mustWriteNothing(from instant, when string) {
	w.t.Helper()
	if writes := w.everyWrite(from); len(writes) > 0 {
		w.t.Errorf("written %s:\n  %s\nwant nothing", when, spelled(writes))
	}
}

// TestRewoundBranch: a branch that is rewound, however, is not followed. The
// clusters stay at what they have, drift is healed to it, and a new commit on top of
// the old one is all that it takes to go on.
func TestRewoundBranch(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	first := w.head()
	w.settled(w.push("cart: keep more", w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "20000"`)))
	good := w.push("checkout leaves prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	w.settled(good)
	for name, rewind := range map[string]func(){
		"reset": func() { gitIn(t, w.clone, "reset", "--quiet", "--hard", first) },
		"rebased": func() {
			gitIn(t, w.clone, "reset", "--quiet", "--hard", first)
			w.write(w.removed("shop", "cart"))
			gitIn(t, w.clone, "commit", "--quiet", "-am", "cart goes, on other ground")
		},
		"orphan root": func() {
			gitIn(t, w.clone, "checkout", "--quiet", "--orphan", "another")
			gitIn(t, w.clone, "rm", "--quiet", "-r", "-f", "teams")
			gitIn(t, w.clone, "commit", "--quiet", "-m", "anew")
			gitIn(t, w.clone, "checkout", "--quiet", "-B", "main")
		},
	} {
		t.Run(name, func(t *testing.T) {
			from := w.lab.now(t)
			rewind()
			s := w.withheld(w.forcePush())
			if s.Revision != good || !strings.Contains(s.Message, "supersedes: [\""+good+"\"]") {
				t.Errorf("the source says %+v", s)
			}
			if res, err := http.Get(w.base + "/readyz"); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("readyz: %v, %v", res, err)
			}
			w.daemon.Wake() // again, and nothing more is said
			w.quiet()
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("written:\n  %s\nwant nothing", spelled(writes))
			}
			if n := len(w.daemon.log.lines("revision withheld")); n == 0 || n > 3 {
				t.Errorf("%d lines in the log", n)
			}
			gitIn(t, w.clone, "checkout", "--quiet", "-B", "main", good)
			w.forcePush()
			w.settled(good)
			eventually(t, patience, "it is followed again", func() string { return w.source().Withheld })
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("written:\n  %s\nwant nothing: in the end nothing changed", spelled(writes))
			}
		})
	}
	if got := len(w.records("", journal.Withheld)); got != 3 {
		t.Errorf("%d records of a withheld revision, want 3", got)
	}

	gitIn(t, w.clone, "reset", "--quiet", "--hard", first)
	w.withheld(w.forcePush())
	w.alter("prod-eu", "ConfigMap", w.space("shop", w.prod()), "cart", "kubectl-edit", func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, "1", "data", "CACHE_SIZE")
	})
	eventually(t, patience, "drift is healed to the last good revision", func() string {
		data, _ := w.live("prod-eu", "ConfigMap", w.space("shop", w.prod()), "cart").Object["data"].(map[string]any)
		return strings.TrimPrefix(fmt.Sprint(data["CACHE_SIZE"]), "20000")
	})
	gitIn(t, filepath.Join(w.root, "platform.git"), "update-ref", "-d", "refs/heads/main")
	w.daemon.Wake()
	eventually(t, patience, "the missing branch is reported", func() string {
		if s := w.source(); strings.Contains(s.Message, "not found") && s.Revision == good {
			return ""
		}
		return fmt.Sprintf("%+v", w.source())
	})
	gitIn(t, w.clone, "checkout", "--quiet", "-B", "main", good)
	w.settled(w.push("cart: keep less", w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "10"`)))
}

// TestRewoundBeforeItWasRecorded: a revision that no cluster has recorded yet was
// followed all the same: the branch that loses it is not, until it says so.
func TestRewoundBeforeItWasRecorded(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.note = time.Hour
	w.run()
	first := w.head()
	good := w.push("pay: another mode", w.web("money", "pay", `config: MODE: "another"`))
	w.settled(good)
	for _, name := range clusters() {
		if got := w.recorded(name); got != first {
			t.Fatalf("%s has recorded %s, want %s", name, got, first)
		}
	}
	from := w.lab.now(t)
	gitIn(t, w.clone, "reset", "--quiet", "--hard", first)
	if s := w.withheld(w.forcePush()); s.Revision != good || !strings.Contains(s.Message, "supersedes: [\""+good+"\"]") {
		t.Errorf("the source says %+v", s)
	}
	w.quiet()
	w.mustWriteNothing(from, "after a rewind")
	gitIn(t, w.clone, "reset", "--quiet", "--hard", good)
	w.forcePush()
	w.settled(good)
}

// everyWrite is writes, and the records of revisions, which go with no change.
func (w *world) everyWrite(from instant) []request {
	w.t.Helper()
	var out []request
	for _, r := range w.all(from) {
		if !r.reads() {
			out = append(out, r)
		}
	}
	return out
}

// TestRewoundAndDiskLost: the daemon's disk is gone and the branch was rewound
// meanwhile. The clusters remember, and nothing is written or deleted.
func TestRewoundAndDiskLost(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	first := w.head()
	w.settled(w.push("cart: keep more", w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "20000"`)))
	good := w.push("another service", w.everywhere("shop", "extra", ""))
	w.settled(good)
	w.daemon.stop() // which records what was not recorded yet
	for _, c := range clusters() {
		if got := w.recorded(c); got != good {
			t.Errorf("%s has %s recorded, want %s", c, got, good)
		}
	}

	gitIn(t, w.clone, "reset", "--quiet", "--hard", first)
	w.forcePush()
	from := w.lab.now(t)
	w.start(t.TempDir())
	w.allHeld()
	w.quiet()
	w.mustWriteNothing(from, "by a daemon that knows nothing but the rewound branch")
	if u := w.unit(w.inProd("cart")); !strings.Contains(u.Message, "is older than it") && !strings.Contains(u.Message, "does not contain it") || !strings.Contains(u.Hint, good) {
		t.Errorf("it says %s", describe(u))
	}
	var list struct{ Items []status.Cluster }
	if err := w.ask("/api/v1/clusters", &list); err != nil || len(list.Items) != 2 || list.Items[0].Held == "" {
		t.Errorf("clusters: %+v, %v", list, err)
	}

	// A branch that diverged is followed no better, and pushing the old one back,
	// with a commit on top, is enough although the daemon never saw it.
	w.push("cart goes", w.removed("shop", "cart"))
	w.allHeld()
	w.mustWriteNothing(from, "on a diverged branch")
	gitIn(t, w.clone, "checkout", "--quiet", "-B", "main", good)
	w.write(w.web("shop", "extra", `config: MODE: "new"`))
	gitIn(t, w.clone, "commit", "--quiet", "-am", "go on")
	w.settled(w.forcePush())
	if w.live("local", "Deployment", w.space("shop", w.dev()), "cart") == nil {
		t.Error("the cart is gone")
	}
}

// superseding declares on both clusters which commit is replaced.
func (w *world) superseding(commit string) files {
	out := files{}
	for _, name := range clusters() {
		path := "platform/clusters/" + name + "/cluster.cue"
		text := w.read(path)
		i := strings.LastIndex(text, "}")
		out[path] = text[:i] + fmt.Sprintf("\tsupersedes: [%q]\n}\n", commit)
	}
	return out
}

// TestSupersedes: history was replaced on purpose. One new commit that names what
// it replaces is followed, renders nothing anew, and later commits need no more
// words, also for a daemon that starts from nothing.
func TestSupersedes(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("disk lost %v", lost), func(t *testing.T) {
			w := newWorld(t, shopAndPay)
			w.run()
			first := w.head()
			good := w.push("cart: keep more", w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "20000"`))
			w.settled(good)
			if lost {
				w.daemon.stop()
			}
			gitIn(t, w.clone, "reset", "--quiet", "--soft", first)
			gitIn(t, w.clone, "commit", "--quiet", "--amend", "-m", "the same, without a secret in its history")
			replaced := w.forcePush()
			from := w.lab.now(t)
			if lost {
				gitIn(t, filepath.Join(w.root, "platform.git"), "reflog", "expire", "--expire=now", "--all")
				gitIn(t, filepath.Join(w.root, "platform.git"), "gc", "--quiet", "--prune=now")
				w.start(t.TempDir())
				w.allHeld()
			} else {
				w.withheld(replaced)
			}
			w.mustWriteNothing(from, "before it is said that history was replaced")

			w.settled(w.push("this replaces what was", w.superseding(good)))
			if !lost {
				said := w.daemon.log.lines("revision evaluated")
				if last := said[len(said)-1]; last["changed"] != 0.0 {
					t.Errorf("the daemon says %v, want no unit changed by the consent", last)
				}
			}
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("written:\n  %s\nwant nothing: what is declared is the same", spelled(writes))
			}
			next := w.push("cart: keep less", w.web("shop", "cart", `needs: pay: service: "pay"
	config: CACHE_SIZE: "10"`))
			w.settled(next)
			w.daemon.stop()
			w.start(t.TempDir())
			w.settled(w.push("pay: slower", w.web("money", "pay", `config: MODE: "slow"`)))
			w.settled(w.push("checkout is gone", w.removed("shop", "checkout")))
			if w.live("local", "Deployment", w.space("shop", w.dev()), "checkout") != nil {
				t.Error("what was removed in the new history is there")
			}
		})
	}
}

// TestSupersedingRemovesNothing: history was replaced by one that never had a
// service. That is no removal of it; releasing it and taking that back is.
func TestSupersedingRemovesNothing(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	first := w.head()
	good := w.push("another service", w.everywhere("shop", "extra", ""))
	w.settled(good)
	gitIn(t, w.clone, "reset", "--quiet", "--hard", first)
	w.write(w.superseding(good))
	gitIn(t, w.clone, "commit", "--quiet", "-am", "as it was before")
	from := w.lab.now(t)
	w.forcePush()
	u := w.waitUnit(w.inProd("extra"), "kept", func(u status.Unit) bool { return u.Sync == status.Failed })
	if !strings.Contains(u.Message, "its objects stay") {
		t.Errorf("it says %s", describe(u))
	}
	for _, r := range w.writes(from) {
		if r.Verb == "delete" {
			t.Errorf("deleted: %s", r)
		}
	}
	w.settled(w.push("it is back", w.everywhere("shop", "extra", "")))
	w.settled(w.push("it is gone", w.removed("shop", "extra")))
	if w.live("prod-eu", "Deployment", w.space("shop", w.prod()), "extra") != nil {
		t.Error("the service is there")
	}
}

// TestRevisionIsRecordedRarely: a change costs the writes of its objects; that the
// cluster notes its revision comes a while later and once for many.
func TestRevisionIsRecordedRarely(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.note = 2 * time.Second
	w.run()
	first := w.head()
	if got := w.recorded("prod-eu"); got != first {
		t.Errorf("recorded at first: %s, want %s", got, first)
	}
	from := w.lab.now(t)
	var last string
	for _, mode := range []string{"a", "b", "c"} {
		last = w.push("pay: "+mode, w.web("money", "pay", `config: MODE: "`+mode+`"`))
		eventually(t, patience, "the change is live", func() string {
			return strings.TrimPrefix(w.mode("prod-eu", w.prod()), mode)
		})
	}
	for _, name := range clusters() {
		eventually(t, patience, "it is recorded on "+name, func() string { return strings.TrimPrefix(w.recorded(name), last) })
	}
	notes := 0
	for _, r := range w.everyWrite(from) {
		if r.Cluster == "prod-eu" && r.Object.Name == kube.RatchetName {
			notes++
		}
	}
	t.Logf("%d records for 3 pushes", notes)
	if notes == 0 || notes > 3 {
		t.Errorf("%d records for 3 pushes", notes)
	}
	from = w.lab.now(t)
	w.push("a remark", files{"README.md": "nothing declared"})
	eventually(t, patience, "it is read", func() string { return strings.TrimPrefix(w.source().Revision, w.head()) })
	time.Sleep(3 * time.Second) // longer than a record waits
	w.mustWriteNothing(from, "for a commit that changes nothing")

	// Before the first deletion the record is there.
	w.settled(w.push("checkout is gone", w.removed("shop", "checkout")))
	recordedFirst := map[string]bool{}
	for _, r := range w.everyWrite(from) {
		if r.Object.Name == kube.RatchetName {
			recordedFirst[r.Cluster] = true
		}
		if r.Verb == "delete" && !recordedFirst[r.Cluster] {
			t.Errorf("%s came before the revision was recorded", r)
		}
	}
	if len(recordedFirst) != 2 {
		t.Errorf("recorded on %v", recordedFirst)
	}
}

// TestStaleMirror: a second daemon, on a disk of its own, reads a mirror that is
// behind. It changes nothing, while the first goes on.
func TestStaleMirror(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	old := w.head()
	mirror := filepath.Join(w.root, "mirror.git")
	gitIn(t, w.root, "clone", "--quiet", "--bare", w.url, mirror)
	good := w.push("cart goes and pay changes", w.removed("shop", "checkout").and(w.web("money", "pay", `config: MODE: "new"`)))
	w.settled(good)
	from := w.lab.now(t)
	front, url := w.base, w.url
	w.url = strings.Replace(w.url, "platform.git", "mirror.git", 1)
	behind := w.second()
	w.allHeld()
	w.quiet()
	w.mustWriteNothing(from, "by the daemon that is behind at "+old)
	behind.stop()
	w.base, w.url = front, url
	w.settled(good)
}

// TestDamagedRatchet: a record that cannot be read holds: the cluster is not joined.
func TestDamagedRatchet(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	w.daemon.stop()
	w.alter("local", "ConfigMap", w.system, kube.RatchetName, "kubectl-edit", func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, "everything", "data", "revision")
	})
	w.push("pay: slow", w.web("money", "pay", `config: MODE: "slow"`))
	from := w.lab.now(t)
	w.start(t.TempDir())
	w.waitUnit(w.inProd("pay"), "synced", func(u status.Unit) bool { return u.Sync == status.Synced })
	eventually(t, patience, "the cluster says why it is not joined", func() string {
		var list struct{ Items []status.Cluster }
		if err := w.ask("/api/v1/clusters", &list); err != nil {
			return err.Error()
		}
		for _, c := range list.Items {
			if c.Name == "local" && strings.Contains(c.Message, "is not a commit") && strings.Contains(c.Message, kube.RatchetName) {
				return ""
			}
		}
		return fmt.Sprintf("%+v", list.Items)
	})
	for _, r := range w.everyWrite(from) {
		if r.Cluster == "local" {
			t.Errorf("written: %s", r)
		}
	}
	api := w.lab.admin["local"].Resource(kinds()["ConfigMap"]).Namespace(w.system)
	if err := api.Delete(context.Background(), kube.RatchetName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.settled(w.head())
}

// TestObjectsRemember: with the record in the cluster gone too, each object still
// names the commit that wrote it, and units with newer ones are held.
func TestObjectsRemember(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	first := w.head()
	good := w.push("pay: new", w.web("money", "pay", `config: MODE: "new"`).and(w.everywhere("shop", "extra", "")))
	w.settled(good)
	w.daemon.stop()
	for _, name := range clusters() {
		w.remove(name, "ConfigMap", w.system, kube.RatchetName)
	}
	gitIn(t, w.clone, "reset", "--quiet", "--hard", first)
	w.forcePush()
	from := w.lab.now(t)
	w.start(t.TempDir())
	for _, name := range []string{w.inProd("pay"), w.inDev("pay")} {
		u := w.waitUnit(name, "held", func(u status.Unit) bool { return u.Sync == status.Held && u.Reason == reconcile.HoldRewound })
		if !strings.Contains(u.Message, good) || !strings.Contains(u.Hint, good) {
			t.Errorf("it says %s", describe(u))
		}
	}
	w.waitSync(w.inProd("cart"), status.Synced)
	w.quiet()
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("written:\n  %s\nwant nothing", spelled(writes))
	}
	gitIn(t, w.clone, "reset", "--quiet", "--hard", good)
	w.settled(w.pushHead())
}
