package git_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/git"
)

func edit(base git.Hash, files map[string][]byte) git.Edit {
	return git.Edit{Base: base, Files: files, Message: "promote\n\nbody", Author: "Fairway <bot@example.com>", Time: time.Unix(1.7e9, 0)}
}

func TestCommitAndPush(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"teams/a/app.cue": "1", "teams/a/run.sh": "1", "teams/b/only": "1", "top": "1"})
	if err := os.Chmod(filepath.Join(l.work, "teams/a/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.push("first")
	base := l.fetch().Commit
	e := edit(base, map[string][]byte{"teams/a/app.cue": []byte("2"), "teams/a/run.sh": []byte("2"), "teams/b/only": nil, "new/deep/file": []byte("3")})
	h, err := l.store.Commit(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.store.Commit(t.Context(), e); err != nil || again != h {
		t.Errorf("the same edit gave %s, %v, then %s", h, err, again)
	}
	if same, err := l.store.Commit(t.Context(), edit(base, map[string][]byte{"top": []byte("1")})); err != nil || same != base {
		t.Errorf("an edit of nothing gave %s, %v, want its base", same, err)
	}
	if err := l.store.Push(t.Context(), l.remote, h, base); err != nil {
		t.Fatal(err)
	}
	run(t, l.work, "pull", "--quiet", "origin", "main")
	run(t, l.work, "fsck", "--strict")
	if l.head() != h {
		t.Errorf("the clone is at %s, want %s", l.head(), h)
	}
	want := "100644 new/deep/file\n100644 teams/a/app.cue\n100755 teams/a/run.sh\n100644 top"
	if diff := cmp.Diff(want, run(t, l.work, "ls-tree", "-r", "--format=%(objectmode) %(path)", "HEAD")); diff != "" {
		t.Errorf("tree (-want +got)\n%s", diff)
	}
	if got := run(t, l.work, "log", "-1", "--format=%an <%ae> %ct %s|%b"); got != "Fairway <bot@example.com> 1700000000 promote|body" {
		t.Errorf("commit is %q", got)
	}
	if rev := l.fetch(); rev.Commit != h {
		t.Errorf("fetched %s after the push", rev)
	}
}

func TestCommitRefuses(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"dir/file": "1", "file": "1"})
	os.Symlink("file", filepath.Join(l.work, "link"))
	l.push("first")
	base := l.fetch().Commit
	for name, want := range map[string]error{"dir": git.ErrNotFile, "file/below": git.ErrNotFile, "link": git.ErrNotFile, "link/x": git.ErrNotFile} {
		if _, err := l.store.Commit(t.Context(), edit(base, map[string][]byte{name: []byte("x")})); !errors.Is(err, want) {
			t.Errorf("writing %s: got %v, want %v", name, err, want)
		}
	}
	if _, err := l.store.Commit(t.Context(), edit(base, map[string][]byte{"none": nil})); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("deleting nothing: %v", err)
	}
	for _, name := range []string{"../x", "/x", "a/../b", ".git/config", "a\nb", "", ".", "x "} {
		if _, err := l.store.Commit(t.Context(), edit(base, map[string][]byte{name: []byte("x")})); err == nil {
			t.Errorf("path %q was accepted", name)
		}
	}
	for _, author := range []string{"", "x", "a <b", "a <b>\nparent x", "a <b> 0 +0000\n <c>"} {
		e := edit(base, map[string][]byte{"x": {}})
		e.Author = author
		if _, err := l.store.Commit(t.Context(), e); err == nil {
			t.Errorf("author %q was accepted", author)
		}
	}
}

func TestPushComparesAndSwaps(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	base := l.fetch().Commit
	mine, err := l.store.Commit(t.Context(), edit(base, map[string][]byte{"a": []byte("mine")}))
	if err != nil {
		t.Fatal(err)
	}
	l.write(map[string]string{"a": "theirs"})
	theirs := l.push("theirs")
	if err := l.store.Push(t.Context(), l.remote, mine, base); !errors.Is(err, git.ErrConflict) {
		t.Errorf("lost race: got %v, want ErrConflict", err)
	}
	if err := l.store.Push(t.Context(), l.remote, mine, theirs); err == nil {
		t.Error("a commit that does not continue the branch was pushed")
	}
	branch := l.remote
	branch.Branch = "promotions/1"
	if err := l.store.Push(t.Context(), branch, mine, git.Hash{}); err != nil {
		t.Errorf("new branch: %v", err)
	}
	if err := l.store.Push(t.Context(), branch, mine, git.Hash{}); !errors.Is(err, git.ErrConflict) {
		t.Errorf("branch made twice: got %v, want ErrConflict", err)
	}
	if got, err := l.store.LsRemote(t.Context(), l.remote); err != nil || got != theirs {
		t.Errorf("main is %s, %v, want %s", got, err, theirs)
	}
}

// Of many pushes at once exactly one wins, also when the remote's list was read before.
func TestPushRace(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	base := l.fetch().Commit
	errs := make([]error, 6)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			h, err := l.store.Commit(t.Context(), edit(base, map[string][]byte{"a": []byte(fmt.Sprint("racer ", i))}))
			if err == nil {
				err = l.store.Push(t.Context(), l.remote, h, base)
			}
			errs[i] = err
		})
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, git.ErrConflict):
			t.Errorf("got %v, want ErrConflict", err)
		}
	}
	if won != 1 {
		t.Errorf("%d pushes won: %v", won, errs)
	}
	if n := run(t, l.bare, "rev-list", "--count", "main"); n != "2" {
		t.Errorf("the branch has %s commits, want 2", n)
	}
}

func TestRepositoryIsReadOnly(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"sub/a": "1"})
	first := l.push("first")
	run(t, l.work, "tag", "-m", "annotated", "v1")
	run(t, l.work, "worktree", "add", "--quiet", "../linked", "-b", "side")
	l.write(map[string]string{"sub/a": "2"})
	second := l.push("second")
	run(t, l.work, "gc", "--quiet")
	for _, dir := range []string{l.work, filepath.Join(l.work, "sub")} {
		s, err := git.OpenRepository(dir)
		if err != nil {
			t.Fatal(err)
		}
		for rev, want := range map[string]git.Hash{
			"HEAD": second, "main": second, "HEAD~1": first, "HEAD^": first, "HEAD~": first, "v1": first, "side": first, "origin/main": second,
			"HEAD^0": second, first.String(): first, first.String()[:7]: first, strings.ToUpper(second.String()[:9]): second, "refs/heads/side": first,
		} {
			if got, err := s.Resolve(rev); err != nil || got.Commit != want {
				t.Errorf("Resolve(%q): %s, %v, want %s", rev, got, err, want)
			}
		}
		for _, rev := range []string{"", "nothing", "HEAD~2", "HEAD^2", "HEAD~x", "~", "^", "HEAD@{1}", "0000", "-x", "main..side", "a b", ":/first", "HEAD~99999999999999999999"} {
			if got, err := s.Resolve(rev); err == nil {
				t.Errorf("Resolve(%q) = %s", rev, got)
			}
		}
		if _, err := s.Commit(t.Context(), edit(second, map[string][]byte{"x": {}})); err == nil {
			t.Error("a developer's repository was written")
		}
		if _, err := s.Fetch(t.Context(), l.remote); err == nil {
			t.Error("a developer's repository was fetched into")
		}
		s.Close()
	}
	s, err := git.OpenRepository(filepath.Join(l.work, "..", "linked"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Resolve("HEAD"); err != nil || got.Commit != first {
		t.Errorf("HEAD of a linked worktree: %s, %v, want %s", got, err, first)
	}
	if got, err := s.Resolve("main"); err != nil || got.Commit != second {
		t.Errorf("main in a linked worktree: %s, %v, want %s", got, err, second)
	}
	if _, err := git.OpenRepository(t.TempDir()); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("no repository: got %v, want ErrNotFound", err)
	}
}
