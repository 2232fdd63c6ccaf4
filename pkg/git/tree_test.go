package git_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

func TestTreeReads(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a/b/c.cue": "c", "a.b": "x", "a/z": "z", "big": strings.Repeat("x", 1<<20+1), "fits": strings.Repeat("x", 1<<20)})
	if err := errors.Join(os.Symlink("b/c.cue", filepath.Join(l.work, "a", "link")), os.Symlink("a", filepath.Join(l.work, "dirlink")),
		os.Symlink("/etc/passwd", filepath.Join(l.work, "out"))); err != nil {
		t.Fatal(err)
	}
	run(t, l.work, "add", "--all")
	run(t, l.work, "update-index", "--add", "--cacheinfo", "160000,5394cb7f48332b2de7c17dd8b8384bbc84b7e738,sub")
	run(t, l.work, "commit", "--quiet", "-m", "odd things")
	run(t, l.work, "push", "--quiet", "origin", "HEAD:main")
	l.fetch()
	tree := l.tree(l.head())

	entries, err := tree.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name+" "+e.Kind.String())
	}
	want := []string{"a directory", "a.b file", "big file", "dirlink symlink", "fits file", "out symlink", "sub submodule"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ReadDir (-want +got)\n%s", diff)
	}
	for name, want := range map[string]error{
		"a/b/c.cue": nil, "fits": nil, "big": git.ErrTooLarge, "a": git.ErrNotFile, ".": git.ErrNotFile,
		"a/link": git.ErrNotFile, "out": git.ErrNotFile, "sub": git.ErrNotFile, "sub/x": git.ErrNotFile,
		"dirlink/z": git.ErrNotFile, "a/none": git.ErrNotFound, "a.b/x": git.ErrNotFound, "../x": git.ErrNotFound,
		"a/../a.b": git.ErrNotFound, "/a.b": git.ErrNotFound, "a//z": git.ErrNotFound,
	} {
		if _, err := tree.ReadFile(name); !errors.Is(err, want) {
			t.Errorf("ReadFile(%q): got %v, want %v", name, err, want)
		}
	}
	h, kind, err := tree.Hash("a/b")
	if want := parse(t, run(t, l.work, "rev-parse", "HEAD:a/b")); h != want || kind != git.Dir || err != nil {
		t.Errorf("Hash(a/b): %s, %s, %v, want %s", h, kind, err, want)
	}
}

func TestFS(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"cue.mod/module.cue": "m", "teams/a/app.cue": "a", "teams/a/sub/x.cue": "x"})
	if err := errors.Join(os.Symlink("app.cue", filepath.Join(l.work, "teams", "a", "link")), os.Chmod(filepath.Join(l.work, "teams/a/app.cue"), 0o777)); err != nil {
		t.Fatal(err)
	}
	l.push("first")
	l.fetch()
	dir, err := folder.Open(l.work, folder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range []*git.Tree{l.tree(l.head()), dir} {
		if _, err := fs.ReadFile(tree.FS(), "teams/a/link"); err == nil {
			t.Error("a symlink was followed")
		}
		if _, err := fs.Stat(tree.FS(), "teams/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat of nothing: %v", err)
		}
		sound, err := tree.Only("cue.mod", "teams/a/sub", "teams/a/app.cue", "none")
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(sound.FS(), "cue.mod/module.cue", "teams/a/sub/x.cue", "teams/a/app.cue"); err != nil {
			t.Error(err)
		}
	}
}

// files are the content of a random small tree: path to content.
func files(rt *rapid.T, label string) map[string]string {
	part := rapid.SampledFrom([]string{"a", "b", "a.b", "a-b", "ab", "A", "é", "x y", "a0", "z"})
	path := rapid.Map(rapid.SliceOfN(part, 1, 4), func(parts []string) string { return strings.Join(parts, "/") })
	all := rapid.MapOfN(path, rapid.StringMatching("[a-c]{0,2}"), 0, 12).Draw(rt, label)
	for name := range all { // no file where a directory is
		for other := range all {
			if strings.HasPrefix(other, name+"/") {
				delete(all, name)
			}
		}
	}
	return all
}

// asEdit deletes what is in old and not in new.
func asEdit(old, new map[string]string) map[string][]byte {
	edit := map[string][]byte{}
	for name := range old {
		if _, ok := new[name]; !ok {
			edit[name] = nil
		}
	}
	for name, content := range new {
		edit[name] = []byte(content)
	}
	return edit
}

func TestDiffEqualsNaiveComparison(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	rapid.Check(t, func(rt *rapid.T) {
		before, after := files(rt, "before"), files(rt, "after")
		for name := range before { // make some equal
			if len(name)%2 == 0 {
				if _, ok := after[name]; ok {
					after[name] = before[name]
				}
			}
		}
		a, b := commitFiles(rt, s, before), commitFiles(rt, s, after)
		got, err := git.Diff(a, b)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(naive(rt, before, after, a, b), got); diff != "" {
			rt.Errorf("Diff (-want +got)\n%s", diff)
		}
		for _, base := range []*git.Tree{nil, a} {
			same, err := git.Diff(base, base)
			if err != nil || len(same) != 0 {
				rt.Errorf("a tree differs from itself: %v, %v", same, err)
			}
		}
		all, err := git.Diff(nil, b)
		if err != nil || len(all) != len(after) {
			rt.Errorf("from nothing: %d changes, %v, want %d", len(all), err, len(after))
		}
	})
}

func commitFiles(rt *rapid.T, s *git.Store, files map[string]string) *git.Tree {
	h, err := s.Commit(rt.Context(), git.Edit{Files: asEdit(nil, files), Message: "m", Author: "A <a@b>"})
	if err != nil {
		rt.Fatal(err)
	}
	tree, err := s.Tree(h)
	if err != nil {
		rt.Fatal(err)
	}
	return tree
}

// naive compares path by path.
func naive(rt *rapid.T, before, after map[string]string, a, b *git.Tree) []git.Change {
	at := func(tree *git.Tree, files map[string]string, name string) git.Hash {
		if _, ok := files[name]; !ok {
			return git.Hash{}
		}
		h, kind, err := tree.Hash(name)
		if err != nil || kind != git.File {
			rt.Fatalf("hash of %s: %s, %v", name, kind, err)
		}
		return h
	}
	both := maps.Clone(before)
	maps.Copy(both, after)
	var want []git.Change
	for _, name := range slices.Sorted(maps.Keys(both)) {
		x, inX := before[name]
		y, inY := after[name]
		if inX != inY || x != y {
			want = append(want, git.Change{Path: name, Before: at(a, before, name), After: at(b, after, name), Kind: git.File})
		}
	}
	return want
}

func TestDiffOfKinds(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"file": "x", "tofile/a": "1", "tofile/b": "2", "todir": "3", "exec": "4", "link": "target"})
	a := l.push("a")
	run(t, l.work, "rm", "-r", "--quiet", "tofile", "todir", "link")
	l.write(map[string]string{"tofile": "5", "todir/x/y": "6"})
	if err := errors.Join(os.Symlink("target", filepath.Join(l.work, "link")), os.Chmod(filepath.Join(l.work, "exec"), 0o777)); err != nil {
		t.Fatal(err)
	}
	b := l.push("b")
	l.fetch()
	changes, err := git.Diff(l.tree(a), l.tree(b))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %s %v>%v same:%v", c.Path, c.Kind, !c.Before.IsZero(), !c.After.IsZero(), c.Before == c.After))
	}
	want := []string{
		"exec file true>true same:true",
		"link symlink true>true same:true",
		"todir file true>false same:false",
		"todir/x/y file false>true same:false",
		"tofile file false>true same:false",
		"tofile/a file true>false same:false",
		"tofile/b file true>false same:false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Diff (-want +got)\n%s", diff)
	}
}
