package git

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// Caps on what a pack may unfold to, whatever it weighs on the wire.
const (
	maxPackObjects  = 2 << 20
	maxPackObject   = 64 << 20 // bytes of one object
	maxPackInflated = 4 << 30  // bytes of all
)

// temporary starts the names of files that are not yet packs.
const temporary = "tmp_fairway_"

func (s *Store) packDir() string { return filepath.Join(s.dir, "objects", "pack") }

func (s *Store) packFile(pack plumbing.Hash, ext string) string {
	return filepath.Join(s.packDir(), "pack-"+pack.String()+ext)
}

// storePack reads a pack to its end, checks and indexes it and adds it to the store,
// unless it is there: it reports whether it was added. On any error nothing is.
func (s *Store) storePack(r io.Reader) (name plumbing.Hash, added bool, err error) {
	if err := os.MkdirAll(s.packDir(), 0o777); err != nil {
		return name, false, err
	}
	pack, err := os.CreateTemp(s.packDir(), temporary+"*.pack")
	if err != nil {
		return name, false, err
	}
	defer os.Remove(pack.Name()) // finds nothing after the rename
	defer pack.Close()
	if _, err := io.Copy(pack, &cappedReader{r: r, left: s.options.MaxPack}); err != nil {
		return name, false, fmt.Errorf("read pack: %w", err)
	}
	if err := inspectPack(pack); err != nil {
		return name, false, fmt.Errorf("inspect pack: %w", err)
	}
	name, index, err := indexPack(pack)
	if err != nil {
		return name, false, fmt.Errorf("index pack: %w: %w", ErrCorrupt, err)
	}
	if _, err := os.Stat(s.packFile(name, ".pack")); err == nil {
		return name, false, nil
	}
	return name, true, s.install(name, pack, index)
}

// indexPack resolves every object of a pack to its hash.
func indexPack(pack io.ReadSeeker) (plumbing.Hash, *idxfile.MemoryIndex, error) {
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return plumbing.ZeroHash, nil, err
	}
	var index idxfile.Writer
	parser, err := packfile.NewParser(packfile.NewScanner(pack), &index)
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	name, err := parser.Parse()
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	table, err := index.Index()
	return name, table, err
}

// install gives a pack and its index their names. The index comes first: a pack
// without one makes the whole repository unreadable, the reverse does no harm.
func (s *Store) install(name plumbing.Hash, pack *os.File, index *idxfile.MemoryIndex) error {
	var encoded bytes.Buffer
	if _, err := idxfile.NewEncoder(&encoded).Encode(index); err != nil {
		return fmt.Errorf("index pack: %w", err)
	}
	idx, err := os.CreateTemp(s.packDir(), temporary+"*.idx")
	if err != nil {
		return err
	}
	defer os.Remove(idx.Name())
	_, err = idx.Write(encoded.Bytes())
	if err := errors.Join(err, idx.Sync(), idx.Close(), pack.Sync()); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	if err := os.Rename(idx.Name(), s.packFile(name, ".idx")); err != nil {
		return err
	}
	return os.Rename(pack.Name(), s.packFile(name, ".pack"))
}

// dropPack removes a pack from the store.
func (s *Store) dropPack(pack plumbing.Hash) error {
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	return errors.Join(s.removePack(pack), s.objects.refresh())
}

// removePack deletes a pack's files, the pack before its index.
func (s *Store) removePack(pack plumbing.Hash) error {
	return errors.Join(os.Remove(s.packFile(pack, ".pack")), os.Remove(s.packFile(pack, ".idx")))
}

// inspectPack reads a whole pack once, holding nothing, to prove its checksum and
// that unfolding it stays within the caps.
func inspectPack(pack io.ReadSeeker) error {
	if err := checksumPack(pack); err != nil {
		return err
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	scanner := packfile.NewScanner(pack)
	_, count, err := scanner.Header()
	if err != nil {
		return fmt.Errorf("header: %w: %w", ErrCorrupt, err)
	}
	if count > maxPackObjects {
		return fmt.Errorf("%d objects: %w", count, ErrTooLarge)
	}
	var total int64
	for range count {
		header, err := scanner.NextObjectHeader()
		if err != nil {
			return fmt.Errorf("object header: %w: %w", ErrCorrupt, err)
		}
		size, err := inflatedSize(scanner, header)
		if err != nil {
			return err
		}
		if total += size; total > maxPackInflated {
			return fmt.Errorf("%d bytes unfolded: %w", total, ErrTooLarge)
		}
	}
	return nil
}

// inflatedSize is what an object weighs unfolded, deltas applied.
func inflatedSize(scanner *packfile.Scanner, header *packfile.ObjectHeader) (int64, error) {
	size := header.Length
	delta := header.Type == plumbing.OFSDeltaObject || header.Type == plumbing.REFDeltaObject
	if size > maxPackObject {
		return 0, fmt.Errorf("an object of %d bytes: %w", size, ErrTooLarge)
	}
	var head prefix
	if _, _, err := scanner.NextObject(&head); err != nil {
		return 0, fmt.Errorf("object: %w: %w", ErrCorrupt, err)
	}
	if delta {
		result, err := deltaResult(head)
		if err != nil {
			return 0, err
		}
		size = max(size, result)
	}
	if size > maxPackObject {
		return 0, fmt.Errorf("an object of %d bytes: %w", size, ErrTooLarge)
	}
	return size, nil
}

// prefix is a writer that keeps the first bytes: enough for two sizes.
type prefix []byte

func (p *prefix) Write(b []byte) (int, error) {
	if room := 2*binary.MaxVarintLen64 - len(*p); room > 0 {
		*p = append(*p, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

// deltaResult reads the size a delta unfolds to: the second number in it.
func deltaResult(delta []byte) (int64, error) {
	_, n := binary.Uvarint(delta)
	if n <= 0 {
		return 0, fmt.Errorf("delta: %w", ErrCorrupt)
	}
	size, m := binary.Uvarint(delta[n:])
	if m <= 0 || size > 1<<62 {
		return 0, fmt.Errorf("delta: %w", ErrCorrupt)
	}
	return int64(size), nil
}

// checksumPack compares the last 20 bytes with the hash of those before.
func checksumPack(pack io.ReadSeeker) error {
	size, err := pack.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size < 32 {
		return fmt.Errorf("%d bytes are no pack: %w", size, ErrCorrupt)
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha1.New()
	if _, err := io.CopyN(sum, pack, size-sha1.Size); err != nil {
		return err
	}
	trailer, err := io.ReadAll(pack)
	if err != nil {
		return err
	}
	if !bytes.Equal(trailer, sum.Sum(nil)) {
		return fmt.Errorf("checksum: %w", ErrCorrupt)
	}
	return nil
}
