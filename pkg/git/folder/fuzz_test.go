package folder

import (
	"crypto/sha1"
	"io/fs"
	"slices"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git"
)

func FuzzDecodeStats(f *testing.F) {
	c := statCache{now: 7, next: map[string]dirRecord{
		".": {stat: stat{1, 2, 3, 4}, names: []nameRecord{{name: "a", kind: fs.ModeDir}, {name: "c", stat: stat{5, 6, 7, 8}, hash: git.Hash{9}}}},
		"a": {},
	}}
	f.Add(c.encode()[:len(c.encode())-sha1.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		c := statCache{}
		c.now, c.next = decodeStats(seal(body))
		written, again := decodeStats(c.encode())
		if written != c.now || len(again) != len(c.next) {
			t.Fatalf("%d directories of %d, then %d of %d", len(c.next), c.now, len(again), written)
		}
		for name, dir := range c.next {
			if again[name].stat != dir.stat || !slices.Equal(again[name].names, dir.names) {
				t.Fatalf("directory %q: %v, then %v", name, dir, again[name])
			}
		}
		decodeStats(body)
	})
}

// seal appends the checksum that would stop a fuzzer at the door.
func seal(body []byte) []byte {
	sum := sha1.Sum(body)
	return append(slices.Clone(body), sum[:]...)
}
