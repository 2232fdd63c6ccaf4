package folder_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

func rootHash(t interface {
	Helper()
	Fatal(...any)
}, dir string, o folder.Options) git.Hash {
	t.Helper()
	tree, err := folder.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := tree.Hash(".")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The tree of a working directory is the one Git writes for it, with a cache and
// without, also right after files changed.
func TestOpenEqualsGit(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, "init", "--quiet")
	cached := folder.Options{Cache: filepath.Join(t.TempDir(), "stats")}
	rapid.Check(t, func(rt *rapid.T) {
		if rapid.Bool().Draw(rt, "afresh") {
			left, _ := filepath.Glob(filepath.Join(dir, "[^.]*"))
			for _, name := range left {
				os.RemoveAll(name)
			}
		}
		for name, content := range files(rt, "files") {
			full := filepath.Join(dir, name)
			if os.RemoveAll(full); os.MkdirAll(filepath.Dir(full), 0o777) != nil {
				continue // a file of the last round is in the way
			}
			if err := os.WriteFile(full, []byte(content), 0o666); err != nil {
				rt.Fatal(err)
			}
			switch len(name+content) % 4 {
			case 0:
				os.Chmod(full, 0o755)
			case 1:
				os.Remove(full)
				os.Symlink(content+"target", full)
			}
		}
		os.MkdirAll(filepath.Join(dir, "empty", "too"), 0o777)
		run(t, dir, "add", "--all")
		want := parse(t, run(t, dir, "write-tree"))
		for _, o := range []folder.Options{cached, cached, {}} {
			if got := rootHash(rt, dir, o); got != want {
				rt.Fatalf("cache %q: got %s, want %s", o.Cache, got, want)
			}
		}
	})
}

func TestOpenIgnores(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, "init", "--quiet")
	writeFiles(t, dir, map[string]string{
		".gitignore": "*.tmp\n/build/\n!keep.tmp\n# comment\n", "a.tmp": "x", "keep.tmp": "x", "build/out": "x", "sub/build/in": "x",
		"sub/.gitignore": "local\n", "sub/local": "x", "local": "x", "tracked.tmp": "x", "build/tracked": "x", "plain": "x",
		".git/info/exclude": "mine\n", "mine": "x", "odd/.gitkeep": "",
		"deep/.gitignore": "gen/*.go\n!gen/keep.go\n*.o\n!a.o\ndoc?\n[xy]z\nhash\\#\nonly/\n", "deep/gen/a.go": "x", "deep/gen/keep.go": "x",
		"deep/x/a.o": "x", "deep/x/b.o": "x", "deep/docs": "x", "deep/docss": "x", "deep/xz": "x", "deep/az": "x", "deep/hash#": "x",
		"deep/only": "a file", "deep/x/only/f": "x", "deep/x.tmp/.gitignore": "", "deep/x.tmp/y": "x", "deep/x/gen/a.go": "x",
	})
	run(t, dir, "add", "--force", "tracked.tmp", "build/tracked")
	run(t, dir, "add", "--all")
	want := parse(t, run(t, dir, "write-tree"))
	if got := rootHash(t, dir, folder.Options{}); got != want {
		t.Errorf("got %s, want %s, which is\n%s", got, want, run(t, dir, "ls-files"))
	}
}

func TestOpenNestedRepository(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, "init", "--quiet")
	run(t, dir, "init", "--quiet", "vendored")
	writeFiles(t, dir, map[string]string{"vendored/x": "x", "y": "y"})
	run(t, filepath.Join(dir, "vendored"), "add", "x")
	run(t, filepath.Join(dir, "vendored"), "commit", "--quiet", "-m", "x")
	run(t, dir, "-c", "advice.addEmbeddedRepo=false", "add", "--all")
	want := parse(t, run(t, dir, "write-tree"))
	if got := rootHash(t, dir, folder.Options{}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOpenRoots(t *testing.T) {
	work := t.TempDir()
	run(t, work, "init", "--quiet")
	writeFiles(t, work, map[string]string{"teams/a/app.cue": "1", "schema/s.cue": "2", "README.md": "3", "docs/x/y": "4", "docs/z": "5"})
	run(t, work, "add", "--all")
	run(t, work, "commit", "--quiet", "-m", "first")
	roots := []string{"teams", "schema", "docs/x", "none/at/all"}
	dir, err := folder.Open(work, folder.Options{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	same, err := committed(t, work).Only(roots...)
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := dir.Hash(".")
	b, _, _ := same.Hash(".")
	if a != b {
		t.Errorf("the directory is %s, the commit %s", a, b)
	}
	writeFiles(t, work, map[string]string{"teams/b/app.cue": "uncommitted", "README.md": "changed"})
	dir, err = folder.Open(work, folder.Options{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := git.Diff(same, dir)
	if err != nil || len(changes) != 1 || changes[0].Path != "teams/b/app.cue" {
		t.Errorf("changes %v, %v", changes, err)
	}
	if got, err := dir.ReadFile("teams/b/app.cue"); err != nil || string(got) != "uncommitted" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestOpenReadsWhatItHashed(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a": "1", "b": "1"})
	tree, err := folder.Open(dir, folder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string]string{"a": "2"})
	os.Remove(filepath.Join(dir, "b"))
	if content, err := tree.ReadFile("a"); !errors.Is(err, git.ErrCorrupt) {
		t.Errorf("read %q, %v of a file that changed", content, err)
	}
	if content, err := tree.ReadFile("b"); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("read %q, %v of a file that went", content, err)
	}
}

// A write that leaves size and modification time as they were is seen all the same.
func TestStatCacheRacyWrite(t *testing.T) {
	dir := t.TempDir()
	o := folder.Options{Cache: filepath.Join(t.TempDir(), "stats")}
	name := filepath.Join(dir, "f")
	for i := range 200 {
		content := fmt.Sprintf("%03d", i)
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			old := time.Unix(1e9, 0)
			os.Chtimes(name, old, old)
		}
		tree, err := folder.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tree.ReadFile("f"); err != nil || string(got) != content {
			t.Fatalf("read %q, %v, want %q", got, err, content)
		}
	}
}

func TestStatCacheDamaged(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a/b": "1", "c": "2"})
	o := folder.Options{Cache: filepath.Join(t.TempDir(), "stats")}
	want := rootHash(t, dir, o)
	good, err := os.ReadFile(o.Cache)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1 << rand.N(8)
		if err := os.WriteFile(o.Cache, bad[:len(bad)-rand.N(2)*i], 0o666); err != nil {
			t.Fatal(err)
		}
		if got := rootHash(t, dir, o); got != want {
			t.Fatalf("byte %d: got %s, want %s", i, got, want)
		}
	}
	o.Cache = filepath.Join(t.TempDir(), "no", "such", "directory")
	if got := rootHash(t, dir, o); got != want {
		t.Errorf("unwritable cache: got %s, want %s", got, want)
	}
}
