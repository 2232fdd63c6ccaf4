package git_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/githttp"
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

// lab is a served repository, a clone that pushes to it, and a store that follows it.
type lab struct {
	t      testing.TB
	bare   string // the served repository
	work   string // a developer's clone
	store  *git.Store
	remote git.Remote
	wrap   atomic.Pointer[func(http.Handler) http.Handler] // in front of the server
	pushes atomic.Int32
	gets   atomic.Int32 // lists of references served
	packs  atomic.Int32 // packs asked for
}

func newLab(t testing.TB) *lab {
	t.Helper()
	root := t.TempDir()
	l := &lab{t: t, bare: filepath.Join(root, "platform.git"), work: filepath.Join(root, "work")}
	if err := githttp.Init(l.bare, "main"); err != nil {
		t.Fatal(err)
	}
	handler, err := githttp.Handler(root, githttp.Options{OnPush: func(repo string) {
		if repo == "platform.git" {
			l.pushes.Add(1)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/info/refs"):
			l.gets.Add(1)
		case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
			l.packs.Add(1)
		}
		if wrap := l.wrap.Load(); wrap != nil {
			(*wrap)(handler).ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	l.remote = git.Remote{URL: server.URL + "/platform.git", Branch: "main"}
	run(t, root, "clone", "--quiet", l.remote.URL, "work")
	run(t, l.work, "checkout", "--quiet", "-B", "main")
	l.store = openStore(t, filepath.Join(t.TempDir(), "store"))
	return l
}

func openStore(t testing.TB, dir string) *git.Store {
	t.Helper()
	s, err := git.OpenStore(dir, git.Options{AllowFile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// intercept puts a handler in front of the server until the test ends or it is nil.
func (l *lab) intercept(wrap func(http.Handler) http.Handler) {
	if wrap == nil {
		l.wrap.Store(nil)
		return
	}
	l.wrap.Store(&wrap)
}

// write puts files into the clone; nil content removes.
func (l *lab) write(files map[string]string) {
	l.t.Helper()
	writeFiles(l.t, l.work, files)
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

// push commits everything in the clone and pushes it.
func (l *lab) push(subject string, flags ...string) git.Hash {
	l.t.Helper()
	run(l.t, l.work, "add", "--all")
	run(l.t, l.work, "commit", "--quiet", "--allow-empty", "-m", subject)
	run(l.t, l.work, append([]string{"push", "--quiet", "origin", "HEAD:main"}, flags...)...)
	return l.head()
}

func (l *lab) head() git.Hash { return parse(l.t, run(l.t, l.work, "rev-parse", "HEAD")) }

func (l *lab) fetch() git.Revision {
	l.t.Helper()
	rev, err := l.store.Fetch(l.t.Context(), l.remote)
	if err != nil {
		l.t.Fatal(err)
	}
	return rev
}

func (l *lab) tree(commit git.Hash) *git.Tree {
	l.t.Helper()
	tree, err := l.store.Tree(commit)
	if err != nil {
		l.t.Fatal(err)
	}
	return tree
}

func parse(t testing.TB, s string) git.Hash {
	t.Helper()
	h, err := git.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// read is the content of a file that has to be there.
func read(t testing.TB, tree *git.Tree, name string) string {
	t.Helper()
	content, err := tree.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
