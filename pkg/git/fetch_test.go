package git_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/git"
)

func TestFetchFollowsTheBranch(t *testing.T) {
	l := newLab(t)
	if _, err := l.store.Fetch(t.Context(), l.remote); !errors.Is(err, git.ErrNotFound) {
		t.Fatalf("fetch of an empty repository: got %v, want ErrNotFound", err)
	}
	l.write(map[string]string{"teams/a/app.cue": "one"})
	first := l.push("first")
	rev := l.fetch()
	if rev.Commit != first || rev.String() != "main@sha1:"+first.String() {
		t.Errorf("fetched %s, want %s", rev, first)
	}
	if rev.Subject != "first" || rev.Author != "Ann <ann@example.com>" || time.Since(rev.Time) > time.Hour {
		t.Errorf("got subject %q, author %q, time %v", rev.Subject, rev.Author, rev.Time)
	}
	before := l.tree(first)

	l.write(map[string]string{"teams/a/app.cue": "two", "teams/b/app.cue": "new"})
	second := l.push("second")
	if rev := l.fetch(); rev.Commit != second || len(rev.Parents) != 1 || rev.Parents[0] != first {
		t.Fatalf("fetched %v", rev)
	}
	after := l.tree(second) // in a pack the open store did not know
	if got := read(t, after, "teams/a/app.cue"); got != "two" {
		t.Errorf("read %q", got)
	}
	if got := read(t, before, "teams/a/app.cue"); got != "one" {
		t.Errorf("read %q from the old tree", got)
	}
	if n := l.pushes.Load(); n != 2 {
		t.Errorf("OnPush was called %d times, want 2", n)
	}
}

func TestFetchCosts(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	l.fetch()
	l.gets.Store(0)
	l.packs.Store(0)
	l.fetch()
	if gets, packs := l.gets.Load(), l.packs.Load(); gets != 1 || packs != 0 {
		t.Errorf("nothing moved: %d lists of references and %d packs, want 1 and 0", gets, packs)
	}
	l.write(map[string]string{"a": "2"})
	tip := l.push("second")
	l.gets.Store(0)
	l.fetch()
	if gets, packs := l.gets.Load(), l.packs.Load(); gets != 1 || packs != 1 {
		t.Errorf("one push: %d lists of references and %d packs, want 1 and 1", gets, packs)
	}
	if got, err := l.store.LsRemote(t.Context(), l.remote); err != nil || got != tip {
		t.Errorf("poll: got %s, %v, want %s", got, err, tip)
	}
}

// A store opened by another process sees what this one fetched.
func TestNewObjectsAreVisible(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	l.fetch()
	reader := openStore(t, storeDir(l))
	for i := range 44 { // past the point where packs are joined
		l.write(map[string]string{"a": fmt.Sprint(i, " again")})
		tip := l.push("more")
		l.fetch()
		for _, s := range []*git.Store{l.store, reader} {
			tree, err := s.Tree(tip)
			if err != nil {
				t.Fatalf("after push %d: %v", i, err)
			}
			if got := read(t, tree, "a"); got != fmt.Sprint(i, " again") {
				t.Fatalf("after push %d: read %q", i, got)
			}
		}
	}
	packs, err := filepath.Glob(filepath.Join(storeDir(l), "objects", "pack", "*.pack"))
	if err != nil || len(packs) > 10 {
		t.Errorf("%d packs, %v: they were not joined", len(packs), err)
	}
	left, _ := filepath.Glob(filepath.Join(storeDir(l), "objects", "pack", "tmp_*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	revs, err := l.store.FirstParents(l.head(), 1000)
	if err != nil || len(revs) != 45 {
		t.Errorf("history has %d revisions, %v, want 45", len(revs), err)
	}
	run(t, storeDir(l), "fsck", "--full", "--strict")
}

func storeDir(l *lab) string { return l.store.Dir() }

func TestRewoundBranchIsHeld(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	l.write(map[string]string{"a": "2"})
	second := l.push("second")
	l.fetch()
	run(t, l.work, "reset", "--quiet", "--hard", "HEAD~1")
	l.write(map[string]string{"a": "3"})
	other := l.push("instead", "--force")
	for range 2 { // not only the first time
		rev, err := l.store.Fetch(t.Context(), l.remote)
		if !errors.Is(err, git.ErrRewound) || rev.Commit != other {
			t.Fatalf("got %v, %v, want %s and ErrRewound", rev, err, other)
		}
	}
	if got := read(t, l.tree(other), "a"); got != "3" {
		t.Errorf("the rewound tree reads %q", got)
	}
	if rev, err := l.store.Resolve("main"); err != nil || rev.Commit != second {
		t.Errorf("main is %v, %v, want %s still", rev, err, second)
	}
	if err := l.store.Accept("main", second); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("accepted a revision that is not held: %v", err)
	}
	if err := l.store.Accept("main", other); err != nil {
		t.Fatal(err)
	}
	if rev := l.fetch(); rev.Commit != other {
		t.Errorf("fetched %s after acceptance", rev)
	}
	if ok, err := l.store.IsAncestor(second, other); ok || err != nil {
		t.Errorf("IsAncestor: %v, %v", ok, err)
	}
}

func TestMergeThatSwapsParentsIsARewind(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	l.write(map[string]string{"a": "2"})
	l.push("second")
	l.fetch()
	run(t, l.work, "checkout", "--quiet", "-b", "side", "HEAD~1")
	l.write(map[string]string{"b": "1"})
	run(t, l.work, "add", "--all")
	run(t, l.work, "commit", "--quiet", "-m", "side")
	run(t, l.work, "merge", "--quiet", "-m", "swapped", "main")
	run(t, l.work, "push", "--quiet", "origin", "HEAD:main")
	if _, err := l.store.Fetch(t.Context(), l.remote); !errors.Is(err, git.ErrRewound) {
		t.Errorf("got %v, want ErrRewound", err)
	}
}

// Whatever a remote answers, the last good revision stays, nothing stays behind, and
// the next fetch of an honest remote succeeds.
func TestBrokenAnswers(t *testing.T) {
	l := newLab(t)
	content := strings.Repeat("some content that does not repeat so much\n", 50)
	l.write(map[string]string{"teams/a/app.cue": content, "teams/b/app.cue": "b"})
	good := l.push("good")
	l.fetch()
	l.write(map[string]string{"teams/a/app.cue": content + "more", "teams/c/app.cue": "c"})
	next := l.push("next")

	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"empty list":       onPath("/info/refs", func(w http.ResponseWriter, _ []byte) {}),
		"html list":        onPath("/info/refs", func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, "<html>maintenance</html>") }),
		"cut list":         onPath("/info/refs", func(w http.ResponseWriter, b []byte) { w.Write(b[:len(b)/2]) }),
		"unavailable list": onPath("/info/refs", func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusServiceUnavailable) }),
		"empty pack":       onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) {}),
		"html pack":        onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, "<html>maintenance</html>") }),
		"pack cut early":   onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) { w.Write(b[:30]) }),
		"pack cut":         onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) { w.Write(b[:len(b)-30]) }),
		"pack end cut":     onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) { w.Write(b[:len(b)-5]) }),
		"pack bit flipped": onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) {
			b[len(b)/2] ^= 0x10
			w.Write(b)
		}),
		"connection reset": onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			w.Write(b[:len(b)/2])
			panic(http.ErrAbortHandler)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			l.intercept(wrap)
			defer l.intercept(nil)
			if rev, err := l.store.Fetch(t.Context(), l.remote); err == nil {
				t.Fatalf("fetched %s", rev)
			}
			if rev, err := l.store.Resolve("main"); err != nil || rev.Commit != good {
				t.Errorf("main is %v, %v, want %s still", rev, err, good)
			}
			if got := read(t, l.tree(good), "teams/a/app.cue"); got != content {
				t.Errorf("the last good content is gone: %q", got)
			}
			if left, _ := filepath.Glob(filepath.Join(storeDir(l), "objects", "pack", "tmp_*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if rev := l.fetch(); rev.Commit != next {
		t.Errorf("fetched %s from the honest remote, want %s", rev, next)
	}
	if got := read(t, l.tree(next), "teams/c/app.cue"); got != "c" {
		t.Errorf("read %q", got)
	}
}

// onPath lets the server answer, and changes the answer for one kind of request.
func onPath(suffix string, change func(http.ResponseWriter, []byte)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, suffix) {
				next.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
			change(w, answer.Body.Bytes())
		})
	}
}

// A valid pack without all the objects is what a broken proxy or a racing gc gives.
func TestPackWithoutAnObject(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a/x": "1", "b/y": "1"})
	good := l.push("good")
	l.fetch()
	l.write(map[string]string{"a/x": "2"})
	l.push("next")
	l.write(map[string]string{"b/y": "two"})
	tip := l.push("last")
	objects := strings.Fields(run(t, l.work, "rev-list", "--objects", "--no-object-names", good.String()+"..HEAD"))
	if len(objects) != 8 {
		t.Fatalf("%d new objects, want 2 commits, 4 trees, 2 blobs", len(objects))
	}
	for i, missing := range objects {
		rest := append(append([]string(nil), objects[:i]...), objects[i+1:]...)
		l.intercept(onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) {
			fmt.Fprint(w, "0008NAK\n")
			pack := packOf(t, l.work, rest)
			fmt.Fprintf(w, "%04x\x01%s0000", len(pack)+5, pack)
		}))
		if rev, err := l.store.Fetch(t.Context(), l.remote); err == nil {
			t.Fatalf("fetched %s without the %s %s", rev, run(t, l.work, "cat-file", "-t", missing), missing)
		}
		if got := read(t, l.tree(good), "a/x"); got != "1" {
			t.Errorf("the last good content reads %q", got)
		}
	}
	packs, err := filepath.Glob(filepath.Join(storeDir(l), "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Errorf("%d packs, %v: the incomplete ones were kept", len(packs), err)
	}
	l.intercept(nil)
	if rev := l.fetch(); rev.Commit != tip {
		t.Errorf("fetched %s from the honest remote, want %s", rev, tip)
	}
}

func packOf(t *testing.T, dir string, objects []string) []byte {
	t.Helper()
	cmd := exec.Command("git", "pack-objects", "--stdout", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(objects, "\n")+"\n")
	pack, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

// The store is a cache: a damaged one heals with the next fetch that moves.
func TestFetchHealsADamagedStore(t *testing.T) {
	damage := map[string]func(t *testing.T, dir string){
		"packs are gone": func(t *testing.T, dir string) {
			eachPack(t, dir, func(name string) error { return os.Remove(name) })
		},
		"packs are cut": func(t *testing.T, dir string) {
			eachPack(t, dir, func(name string) error {
				if !strings.HasSuffix(name, ".pack") {
					return nil
				}
				os.Chmod(name, 0o666)
				return os.Truncate(name, 40)
			})
		},
		"a fetch was killed while packs were aside": func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "objects", "pack"), filepath.Join(dir, "objects", "aside")); err != nil {
				t.Fatal(err)
			}
			writeFiles(t, dir, map[string]string{"objects/pack/tmp_fairway_1.pack": "half"})
		},
		"references are torn": func(t *testing.T, dir string) {
			err := os.Truncate(filepath.Join(dir, "refs", "fairway", "tip", "heads", "main"), 0)
			if err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, damage := range damage {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.write(map[string]string{"a/x": "1", "b/y": "1"})
			l.push("first")
			l.fetch()
			l.store.Close()
			damage(t, storeDir(l))
			l.store = openStore(t, storeDir(l))
			l.write(map[string]string{"a/x": "2"})
			tip := l.push("second")
			if rev := l.fetch(); rev.Commit != tip {
				t.Fatalf("fetched %s", rev)
			}
			tree := l.tree(tip)
			if got := read(t, tree, "a/x") + read(t, tree, "b/y"); got != "21" {
				t.Errorf("read %q", got)
			}
		})
	}
}

func eachPack(t *testing.T, dir string, do func(name string) error) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "pack-*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("packs: %v, %v", names, err)
	}
	for _, name := range names {
		if err := do(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSlowRemoteEndsWithTheContext(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	stop := make(chan struct{})
	defer close(stop)
	l.intercept(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.store.Fetch(ctx, l.remote); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline", err)
	}
}

func TestPackOverTheCap(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"big": strings.Repeat("x", 100_000) + fmt.Sprint(time.Now()), "small": run(t, l.work, "--version")})
	l.push("big")
	s, err := git.OpenStore(filepath.Join(t.TempDir(), "s"), git.Options{MaxPack: 300})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Fetch(t.Context(), l.remote); !errors.Is(err, git.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestPullRequestHead(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	base := l.push("base")
	l.fetch()
	run(t, l.work, "push", "--quiet", "origin", "HEAD:refs/pull/1/head")
	pull := l.remote
	pull.Branch = "refs/pull/1/head"
	if rev, err := l.store.Fetch(t.Context(), pull); err != nil || rev.Commit != base {
		t.Fatalf("pull request at main: %v, %v", rev, err)
	}
	l.write(map[string]string{"a": "2"})
	run(t, l.work, "commit", "--quiet", "--all", "-m", "change")
	run(t, l.work, "push", "--quiet", "origin", "HEAD:refs/pull/1/head")
	rev, err := l.store.Fetch(t.Context(), pull)
	if err != nil || rev.Commit != l.head() || rev.Branch != "refs/pull/1/head" {
		t.Fatalf("pull request: %v, %v", rev, err)
	}
	if rev := l.fetch(); rev.Commit != base {
		t.Errorf("main is %s", rev)
	}
}

func TestConcurrentUse(t *testing.T) {
	l := newLab(t)
	for i := range 30 {
		l.write(map[string]string{fmt.Sprintf("teams/t%d/app.cue", i): fmt.Sprint(i)})
	}
	first := l.push("first")
	l.fetch()
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wait.Go(func() {
			tree := l.tree(first)
			for {
				for i := range 30 {
					content, err := tree.ReadFile(fmt.Sprintf("teams/t%d/app.cue", i))
					if err != nil || string(content) != fmt.Sprint(i) {
						t.Errorf("read %q, %v", content, err)
						return
					}
				}
				if _, err := tree.Check(git.Limits{}); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond): // the pushes need the machine too
				}
			}
		})
	}
	for i := range 12 {
		l.write(map[string]string{"teams/t1/app.cue": fmt.Sprint("new ", i)})
		tip := l.push("more")
		l.fetch()
		changes, err := git.Diff(l.tree(first), l.tree(tip))
		if err != nil || len(changes) != 1 {
			t.Errorf("diff: %v, %v", changes, err)
		}
	}
	close(stop)
	wait.Wait()
}

// TestLostPackIsDamage: what a fetched revision names and the copy has lost since is damage.
// It is never a path where nothing stands: of that, units would be taken for removed.
func TestLostPackIsDamage(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"teams/a/app.cue": "1", "teams/b/app.cue": "1", "top": "1"})
	l.push("first")
	l.fetch()
	packs, err := filepath.Glob(filepath.Join(l.store.Dir(), "objects", "pack", "*"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("the first fetch left %d files of packs, %v", len(packs), err)
	}
	l.write(map[string]string{"teams/a/app.cue": "2", "top": "2"})
	l.push("second")
	rev := l.fetch()
	for _, file := range packs {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	store, err := git.OpenStore(l.store.Dir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tree, err := store.Tree(rev.Commit)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := tree.ReadFile("top"); err != nil || string(text) != "2" {
		t.Errorf("what is there reads as %q, %v", text, err)
	}
	_, file := tree.ReadFile("teams/b/app.cue")
	_, dir := tree.ReadDir("teams/b")
	_, check := tree.Check(git.Limits{})
	for what, err := range map[string]error{"a file": file, "a directory": dir, "the tree": check} {
		if !errors.Is(err, git.ErrCorrupt) || errors.Is(err, git.ErrNotFound) {
			t.Errorf("%s that is lost: %v", what, err)
		}
	}
	if _, err := tree.ReadFile("teams/c/app.cue"); !errors.Is(err, git.ErrNotFound) || errors.Is(err, git.ErrCorrupt) {
		t.Errorf("a file that never was: %v", err)
	}
}
