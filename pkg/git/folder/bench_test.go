package folder_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/git/folder"
)

// BenchmarkOpen hashes a working directory of 20,000 files, with a cache that knows
// them all and without one; the floor is to list it and ask for the state of each file.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	run(b, dir, "init", "--quiet")
	writeFiles(b, dir, many(20_000))
	writeFiles(b, dir, map[string]string{".gitignore": "*.tmp\n/bin/\n*.log\n"})
	time.Sleep(100 * time.Millisecond) // the files are older than the cache
	cache := filepath.Join(b.TempDir(), "stats")
	rootHash(b, dir, folder.Options{Cache: cache})
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			rootHash(b, dir, folder.Options{Cache: cache})
		}
	})
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					_, err = d.Info()
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("uncached", func(b *testing.B) {
		for b.Loop() {
			rootHash(b, dir, folder.Options{})
		}
	})
}

func many(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("teams/team%03d/service%05d/file%d.cue", i/300, i/3, i%3)] = fmt.Sprintf("package p\n\nfile: %d\n", i)
	}
	return out
}
