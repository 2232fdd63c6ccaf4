package compose_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
)

func run(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "merge.renames=false", "-c", "merge.directoryRenames=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// commit makes the folder's files exactly these.
func commit(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != ".git" {
			os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--allow-empty", "-m", "files"}} {
		if out, err := run(t, dir, args...); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	head, _ := run(t, dir, "rev-parse", "HEAD")
	return head
}

func tree(t testing.TB, store *git.Store, commit string) *git.Tree {
	t.Helper()
	h, err := git.ParseHash(commit)
	if err != nil {
		t.Fatal(err)
	}
	out, err := store.Tree(h)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func repository(t testing.TB) (string, *git.Store) {
	t.Helper()
	dir := t.TempDir()
	if out, err := run(t, dir, "init", "--quiet", "-b", "main"); err != nil {
		t.Fatal(out)
	}
	commit(t, dir, map[string]string{"a": "a"})
	store, err := git.OpenRepository(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return dir, store
}

func rootOf(t testing.TB, tree *git.Tree) string {
	t.Helper()
	h, _, err := tree.Hash(".")
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// edited changes some files of a set at random, and takes some out and puts some in.
func edited(r *rand.Rand, files map[string]string) map[string]string {
	out := maps.Clone(files)
	for range 1 + r.IntN(4) {
		name := fmt.Sprintf("d%d/e%d/f%d", r.IntN(2), r.IntN(2), r.IntN(3))
		switch r.IntN(4) {
		case 0:
			delete(out, name)
		case 1:
			out[name] = fmt.Sprintf("new %d\n", r.IntN(3))
		default:
			lines := strings.SplitAfter(out[name], "\n")
			at := r.IntN(len(lines))
			lines[at] = fmt.Sprintf("line %d of somebody\n", r.IntN(1000))
			out[name] = strings.Join(lines, "")
		}
	}
	return out
}

// TestMergeAsGit merges random changes of both sides and holds the result, hash by
// hash, against what git says.
func TestMergeAsGit(t *testing.T) {
	dir, store := repository(t)
	r := rand.New(rand.NewPCG(3, 5))
	clean, conflicted := 0, 0
	for i := range 60 {
		base := map[string]string{}
		for n := range 8 {
			var text strings.Builder
			for l := range 12 {
				fmt.Fprintf(&text, "line %d of %d\n", l, n)
			}
			base[fmt.Sprintf("d%d/e%d/f%d", n%2, n/2%2, n%3)] = text.String()
		}
		ancestor := commit(t, dir, base)
		ours := commit(t, dir, edited(r, base))
		run(t, dir, "reset", "--quiet", "--hard", ancestor)
		theirs := commit(t, dir, edited(r, base))
		want, err := run(t, dir, "merge-tree", "--write-tree", "--name-only", ours, theirs)
		merged, conflicts, failed := compose.Merge(tree(t, store, ancestor), tree(t, store, ours), tree(t, store, theirs))
		if failed != nil {
			t.Fatal(failed)
		}
		if err == nil {
			clean++
			if len(conflicts) > 0 {
				t.Errorf("case %d: conflicts in %v, git merges it to %s", i, conflicts, want)
			} else if got := rootOf(t, merged); got != want {
				t.Errorf("case %d: merged to %s, git to %s", i, got, want)
			}
			continue
		}
		conflicted++
		var said []string
		for _, line := range strings.Split(want, "\n")[1:] {
			if line == "" {
				break
			}
			said = append(said, line)
		}
		if !slices.Equal(said, conflicts) {
			t.Errorf("case %d: conflicts in %v, git says %v", i, conflicts, said)
		}
	}
	if clean < 15 || conflicted < 10 {
		t.Errorf("%d merges were clean and %d not: too few to say anything", clean, conflicted)
	}
}

// TestMergedIsRead: what was merged reads to its end, file by file.
func TestMergedIsRead(t *testing.T) {
	dir, store := repository(t)
	ancestor := commit(t, dir, map[string]string{"a/b/c": "1\n2\n3\n4\n5\n", "a/d": "x", "e/f": "y"})
	ours := commit(t, dir, map[string]string{"a/b/c": "one\n2\n3\n4\n5\n", "a/d": "x", "e/f": "y", "e/g": "z"})
	run(t, dir, "reset", "--quiet", "--hard", ancestor)
	theirs := commit(t, dir, map[string]string{"a/b/c": "1\n2\n3\n4\nfive\n", "e/f": "why", "h/i/j": "k"})
	merged, conflicts, err := compose.Merge(tree(t, store, ancestor), tree(t, store, ours), tree(t, store, theirs))
	if err != nil || len(conflicts) > 0 {
		t.Fatal(err, conflicts)
	}
	want := map[string]string{"a/b/c": "one\n2\n3\n4\nfive\n", "e/f": "why", "e/g": "z", "h/i/j": "k"}
	got := contents(t, merged)
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func contents(t testing.TB, tree *git.Tree) map[string]string {
	t.Helper()
	changes, err := git.Diff(nil, tree)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range changes {
		raw, err := tree.ReadFile(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		out[c.Path] = string(raw)
	}
	return out
}

// TestWith puts files in, over others and takes some out, and has the hash of the same
// files committed by git.
func TestWith(t *testing.T) {
	dir, store := repository(t)
	before := commit(t, dir, map[string]string{"a/b/c": "1", "a/d": "x", "e/f": "y", "gone/only": "z"})
	after := commit(t, dir, map[string]string{"a/b/c": "2", "a/d": "x", "e/f": "y", "e/f2/g": "new", "a-b": "sorts oddly"})
	got, err := compose.With(tree(t, store, before), map[string][]byte{"a/b/c": []byte("2"), "e/f2/g": []byte("new"), "gone/only": nil, "a-b": []byte("sorts oddly"), "never/was": nil})
	if err != nil {
		t.Fatal(err)
	}
	if g, w := rootOf(t, got), rootOf(t, tree(t, store, after)); g != w {
		t.Errorf("%s is not what git makes of it, %s: %v", g, w, contents(t, got))
	}
	for _, bad := range []string{"../x", "/x", "a//b", ".", "e/f/g"} {
		if _, err := compose.With(tree(t, store, before), map[string][]byte{bad: []byte("x")}); err == nil {
			t.Errorf("%q was put in", bad)
		}
	}
	none, err := compose.With(tree(t, store, before), map[string][]byte{"a/b/c": nil, "a/d": nil, "e/f": nil, "gone/only": nil})
	if err != nil || len(contents(t, none)) != 0 {
		t.Errorf("the empty tree: %v", err)
	}
}

// TestMergeBaseAsGit asks for what two commits have in common in a random history with
// merges, and holds the answer against git's.
func TestMergeBaseAsGit(t *testing.T) {
	dir, store := repository(t)
	r := rand.New(rand.NewPCG(7, 9))
	root, _ := run(t, dir, "rev-parse", "HEAD")
	treeHash, _ := run(t, dir, "rev-parse", "HEAD^{tree}")
	commits := []string{root}
	for i := range 80 {
		args := []string{"commit-tree", treeHash, "-m", fmt.Sprint(i), "-p", commits[r.IntN(len(commits))]}
		if r.IntN(3) == 0 {
			args = append(args, "-p", commits[r.IntN(len(commits))])
		}
		out, err := dated(t, dir, fmt.Sprintf("%d +0000", 1_700_000_000+i*60), args...)
		if err != nil {
			t.Fatal(out)
		}
		commits = append(commits, out)
	}
	for range 120 {
		a, b := commits[r.IntN(len(commits))], commits[r.IntN(len(commits))]
		all, err := run(t, dir, "merge-base", "--all", a, b)
		if err != nil {
			t.Fatal(all)
		}
		ha, _ := git.ParseHash(a)
		hb, _ := git.ParseHash(b)
		got, err := store.MergeBase(ha, hb)
		if err != nil || !slices.Contains(strings.Fields(all), got.Commit.String()) {
			t.Errorf("%s and %s have %s in common (%v), git says %s", a, b, got.Commit, err, all)
		}
	}
}

func dated(t *testing.T, dir, date string, args ...string) (string, error) {
	t.Helper()
	t.Setenv("GIT_COMMITTER_DATE", date)
	t.Setenv("GIT_AUTHOR_DATE", date)
	return run(t, dir, args...)
}

// TestLargeFilesAreNotMerged: a file that nothing reads whole is a conflict where both
// changed it, and no failure.
func TestLargeFilesAreNotMerged(t *testing.T) {
	large := func(first string) *git.Tree {
		out, err := compose.With(nil, map[string][]byte{"large": append([]byte(first), make([]byte, git.MaxFile)...)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	_, conflicts, err := compose.Merge(large("a"), large("b"), large("c"))
	if err != nil || !slices.Equal(conflicts, []string{"large"}) {
		t.Errorf("conflicts in %v, %v", conflicts, err)
	}
	same, conflicts, err := compose.Merge(large("a"), large("a"), large("c"))
	if err != nil || len(conflicts) > 0 || rootOf(t, same) != rootOf(t, large("c")) {
		t.Errorf("what one side changed: conflicts in %v, %v", conflicts, err)
	}
}
