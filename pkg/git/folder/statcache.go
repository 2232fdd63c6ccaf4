package folder

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/git"
)

// stat is what tells that a file or directory has not been written since it was read.
type stat struct {
	Size, Modified, Changed int64 // bytes; nanoseconds since 1970
	Inode                   uint64
}

// dirRecord is a directory as it was: its names do not change unless its stat does.
type dirRecord struct {
	stat  stat
	names []nameRecord // sorted, all of them
}

// nameRecord is one name in a directory. Stat and hash are zero for what has no blob.
type nameRecord struct {
	name string
	kind fs.FileMode // type bits only
	stat stat
	hash git.Hash
}

// statCache remembers listings and blob hashes. What was modified about when it was
// written is not trusted: a second write in the same tick of the clock leaves the
// same stat.
type statCache struct {
	written int64                // when old was made
	old     map[string]dirRecord // by path

	mu    sync.Mutex
	now   int64
	next  map[string]dirRecord
	fresh bool // something was read
}

// loadStats reads a cache; one that is missing or damaged is empty.
func loadStats(file string) *statCache {
	c := &statCache{now: time.Now().UnixNano(), next: map[string]dirRecord{}}
	if file == "" {
		return c
	}
	if raw, err := os.ReadFile(file); err == nil {
		c.written, c.old = decodeStats(raw)
	}
	return c
}

// list returns the names of a directory, read only when it may have changed, with
// what is remembered of each. The caller owns the slice.
func (c *statCache) list(name, full string) (dirRecord, error) {
	st, _, err := lstat(full)
	if err != nil {
		return dirRecord{}, err
	}
	old, ok := c.old[name]
	if ok && old.stat == st && !c.racy(st) {
		return dirRecord{stat: st, names: slices.Clone(old.names)}, nil
	}
	listed, err := os.ReadDir(full)
	if err != nil {
		return dirRecord{}, err
	}
	dir := dirRecord{stat: st, names: make([]nameRecord, len(listed))}
	for i, l := range listed {
		r := nameRecord{name: l.Name(), kind: l.Type()}
		if j, ok := slices.BinarySearchFunc(old.names, r, nameRecord.compare); ok && old.names[j].kind == r.kind {
			r = old.names[j]
		}
		dir.names[i] = r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh = true
	return dir, nil
}

func (r nameRecord) compare(other nameRecord) int { return cmp.Compare(r.name, other.name) }

// fill brings a record up to date: it calls read when the stat says so.
func (c *statCache) fill(r *nameRecord, st stat, read func() (git.Hash, error)) error {
	if r.stat == st && !r.hash.IsZero() && !c.racy(st) {
		return nil
	}
	h, err := read()
	if err != nil {
		return err
	}
	r.stat, r.hash = st, h
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh = true
	return nil
}

// keep remembers a directory for the next time.
func (c *statCache) keep(name string, dir dirRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next[name] = dir
}

// racy reports whether something was written so close to the cache that it may have
// been written again unseen. Whole seconds come from file systems that know no others.
func (c *statCache) racy(st stat) bool {
	slack := 50 * time.Millisecond
	if st.Modified%int64(time.Second) == 0 && st.Changed%int64(time.Second) == 0 {
		slack = 2 * time.Second
	}
	return max(st.Modified, st.Changed) >= c.written-int64(slack)
}

// save replaces the cache file when something in it is new. It is a cache: that it
// could not be written is not worth an error.
func (c *statCache) save(file string) {
	if file == "" || !c.fresh && len(c.next) == len(c.old) {
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(c.encode())
	if closeErr := temp.Close(); err == nil && closeErr == nil {
		_ = os.Rename(temp.Name(), file)
	}
}

// The file is: magic, time, directories, and the SHA-1 of all that. A directory is
// its path, stat, number of names and names; a name is itself, kind, stat and hash.
const (
	statMagic = "fairway stat cache 2\n"
	statSize  = 4 * 8
)

// encode is the cache file of this walk.
func (c *statCache) encode() []byte {
	b := append([]byte(nil), statMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.now))
	for name, dir := range c.next {
		b = appendText(b, name)
		b = dir.stat.append(b)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(dir.names)))
		for _, r := range dir.names {
			b = appendText(b, r.name)
			b = binary.LittleEndian.AppendUint32(b, uint32(r.kind))
			b = r.stat.append(b)
			b = append(b, r.hash[:]...)
		}
	}
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

func appendText(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
}

func (s stat) append(b []byte) []byte {
	for _, n := range []uint64{uint64(s.Size), uint64(s.Modified), uint64(s.Changed), s.Inode} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// decodeStats parses a cache file; anything odd makes it empty.
func decodeStats(raw []byte) (written int64, dirs map[string]dirRecord) {
	body, ok := bytes.CutPrefix(raw, []byte(statMagic))
	if !ok || len(body) < 8+sha1.Size {
		return 0, nil
	}
	sum := sha1.Sum(raw[:len(raw)-sha1.Size])
	body, ok = bytes.CutSuffix(body, sum[:])
	if !ok {
		return 0, nil
	}
	d := statDecoder{text: string(body)}
	written = int64(d.uint64())
	dirs = map[string]dirRecord{}
	for d.text != "" && !d.bad {
		name, dir := d.string(), dirRecord{stat: d.stat()}
		count := d.uint32()
		dir.names = make([]nameRecord, 0, min(int(count), len(d.text)/(4+4+statSize+sha1.Size)))
		for range count {
			r := nameRecord{name: d.string(), kind: fs.FileMode(d.uint32()), stat: d.stat()}
			copy(r.hash[:], d.take(sha1.Size))
			if d.bad {
				return 0, nil
			}
			dir.names = append(dir.names, r)
		}
		dirs[name] = dir
	}
	if d.bad {
		return 0, nil
	}
	return written, dirs
}

// statDecoder takes pieces off a text that all strings share, until one is missing.
type statDecoder struct {
	text string
	bad  bool
}

func (d *statDecoder) take(n int) string {
	if n < 0 || n > len(d.text) {
		d.bad, d.text = true, ""
		return ""
	}
	piece := d.text[:n]
	d.text = d.text[n:]
	return piece
}

func (d *statDecoder) uint(size int) (n uint64) {
	piece := d.take(size)
	for i := len(piece) - 1; i >= 0; i-- {
		n = n<<8 | uint64(piece[i])
	}
	return n
}

func (d *statDecoder) uint32() uint32 { return uint32(d.uint(4)) }
func (d *statDecoder) uint64() uint64 { return d.uint(8) }
func (d *statDecoder) string() string { return d.take(int(d.uint32())) }

func (d *statDecoder) stat() stat {
	return stat{int64(d.uint64()), int64(d.uint64()), int64(d.uint64()), d.uint64()}
}
