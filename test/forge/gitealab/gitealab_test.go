package gitealab_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/test/forge/gitealab"
)

// TestGitea holds what others build on: users, a repository, a push over HTTP, a pull
// request by a push for review; and that all of it is there after a restart.
func TestGitea(t *testing.T) {
	if os.Getenv("FAIRWAY_FORGE") == "skip" {
		t.Skip("FAIRWAY_FORGE=skip: no Gitea is wanted")
	}
	dir := t.TempDir()
	s, err := gitealab.Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.User("dev")
	if err == nil {
		err = s.Repository(token, "platform")
	}
	if err != nil {
		s.Stop()
		t.Fatal(err)
	}
	work := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = work
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + work, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
			"GIT_AUTHOR_NAME=dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=dev", "GIT_COMMITTER_EMAIL=dev@example.com",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "--quiet", "--initial-branch=main")
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(work, "a.txt"), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		git("add", "--all")
		git("commit", "--quiet", "-m", content)
		if content == "one" {
			git("push", "--quiet", s.Remote("dev", token, "dev/platform"), "main")
			if err := s.Filled(token, "dev/platform"); err != nil {
				t.Error(err)
			}
		}
	}
	git("push", "--quiet", s.Remote("dev", token, "dev/platform"), "HEAD:refs/for/main", "-o", "topic=two", "-o", "title=Second")
	s.Stop()
	if _, err := http.Get(s.URL); err == nil {
		t.Error("it answers after it was stopped")
	}

	again, err := gitealab.Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(again.Stop)
	var pulls []struct {
		Title string
		Head  struct{ Sha string }
	}
	if err := again.API(token, http.MethodGet, "/repos/dev/platform/pulls", nil, &pulls); err != nil {
		t.Fatal(err)
	}
	if head := strings.TrimSpace(git("rev-parse", "HEAD")); len(pulls) != 1 || pulls[0].Title != "Second" || pulls[0].Head.Sha != head {
		t.Errorf("pull requests are %+v; want one at %s", pulls, head)
	}
}
