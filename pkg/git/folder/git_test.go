package folder_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/git"
)

// run is the git command in dir, without anyone's configuration.
func run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always",
		"GIT_CONFIG_KEY_1=gc.auto", "GIT_CONFIG_VALUE_1=0",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		full := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o777), os.WriteFile(full, []byte(content), 0o666))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func parse(t testing.TB, s string) git.Hash {
	t.Helper()
	h, err := git.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
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

// committed is the tree of the commit that a clone is at.
func committed(t testing.TB, dir string) *git.Tree {
	t.Helper()
	s, err := git.OpenRepository(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	tree, err := s.Tree(parse(t, run(t, dir, "rev-parse", "HEAD")))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
