package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/git"
)

// platform is a store with a monorepo of n files: teams of 100 services, 3 files each.
func platform(b *testing.B, n int) (*git.Store, git.Hash) {
	b.Helper()
	dir := b.TempDir()
	run(b, dir, "init", "--quiet", "--initial-branch=main")
	writeFiles(b, dir, service(n))
	run(b, dir, "add", "--all")
	run(b, dir, "commit", "--quiet", "-m", "all")
	s := openStore(b, filepath.Join(b.TempDir(), "store"))
	rev, err := s.Fetch(b.Context(), git.Remote{URL: dir, Branch: "main"})
	if err != nil {
		b.Fatal(err)
	}
	return s, rev.Commit
}

func service(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		service := i / 3
		files[serviceFile(service, i%3)] = fmt.Sprintf("package p\n\nservice: %d\nfile: %d\n%s", service, i%3, "# padding\n")
	}
	return files
}

func serviceFile(service, file int) string {
	return fmt.Sprintf("teams/team%03d/service%05d/file%d.cue", service/100, service, file)
}

func sizes(b *testing.B, bench func(b *testing.B, n int)) {
	for _, n := range []int{300, 3000, 30_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { bench(b, n) })
	}
}

// BenchmarkDiffOneChange compares a revision, whose trees are known, with one that
// changes one file and whose trees were never read.
func BenchmarkDiffOneChange(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s, base := platform(b, n)
		before := treeOf(b, s, base)
		if _, err := git.Diff(nil, before); err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			name := serviceFile(i%(n/3), 0)
			h, err := s.Commit(b.Context(), edit(base, map[string][]byte{name: fmt.Append(nil, i, time.Now())}))
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			changes, err := git.Diff(before, treeOf(b, s, h))
			if err != nil || len(changes) != 1 || changes[0].Path != name {
				b.Fatal(changes, err)
			}
		}
	})
}

// BenchmarkDiffWarm is the same with the trees of both revisions known.
func BenchmarkDiffWarm(b *testing.B) {
	sizes(b, func(b *testing.B, n int) {
		s, base := platform(b, n)
		h, err := s.Commit(b.Context(), edit(base, map[string][]byte{serviceFile(1, 0): []byte("x")}))
		if err != nil {
			b.Fatal(err)
		}
		x, y := treeOf(b, s, base), treeOf(b, s, h)
		for b.Loop() {
			if changes, err := git.Diff(x, y); err != nil || len(changes) != 1 {
				b.Fatal(changes, err)
			}
		}
	})
}

func treeOf(b *testing.B, s *git.Store, h git.Hash) *git.Tree {
	b.Helper()
	tree, err := s.Tree(h)
	if err != nil {
		b.Fatal(err)
	}
	return tree
}

func BenchmarkReadFile(b *testing.B) {
	s, base := platform(b, 3000)
	tree := treeOf(b, s, base)
	for i := 0; b.Loop(); i++ {
		if _, err := tree.ReadFile(serviceFile(i*7%1000, i%3)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServiceHashes lists the tree hash of each service.
func BenchmarkServiceHashes(b *testing.B) {
	s, base := platform(b, 30_000)
	tree := treeOf(b, s, base)
	for b.Loop() {
		teams, err := tree.ReadDir("teams")
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, team := range teams {
			services, err := tree.ReadDir("teams/" + team.Name)
			if err != nil {
				b.Fatal(err)
			}
			n += len(services)
		}
		if n != 10_000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkCheckCold checks 30,000 files in a store that was just opened.
func BenchmarkCheckCold(b *testing.B) {
	s, base := platform(b, 30_000)
	for b.Loop() {
		b.StopTimer()
		fresh := openStore(b, s.Dir())
		b.StartTimer()
		if faults, err := treeOf(b, fresh, base).Check(git.Limits{}); err != nil || len(faults) > 0 {
			b.Fatal(faults, err)
		}
	}
}

// BenchmarkCheckOneChange checks a revision after one that was checked.
func BenchmarkCheckOneChange(b *testing.B) {
	s, base := platform(b, 30_000)
	if _, err := treeOf(b, s, base).Check(git.Limits{}); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		h, err := s.Commit(b.Context(), edit(base, map[string][]byte{serviceFile(i%10_000, 0): fmt.Append(nil, i, time.Now())}))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if faults, err := treeOf(b, s, h).Check(git.Limits{}); err != nil || len(faults) > 0 {
			b.Fatal(faults, err)
		}
	}
}

// BenchmarkFetch follows one-line pushes to a repository of 3,000 files over http: all
// of it, the poll when nothing moved, and the server's share by a git command.
func BenchmarkFetch(b *testing.B) {
	l := newLab(b)
	l.write(service(3000))
	l.push("all")
	l.fetch()
	b.Run("push", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			if err := os.WriteFile(filepath.Join(l.work, serviceFile(i%1000, 0)), fmt.Append(nil, i, time.Now()), 0o666); err != nil {
				b.Fatal(err)
			}
			l.push("change")
			b.StartTimer()
			l.fetch()
		}
	})
	b.Run("poll", func(b *testing.B) {
		for b.Loop() {
			l.fetch()
		}
	})
}
