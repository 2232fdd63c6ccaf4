package folder

import (
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/git"
)

// What was written when the cache was is read again, what is older is not.
func TestRacyStats(t *testing.T) {
	cached := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	for _, c := range []struct {
		name              string
		modified, changed time.Duration // from when the cache was written
		read              bool
	}{
		{"much older", -time.Hour, -time.Hour, false},
		{"same tick", 0, 0, true},
		{"tick before", -time.Millisecond, -time.Millisecond, true},
		{"content replaced, time set back", -time.Hour, 0, true},
		{"later", time.Hour, time.Hour, true},
		{"whole seconds, one before", -1600 * time.Millisecond, -1600 * time.Millisecond, true},
		{"whole seconds, long before", -3600 * time.Millisecond, -3600 * time.Millisecond, false},
	} {
		st := stat{Size: 1, Modified: cached.Add(c.modified).UnixNano(), Changed: cached.Add(c.changed).UnixNano()}
		old := nameRecord{name: "f", stat: st, hash: git.Hash{1}}
		cache := statCache{written: cached.UnixNano()}
		read := false
		if err := cache.fill(&old, st, func() (git.Hash, error) { read = true; return git.Hash{2}, nil }); err != nil || read != c.read {
			t.Errorf("%s: read %v, %v, want %v", c.name, read, err, c.read)
		}
	}
}

func TestRacyListing(t *testing.T) {
	dir := t.TempDir()
	st, _, err := lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The directory is empty, its record is not: a name tells where a listing is from.
	old := map[string]dirRecord{".": {stat: st, names: []nameRecord{{name: "remembered"}}}}
	for since, want := range map[time.Duration]int{0: 0, time.Millisecond: 0, time.Hour: 1} {
		cache := statCache{written: max(st.Modified, st.Changed) + int64(since), old: old}
		got, err := cache.list(".", dir)
		if err != nil || len(got.names) != want {
			t.Errorf("cache written %v after the directory: listed %v, %v, want %d names", since, got.names, err, want)
		}
	}
}
