package githttp_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
)

// try is the git command without anyone's configuration.
func try(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_TERMINAL_PROMPT=0",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := try(dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func serve(t *testing.T, options githttp.Options) (url, root string) {
	t.Helper()
	root = t.TempDir()
	if err := githttp.Init(filepath.Join(root, "org", "platform.git"), "main"); err != nil {
		t.Fatal(err)
	}
	handler, err := githttp.Handler(root, options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/org/platform.git", root
}

// commit makes a clone with one commit on main.
func commit(t *testing.T, url string, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "clone", "--quiet", url, ".")
	run(t, dir, "checkout", "--quiet", "-B", "main")
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o666); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", "file")
	run(t, dir, "commit", "--quiet", "-m", "file")
	return dir
}

func TestPushCloneShallow(t *testing.T) {
	var pushed atomic.Pointer[string]
	var count atomic.Int32
	url, _ := serve(t, githttp.Options{OnPush: func(repo string) { pushed.Store(&repo); count.Add(1) }})
	// Above 1 MiB git sends a probe and then a chunked body.
	noise := bytes.NewBuffer(nil)
	for seed := uint32(1); noise.Len() < 3<<20; seed = seed*1664525 + 1013904223 {
		noise.WriteByte(byte(seed >> 24))
	}
	dir := commit(t, url, noise.Bytes())
	run(t, dir, "push", "--quiet", "origin", "main")
	if name := pushed.Load(); name == nil || *name != "org/platform.git" || count.Load() != 1 {
		t.Errorf("OnPush got %v, %d times", name, count.Load())
	}
	run(t, dir, "push", "--quiet", "origin", "main")
	run(t, dir, "fetch", "--quiet")
	if count.Load() != 1 {
		t.Errorf("OnPush was called without a push")
	}
	run(t, dir, "commit", "--quiet", "--amend", "-m", "other")
	if out, err := try(dir, "push", "origin", "main"); err == nil {
		t.Errorf("a push that rewinds succeeded: %s", out)
	}
	if count.Load() != 1 {
		t.Errorf("OnPush was called for a push that was refused")
	}
	clone := t.TempDir()
	run(t, clone, "clone", "--quiet", "--depth=1", url, ".")
	if got, err := os.ReadFile(filepath.Join(clone, "file")); err != nil || !bytes.Equal(got, noise.Bytes()) {
		t.Errorf("the clone has %d bytes, %v", len(got), err)
	}
}

func TestCredentials(t *testing.T) {
	for _, private := range []bool{false, true} {
		url, _ := serve(t, githttp.Options{Username: "bot", Password: "pw", Private: private})
		with := strings.Replace(url, "http://", "http://bot:pw@", 1)
		wrong := strings.Replace(url, "http://", "http://bot:no@", 1)
		dir := commit(t, with, []byte("x"))
		for _, bad := range []string{url, wrong} {
			if out, err := try(dir, "push", bad, "main"); err == nil {
				t.Errorf("push to %s: %s", bad, out)
			}
			if _, err := try(dir, "ls-remote", bad); (err != nil) != private {
				t.Errorf("private %v: list %s: %v", private, bad, err)
			}
		}
		run(t, dir, "push", "--quiet", with, "main")
	}
}

func TestOnlySmartHTTP(t *testing.T) {
	url, root := serve(t, githttp.Options{})
	if err := os.WriteFile(filepath.Join(root, "secret"), []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"", "/", "/HEAD", "/config", "/objects/info/packs", "/info/refs", "/info/refs?service=git-upload-archive",
		"/../../secret", "/..%2f..%2fsecret", "/%2e%2e/%2e%2e/secret/info/refs?service=git-upload-pack", "/../../../../etc/info/refs?service=git-upload-pack",
	} {
		req, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %q: %s", path, res.Status)
		}
	}
}

func TestWithoutGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := githttp.Handler(t.TempDir(), githttp.Options{}); !errors.Is(err, githttp.ErrNoGit) {
		t.Errorf("Handler: %v, want ErrNoGit", err)
	}
	if err := githttp.Init(filepath.Join(t.TempDir(), "x.git"), "main"); !errors.Is(err, githttp.ErrNoGit) {
		t.Errorf("Init: %v, want ErrNoGit", err)
	}
}
