// Package cache keeps results by the digest of their inputs, on disk.
//
// It is a cache and never an authority: an entry that is missing, cut short,
// damaged or not ours is only computed again. Every record carries a seal over
// its key and value, which only those who know the cache's secret can make; a
// file that fails to open as ours is started anew.
package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Key is the digest of everything a result depends on.
type Key [32]byte

// KeyOf digests parts, each with its length so that no two lists of parts share a key.
func KeyOf(parts ...string) Key {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.LittleEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		io.WriteString(h, p)
	}
	return Key(h.Sum(nil))
}

const (
	magic      = "fairway-cache-2\n"
	headerSize = 32 + 4 + sealSize // key, length, seal
	sealSize   = 16
	// maxValue bounds one record; larger results are not kept.
	maxValue = 64 << 20
	// maxFile bounds the file; past it, opening starts anew.
	maxFile = 2 << 30
)

type location struct {
	offset int64
	length uint32
	seal   seal
}

// seal proves that a record is whole and was written by us.
type seal [sealSize]byte

// Cache is an append-only file of records and an index of it in memory. It is
// safe for concurrent use, and for several processes on one file: each appends
// whole records under a file lock and sees what the others wrote when it opens.
type Cache struct {
	mu    sync.Mutex
	file  *os.File
	seal  []byte // the secret of the seals
	index map[Key]location
	queue []byte // records not yet written
	at    []pending
}

type pending struct {
	key   Key
	value []byte
	seal  seal
}

// Open opens or makes the cache at path, for whoever can read the file.
func Open(path string) (*Cache, error) { return OpenSealed(path, nil) }

// OpenSealed is Open with a secret: what was written with another is not taken,
// so that neither a file from elsewhere nor one that was tampered with decides
// anything.
func OpenSealed(path string, secret []byte) (*Cache, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	c := &Cache{file: file, seal: secret, index: map[Key]location{}}
	if err := c.locked(c.scan); err != nil {
		file.Close()
		return nil, fmt.Errorf("open cache %s: %w", path, err)
	}
	return c, nil
}

func (c *Cache) locked(f func() error) error {
	if err := syscall.Flock(int(c.file.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer syscall.Flock(int(c.file.Fd()), syscall.LOCK_UN)
	return f()
}

// scan reads the record headers; what follows the last whole record is cut off.
func (c *Cache) scan() error {
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, len(magic))
	if n, _ := c.file.ReadAt(head, 0); string(head[:n]) != magic || info.Size() > maxFile {
		return c.restart()
	}
	const usual = 2 << 10 // the length of a record
	c.index = make(map[Key]location, info.Size()/usual)
	pos := int64(len(magic))
	var h [headerSize]byte
	for {
		if _, err := c.file.ReadAt(h[:], pos); err != nil {
			break
		}
		loc := location{offset: pos + headerSize, length: binary.LittleEndian.Uint32(h[32:]), seal: seal(h[36:])}
		if loc.length > maxValue || loc.offset+int64(loc.length) > info.Size() {
			break
		}
		c.index[Key(h[:32])] = loc
		pos = loc.offset + int64(loc.length)
	}
	if pos < info.Size() {
		return c.file.Truncate(pos)
	}
	return nil
}

func (c *Cache) restart() error {
	if err := c.file.Truncate(0); err != nil {
		return err
	}
	if _, err := c.file.WriteAt([]byte(magic), 0); err != nil {
		return err
	}
	c.index = map[Key]location{}
	return nil
}

// Get returns the value stored under key. A damaged record counts as absent.
func (c *Cache) Get(key Key) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.at) - 1; i >= 0; i-- {
		if c.at[i].key == key {
			return c.at[i].value, true
		}
	}
	loc, ok := c.index[key]
	if !ok {
		return nil, false
	}
	value := make([]byte, loc.length)
	if _, err := c.file.ReadAt(value, loc.offset); err != nil || c.sealOf(key, value) != loc.seal {
		delete(c.index, key)
		return nil, false
	}
	return value, true
}

func (c *Cache) sealOf(key Key, value []byte) seal {
	mac := hmac.New(sha256.New, c.seal)
	mac.Write(key[:])
	mac.Write(value)
	return seal(mac.Sum(nil))
}

// flushAt is how many bytes wait before they are written.
const flushAt = 1 << 20

// Put stores a value. It is written with the next Flush, Close, or when enough
// has gathered.
func (c *Cache) Put(key Key, value []byte) error {
	if len(value) > maxValue {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var h [headerSize]byte
	copy(h[:], key[:])
	binary.LittleEndian.PutUint32(h[32:], uint32(len(value)))
	sealed := c.sealOf(key, value)
	copy(h[36:], sealed[:])
	c.queue = append(append(c.queue, h[:]...), value...)
	c.at = append(c.at, pending{key, value, sealed})
	if len(c.queue) < flushAt && len(c.at) < 64 {
		return nil
	}
	return c.flush()
}

// Flush writes what waits.
func (c *Cache) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush()
}

func (c *Cache) flush() error {
	if len(c.queue) == 0 {
		return nil
	}
	err := c.locked(func() error {
		end, err := c.file.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if _, err := c.file.WriteAt(c.queue, end); err != nil {
			return errors.Join(err, c.file.Truncate(end))
		}
		for _, p := range c.at {
			c.index[p.key] = location{offset: end + headerSize, length: uint32(len(p.value)), seal: p.seal}
			end += headerSize + int64(len(p.value))
		}
		return nil
	})
	c.queue, c.at = nil, nil
	if err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	return nil
}

// Len is the number of records.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.index) + len(c.at)
}

// Close writes what waits and closes the file. A nil Cache has none.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.Flush(), c.file.Close())
}
