package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/status"
)

// storeFault is something that befalls a file of the data folder.
type storeFault struct {
	name string
	do   func(t *testing.T, file string)
}

// fileFaults are those of single files.
func fileFaults() []storeFault {
	content := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			must(t, os.WriteFile(file, change(data), 0o600))
		}
	}
	replacedBy := func(target string) func(*testing.T, string) {
		return func(t *testing.T, file string) { must(t, errors.Join(os.Remove(file), os.Symlink(target, file))) }
	}
	return []storeFault{
		{"deleted", func(t *testing.T, file string) { must(t, os.Remove(file)) }},
		{"truncated", content(func(b []byte) []byte { return b[:len(b)/2] })},
		{"emptied", content(func([]byte) []byte { return nil })},
		{"flipped", content(func(b []byte) []byte {
			for i := 100; i < len(b); i += 997 {
				b[i] ^= 0x10
			}
			return b
		})},
		{"torn", content(func(b []byte) []byte { // the last pages were never written, others are there
			clear(b[len(b)-min(len(b)/2, 6000):])
			return b
		})},
		{"noise", content(func(b []byte) []byte { _, _ = rand.Read(b); return b })},
		{"no room", replacedBy("/dev/full")},
		{"input/output error", replacedBy("/proc/self/mem")}, // its first page cannot be read or written
		{"a folder", func(t *testing.T, file string) { must(t, errors.Join(os.Remove(file), os.Mkdir(file, 0o700))) }},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settledData runs a daemon until everything is as it should be, ends it, and
// gives its data folder.
func (w *world) settledData() string {
	w.t.Helper()
	data := filepath.Join(w.t.TempDir(), "data")
	p := w.spawn(data)
	w.settled(w.head())
	p.end(w.t, syscall.SIGTERM)
	return data
}

// copied gives a copy of a data folder.
func copied(t *testing.T, data string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	must(t, os.CopyFS(dir, os.DirFS(data)))
	return dir
}

// mustRecover starts a daemon on a data folder and wants what is live to be
// what it was, and nothing written on the way. It gives the daemon's log.
func (w *world) mustRecover(t *testing.T, data string, want map[string]map[string]any) string {
	t.Helper()
	from := w.lab.now(t)
	p := w.spawn(data)
	took := w.synced(t)
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("it wrote:\n  %s\nwant nothing", spelled(writes))
	}
	mustEqual(t, "what is live", want, w.essences("local", true))
	p.end(t, syscall.SIGTERM)
	t.Logf("synced in %s", took)
	return p.log.String()
}

// TestStoreFaults: whatever befalls a file of the data folder while the daemon
// is down, it starts, says so where something was lost that a person may miss,
// and brings about what it would have: here nothing, since everything is as it
// should be.
func TestStoreFaults(t *testing.T) {
	w := newWorld(t, shopAndPay)
	data := w.settledData()
	want := w.essences("local", true)
	said := map[string]string{"journal.db": "journal", "results": "results are not kept"}
	for _, file := range []string{"journal.db", "results", "marks-local"} {
		for _, fault := range fileFaults() {
			t.Run(file+" "+fault.name, func(t *testing.T) {
				dir := copied(t, data)
				fault.do(t, filepath.Join(dir, file))
				log := w.mustRecover(t, dir, want)
				if word := said[file]; word != "" && strings.Contains(log, word) {
					t.Logf("it says: %s", lineWith(log, word))
				} else if file == "journal.db" && fault.name != "deleted" && fault.name != "emptied" {
					t.Errorf("it does not say that the journal was lost:\n%s", lastLines(log, 10))
				}
			})
		}
	}
	for _, fault := range folderFaults() {
		t.Run("git "+fault.name, func(t *testing.T) {
			dir := copied(t, data)
			fault.do(t, filepath.Join(dir, "git"))
			log := w.mustRecover(t, dir, want)
			t.Logf("it says: %s", lineWith(log, "ERROR"))
		})
	}
	t.Run("all deleted while it runs", func(t *testing.T) { w.deletedWhileRunning(t, copied(t, data), want) })
	t.Run("read only", func(t *testing.T) { w.readOnly(t, copied(t, data), want) })
	t.Run("full disk", func(t *testing.T) { w.fullDisk(t, data, want) })
	t.Run("of another installation", func(t *testing.T) { w.foreign(t, copied(t, data), want) })
}

// folderFaults are those of the copy of Git.
func folderFaults() []storeFault {
	each := func(change func(string, []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			must(t, filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				data, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				return os.WriteFile(file, change(file, data), 0o600)
			}))
		}
	}
	return []storeFault{
		{"deleted", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }},
		{"truncated", each(func(_ string, b []byte) []byte { return b[:len(b)/2] })},
		{"packs flipped", each(func(file string, b []byte) []byte {
			for i := 40; strings.HasSuffix(file, ".pack") && i < len(b); i += 997 {
				b[i] ^= 0x10
			}
			return b
		})},
		{"emptied", each(func(string, []byte) []byte { return nil })},
		{"a file", func(t *testing.T, dir string) { must(t, errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))) }},
	}
}

// synced waits until every unit is at the newest commit, and says for how long.
func (w *world) synced(t *testing.T) time.Duration {
	t.Helper()
	head := w.head()
	return eventually(t, patience, "everything is synced", func() string {
		units, err := w.units()
		if err != nil {
			return err.Error()
		}
		if len(units) == 0 {
			return "there are no units"
		}
		for _, u := range units {
			if u.Sync != status.Synced || u.Revision != head {
				return describe(u)
			}
		}
		return ""
	}).Round(time.Millisecond)
}

func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return strings.TrimSpace(line)
		}
	}
	return "nothing"
}

// deletedWhileRunning takes everything away under the daemon, which heals and
// follows Git as before.
func (w *world) deletedWhileRunning(t *testing.T, dir string, want map[string]map[string]any) {
	p := w.spawn(dir)
	w.synced(t)
	must(t, os.RemoveAll(dir))
	space := w.space("shop", w.dev())
	w.alter("local", "Deployment", space, "cart", "kubectl-scale", scaleTo(7))
	eventually(t, patience, "the change by hand is healed", func() string {
		if replicas(w.live("local", "Deployment", space, "cart")) != 1 {
			return "it is as it was made by hand"
		}
		return ""
	})
	w.quiet()
	p.end(t, syscall.SIGTERM)
	w.mustRecover(t, dir, w.essences("local", true))
	if len(want) != len(w.essences("local", true)) {
		t.Error("objects were lost or made")
	}
}

// readOnly starts on a data folder that cannot be written.
func (w *world) readOnly(t *testing.T, dir string, want map[string]map[string]any) {
	mounted(t, dir, dir, "", syscall.MS_BIND)
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("the folder cannot be made read only: %v", err)
	}
	p := w.spawn(dir)
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(p.log.String(), "read-only file system") {
		t.Errorf("exit code %d, want 2 and the reason:\n%s", code, p.log)
	}
	mustEqual(t, "what is live", want, w.essences("local", true))
}

// fullDisk starts on a disk that fills up to the last byte.
func (w *world) fullDisk(t *testing.T, data string, want map[string]map[string]any) {
	dir := filepath.Join(t.TempDir(), "disk")
	must(t, os.Mkdir(dir, 0o700))
	mounted(t, "tmpfs", dir, "tmpfs", 0)
	must(t, os.CopyFS(filepath.Join(dir, "data"), os.DirFS(data)))
	fill, err := os.Create(filepath.Join(dir, "fill"))
	must(t, err)
	for block := make([]byte, 1<<16); ; {
		if _, err := fill.Write(block); err != nil {
			if len(block) == 1 {
				break
			}
			block = block[:len(block)/2]
		}
	}
	must(t, fill.Close())
	from := w.lab.now(t)
	p := w.spawn(filepath.Join(dir, "data"))
	w.synced(t)
	commit := w.push("a change on a full disk", w.web("money", "pay", `config: MODE: "full"`))
	w.hook(w.secret)
	eventually(t, patience, "the full disk is spoken of", func() string {
		if s := w.source(); s.Revision == commit || s.Message != "" {
			return ""
		}
		return "nothing is said"
	})
	t.Logf("the source says: %s", w.source().Message)
	if err := os.Remove(filepath.Join(dir, "fill")); err != nil {
		t.Fatal(err)
	}
	w.hook(w.secret)
	w.settled(commit)
	w.mustTellOfGap(t)
	for _, r := range w.writes(from) {
		if r.Verb == "delete" {
			t.Errorf("deleted: %s", r)
		}
	}
	p.end(t, syscall.SIGTERM)
	w.push("back again", w.web("money", "pay", ""))
	p = w.spawn(copied(t, data))
	w.settled(w.head())
	p.end(t, syscall.SIGTERM)
	if got := w.essences("local", false); len(got) != len(want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}
}

// mustTellOfGap wants the journal to be written again, or to say what it lacks.
func (w *world) mustTellOfGap(t *testing.T) {
	t.Helper()
	eventually(t, patience, "the journal goes on", func() string {
		if len(w.records("", journal.Applied, journal.Gap)) == 0 {
			return "it has no records"
		}
		return ""
	})
}

// foreign starts on the data folder of an installation of another repository,
// whose cached revision would remove everything.
func (w *world) foreign(t *testing.T, dir string, want map[string]map[string]any) {
	must(t, os.WriteFile(filepath.Join(dir, "installation"), []byte(strings.Repeat("0", 64)+"\n"), 0o600))
	log := w.mustRecover(t, dir, w.essences("local", true))
	if !strings.Contains(log, "of another repository") {
		t.Errorf("it does not say so:\n%s", lastLines(log, 10))
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "journal.db.foreign-*")); len(aside) == 0 {
		t.Error("the other journal was not put aside")
	}
	if len(want) == 0 {
		t.Error("there is nothing to lose")
	}
}

// mounted mounts something until the test ends, or skips it.
func mounted(t *testing.T, source, dir, kind string, flags uintptr) {
	t.Helper()
	options := ""
	if kind == "tmpfs" {
		options = "size=16m"
	}
	if err := syscall.Mount(source, dir, kind, flags, options); err != nil {
		t.Skipf("mounting needs to be root in a place where that means something: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// TestForgedStores: results and marks that somebody altered in the data folder
// decide nothing, though they are whole but for their seals.
func TestForgedStores(t *testing.T) {
	w := newWorld(t, shopAndPay)
	data := w.settledData()
	space := w.space("shop", w.dev())
	before := w.live("local", "Deployment", space, "cart")

	other := copied(t, data)
	for _, file := range []string{"results", "marks-local"} {
		content, err := os.ReadFile(filepath.Join(other, file))
		must(t, err)
		forged := bytes.ReplaceAll(content, []byte("registry.example.com"), []byte("registry.evil---.com"))
		if file == "results" && bytes.Equal(forged, content) {
			t.Fatal("there is nothing to forge in the results")
		}
		must(t, os.WriteFile(filepath.Join(other, file), forged, 0o600))
	}
	w.mustRecover(t, other, w.essences("local", true))
	w.alter("local", "Deployment", space, "cart", "kubectl-scale", scaleTo(7))
	p := w.spawn(other)
	eventually(t, patience, "the change by hand is healed", func() string {
		if replicas(w.live("local", "Deployment", space, "cart")) != replicas(before) {
			return "it is as it was made by hand"
		}
		return ""
	})
	list, err := w.lab.admin["local"].Resource(kinds()["Deployment"]).Namespace(space).List(context.Background(), metav1.ListOptions{})
	must(t, err)
	for i := range list.Items {
		if image := fmt.Sprint(imagesOf(&list.Items[i])); strings.Contains(image, "evil") {
			t.Errorf("a forged result was applied: %s", image)
		}
	}
	p.end(t, syscall.SIGTERM)
}

func imagesOf(o *unstructured.Unstructured) []any {
	list, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	return list
}
