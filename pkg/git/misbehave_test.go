package git_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/git"
)

// TestLyingServers: what a server claims is not believed. Whatever it sends, the
// last good revision stays and the next honest answer is enough.
func TestLyingServers(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"teams/a/app.cue": "1"})
	good := l.push("good")
	l.fetch()
	run(t, l.work, "checkout", "--quiet", "-b", "side")
	l.write(map[string]string{"teams/a/app.cue": "side"})
	run(t, l.work, "commit", "--quiet", "-am", "elsewhere")
	elsewhere := l.head()
	run(t, l.work, "push", "--quiet", "origin", "side")
	run(t, l.work, "checkout", "--quiet", "main")
	l.write(map[string]string{"teams/a/app.cue": "2", "teams/b/app.cue": "2"})
	next := l.push("next")
	claim := func(h string) func(http.Handler) http.Handler {
		return onPath("/info/refs", func(w http.ResponseWriter, b []byte) {
			w.Write(bytes.ReplaceAll(b, []byte(next.String()), []byte(h)))
		})
	}
	tree := run(t, l.work, "rev-parse", "main^{tree}")
	blob := run(t, l.work, "rev-parse", "main:teams/a/app.cue")
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"a tip that is nowhere":      claim("0123456789012345678901234567890123456789"),
		"a tree as the tip":          claim(tree),
		"a file as the tip":          claim(blob),
		"no hash as the tip":         claim("zz23456789012345678901234567890123456789"),
		"the zero hash as the tip":   claim(strings.Repeat("0", 40)),
		"another pack than asked":    onPath("/git-upload-pack", packed(t, l.work, elsewhere.String())),
		"a pack of nothing":          onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { framed(w, emptyPack()) }),
		"a pack of 4 billion":        onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { framed(w, header(1<<32-1, nil)) }),
		"an object of 65 MiB":        onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { framed(w, bomb(65<<20)) }),
		"an object larger than told": onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { framed(w, header(1, object(10, 1<<20))) }),
		"a depth that was not asked": onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) {
			fmt.Fprintf(w, "0035shallow %s0000", next)
			w.Write(b)
		}),
		"an error in the band": onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { fmt.Fprint(w, "0008NAK\n000e\x03go away0000") }),
		"internal error":       onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { http.Error(w, "oops", http.StatusInternalServerError) }),
		"too many requests":    onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) { http.Error(w, "later", http.StatusTooManyRequests) }),
		"a page at the pack": onPath("/git-upload-pack", func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in first</html>")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			l.intercept(wrap)
			defer l.intercept(nil)
			if rev, err := l.store.Fetch(t.Context(), l.remote); err == nil {
				t.Fatalf("fetched %s", rev)
			} else if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			} else if large := strings.Contains(name, "billion") || strings.Contains(name, "65 MiB"); errors.Is(err, git.ErrTooLarge) != large {
				t.Errorf("got %v, too large %v", err, large)
			}
			if rev, err := l.store.Resolve("main"); err != nil || rev.Commit != good {
				t.Errorf("main is %v, %v, want %s still", rev, err, good)
			}
			if got := read(t, l.tree(good), "teams/a/app.cue"); got != "1" {
				t.Errorf("the last good content reads %q", got)
			}
			if left, _ := filepath.Glob(filepath.Join(storeDir(l), "objects", "pack", "tmp_*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if rev := l.fetch(); rev.Commit != next {
		t.Errorf("fetched %s from the honest server, want %s", rev, next)
	}
	run(t, storeDir(l), "fsck", "--full")
}

// packed answers with a pack of some commits instead of those asked for.
func packed(t *testing.T, dir string, commits ...string) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, _ []byte) { framed(w, packOf(t, dir, commits)) }
}

// framed sends a pack as upload-pack does.
func framed(w http.ResponseWriter, pack []byte) {
	fmt.Fprint(w, "0008NAK\n")
	for len(pack) > 0 {
		n := min(len(pack), 65000)
		fmt.Fprintf(w, "%04x\x01%s", n+5, pack[:n])
		pack = pack[n:]
	}
	fmt.Fprint(w, "0000")
}

// header is a pack that says it holds so many objects, with its checksum.
func header(count uint32, objects []byte) []byte {
	pack := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), count)
	pack = append(pack, objects...)
	sum := sha1.Sum(pack)
	return append(pack, sum[:]...)
}

func emptyPack() []byte { return header(0, nil) }

// object is a blob of so many zeros that says another size.
func object(told, zeros int) []byte {
	out := []byte{byte(3<<4 | told&15)}
	for told >>= 4; told > 0; told >>= 7 {
		out[len(out)-1] |= 0x80
		out = append(out, byte(told&0x7f))
	}
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(make([]byte, zeros))
	z.Close()
	return append(out, b.Bytes()...)
}

func bomb(zeros int) []byte { return header(1, object(zeros, zeros)) }

// A server that sends a pack a byte at a time costs one timeout, and no more.
func TestSlowPack(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	tip := l.push("first")
	s, err := git.OpenStore(filepath.Join(t.TempDir(), "s"), git.Options{Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l.intercept(onPath("/git-upload-pack", func(w http.ResponseWriter, b []byte) {
		for i := range b {
			if _, err := w.Write(b[i : i+1]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}))
	if rev, err := s.Fetch(t.Context(), l.remote); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v, want a deadline", rev, err)
	}
	l.intercept(nil)
	if rev, err := s.Fetch(t.Context(), l.remote); err != nil || rev.Commit != tip {
		t.Errorf("afterwards: %v, %v", rev, err)
	}
}

// Ten thousand branches and pull requests cost a longer list and nothing else:
// only the branch that is followed is fetched.
func TestManyReferences(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	tip := l.push("first")
	var packed strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&packed, "%s refs/pull/%d/head\n", tip, i)
	}
	fmt.Fprintf(&packed, "%s refs/heads/main\n", tip)
	if err := os.WriteFile(filepath.Join(l.bare, "packed-refs"), []byte("# pack-refs with: peeled\n"+packed.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range 5 {
		if rev := l.fetch(); rev.Commit != tip {
			t.Fatalf("fetched %s", rev)
		}
	}
	if after := heap(); after > before+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if refs := run(t, storeDir(l), "for-each-ref"); strings.Count(refs, "\n") > 3 {
		t.Errorf("the store has references it did not ask for:\n%s", refs)
	}
}

// A redirect stays with the host, the port and the protocol that were asked, or
// goes to TLS: a password must not end up in the clear or at another service.
func TestRedirects(t *testing.T) {
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	for name, from := range map[string]func(http.Handler) *httptest.Server{"another port": httptest.NewServer, "TLS to none": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			home := from(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL+r.URL.Path+"?"+r.URL.RawQuery, http.StatusFound)
			}))
			defer home.Close()
			options := git.Options{}
			if home.Certificate() != nil {
				options.CA = pemOf(home)
			}
			s, err := git.OpenStore(filepath.Join(t.TempDir(), "s"), options)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := git.Remote{URL: home.URL + "/x.git", Branch: "main", Credentials: git.Credentials{Username: "bot", Password: "s3cret"}}
			if _, err := s.Fetch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want a refused redirect", err)
			}
		})
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests followed", n)
	}
}

// TestReplacedHistories: a tag that moves, a branch of another repository and an
// orphan root are rewinds; a branch that is gone is missing.
func TestReplacedHistories(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	l.push("first")
	run(t, l.work, "tag", "-m", "annotated", "v1")
	run(t, l.work, "push", "--quiet", "origin", "v1")
	l.write(map[string]string{"a": "2"})
	good := l.push("second")
	l.fetch()
	tag := l.remote
	tag.Branch = "refs/tags/v1"
	if _, err := l.store.Fetch(t.Context(), tag); err != nil {
		t.Fatal(err)
	}
	run(t, l.work, "tag", "-f", "-m", "moved", "v1", "HEAD")
	run(t, l.work, "push", "--quiet", "--force", "origin", "v1")
	if rev, err := l.store.Fetch(t.Context(), tag); err != nil || rev.Commit != good {
		t.Errorf("a tag moved forward: %v, %v", rev, err)
	}
	run(t, l.work, "tag", "-f", "-m", "moved back", "v1", "HEAD~1")
	run(t, l.work, "push", "--quiet", "--force", "origin", "v1")
	if _, err := l.store.Fetch(t.Context(), tag); !errors.Is(err, git.ErrRewound) {
		t.Errorf("a tag moved back: %v, want ErrRewound", err)
	}
	run(t, l.work, "checkout", "--quiet", "--orphan", "another")
	run(t, l.work, "commit", "--quiet", "--allow-empty", "-m", "anew")
	run(t, l.work, "push", "--quiet", "--force", "origin", "HEAD:main")
	if _, err := l.store.Fetch(t.Context(), l.remote); !errors.Is(err, git.ErrRewound) {
		t.Errorf("an orphan root: %v, want ErrRewound", err)
	}
	run(t, l.bare, "update-ref", "-d", "refs/heads/main")
	if _, err := l.store.Fetch(t.Context(), l.remote); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("a deleted branch: %v, want ErrNotFound", err)
	}
	other := newLab(t)
	other.write(map[string]string{"b": "1"})
	other.push("another company")
	if _, err := l.store.Fetch(t.Context(), other.remote); !errors.Is(err, git.ErrRewound) {
		t.Errorf("another repository: %v, want ErrRewound", err)
	}
	if rev, err := l.store.Resolve("main"); err != nil || rev.Commit != good {
		t.Errorf("main is %v, %v, want %s still", rev, err, good)
	}
}

// A judge decides before a revision counts, and is asked again for what it refused.
func TestJudgedFetch(t *testing.T) {
	l := newLab(t)
	l.write(map[string]string{"a": "1"})
	first := l.push("first")
	asked, before := 0, l.packs.Load()
	var refuse error
	judge := func(_ context.Context, last, next git.Hash) error {
		asked++
		if !last.IsZero() && last != first || next != l.head() {
			t.Errorf("judged %s after %s", next, last)
		}
		return refuse
	}
	if rev, err := l.store.FetchJudged(t.Context(), l.remote, judge); err != nil || rev.Commit != first {
		t.Fatalf("%v, %v", rev, err)
	}
	l.write(map[string]string{"a": "2"})
	second := l.push("second")
	refuse = errors.New("by whom is it")
	for range 2 {
		rev, err := l.store.FetchJudged(t.Context(), l.remote, judge)
		if !errors.Is(err, git.ErrRefused) || rev.Commit != second || !strings.Contains(err.Error(), "by whom is it") {
			t.Fatalf("%v, %v", rev, err)
		}
		if rev, err := l.store.Resolve("main"); err != nil || rev.Commit != first {
			t.Errorf("main is %v, %v, want %s still", rev, err, first)
		}
	}
	refuse = nil
	if rev, err := l.store.FetchJudged(t.Context(), l.remote, judge); err != nil || rev.Commit != second {
		t.Fatalf("%v, %v", rev, err)
	}
	packs := l.packs.Load() - before
	if asked != 4 || packs != 2 {
		t.Errorf("asked %d times with %d packs, want 4 and 2", asked, packs)
	}
}
