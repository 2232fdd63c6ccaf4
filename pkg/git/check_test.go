package git_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git"
)

// mktree writes a tree object from lines "mode name hash", whatever the names.
func mktree(t *testing.T, dir string, entries ...[3]string) string {
	t.Helper()
	var in strings.Builder
	for _, e := range entries {
		kind := map[string]string{"040000": "tree", "160000": "commit"}[e[0]]
		if kind == "" {
			kind = "blob"
		}
		fmt.Fprintf(&in, "%s %s %s\t%s\x00", e[0], kind, e[2], e[1])
	}
	cmd := exec.Command("git", "mktree", "-z", "--missing")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mktree: %v %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// hostile is a local repository with a tree, which no checkout could have made.
func hostile(t *testing.T, root func(dir, blob string) string) *git.Tree {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "init", "--quiet", "--bare", "--initial-branch=main")
	writeFiles(t, dir, map[string]string{"x": "x"})
	blob := run(t, dir, "hash-object", "-w", "x")
	run(t, dir, "update-ref", "refs/heads/main", run(t, dir, "commit-tree", "-m", "m", root(dir, blob)))
	s := openStore(t, filepath.Join(t.TempDir(), "s"))
	rev, err := s.Fetch(t.Context(), git.Remote{URL: dir, Branch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := s.Tree(rev.Commit)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestCheckNames(t *testing.T) {
	bad := map[string]string{
		"a\nb": "control", "a\x7f": "control", "..": "not a name", ".GIT": ".git", ".git ": "dot or a space", ".git.": "dot or a space",
		".g\u200cit": "invisible", "git~1": ".git", ".git::$INDEX_ALLOCATION": ".git", "end.": "dot or a space", "end ": "dot or a space",
		"a\u202etxt": "invisible", "z\u200b": "invisible", "\ufeffbom": "invisible", "a\xff": "UTF-8", `a\b`: "backslash",
	}
	good := []string{"app.cue", ".gitignore", ".github", "é", "a b", "日本", "CAPS", "a.b-c_d+e@f", "ß"}
	tree := hostile(t, func(dir, blob string) string {
		var below []string
		for name := range bad {
			below = append(below, mktree(t, dir, [3]string{"100644", name, blob}))
		}
		var top [][3]string
		for i, h := range below {
			top = append(top, [3]string{"040000", fmt.Sprintf("dir%02d", i), h})
		}
		for _, name := range good {
			top = append(top, [3]string{"100644", name, blob})
		}
		twins := mktree(t, dir, [3]string{"100644", "README", blob}, [3]string{"100644", "Readme", blob}, [3]string{"100644", "K", blob}, [3]string{"100644", "\u212a", blob})
		top = append(top, [3]string{"040000", "twins", twins}, [3]string{"040000", "twins2", twins})
		return mktree(t, dir, top...)
	})
	for range 2 { // a fault is found again, a sound tree is not read again
		faults, err := tree.Check(git.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, f := range faults {
			_, name, _ := strings.Cut(f.Path, "/")
			got[name] = f.Why
		}
		for name, want := range bad {
			if !strings.Contains(got[name], want) {
				t.Errorf("%q: got %q, want %q", name, got[name], want)
			}
		}
		if !strings.Contains(got["Readme"], "case") || !strings.Contains(got["\u212a"], "case") {
			t.Errorf("case twins: %q, %q", got["Readme"], got["\u212a"])
		}
		if len(got) != len(bad)+2 {
			t.Errorf("%d faults, want %d: %v", len(got), len(bad)+2, faults)
		}
	}
}

func TestCheckLimits(t *testing.T) {
	l := newLab(t)
	deep := strings.Repeat("d/", 9) + "f"
	l.write(map[string]string{deep: "x", "a/" + strings.Repeat("n", 60): "x", "b/c": "x"})
	l.push("first")
	l.fetch()
	tree := l.tree(l.head())
	for _, c := range []struct {
		limits git.Limits
		want   string // of the only fault; none when empty
	}{
		{git.Limits{}, ""},
		{git.Limits{Entries: 14, Depth: 10, Path: 62, Name: 60}, ""},
		{git.Limits{Entries: 13}, "holds 14 names"},
		{git.Limits{Depth: 9}, "deeper than 9"},
		{git.Limits{Path: 61}, "path is 62 bytes"},
		{git.Limits{Name: 59}, "name is 60 bytes"},
	} {
		faults, err := tree.Check(c.limits)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" && len(faults) > 0 || c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Why, c.want)) {
			t.Errorf("Check(%+v) = %v, want %q", c.limits, faults, c.want)
		}
	}
}

// Ten names for one subtree, ten levels deep: ten billion files in eleven objects.
func TestTreeBomb(t *testing.T) {
	tree := hostile(t, func(dir, blob string) string {
		h := mktree(t, dir, [3]string{"100644", "f", blob})
		for range 10 {
			var same [][3]string
			for i := range 10 {
				same = append(same, [3]string{"040000", fmt.Sprint("d", i), h})
			}
			h = mktree(t, dir, same...)
		}
		return h
	})
	faults, err := tree.Check(git.Limits{})
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Why, "more than 50000") {
		t.Errorf("Check: %v, %v", faults, err)
	}
	if _, err := git.Diff(nil, tree); !errors.Is(err, git.ErrTooLarge) {
		t.Errorf("Diff: %v, want ErrTooLarge", err)
	}
}
