package git

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

const (
	manyPacks = 40      // every fetch adds one; reading looks into each
	smallPack = 4 << 20 // bytes; larger ones are left alone
	window    = 10      // objects a delta is sought among, Git's own figure
)

// tidy joins the small packs of many fetches into one.
func (s *Store) tidy() error {
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	packs, err := s.objects.storage.ObjectPacks()
	if err != nil || len(packs) < manyPacks {
		return err
	}
	var small []plumbing.Hash
	for _, pack := range packs {
		info, err := os.Stat(s.packFile(pack, ".pack"))
		if err != nil {
			return fmt.Errorf("join packs: %w", err)
		}
		if info.Size() < smallPack {
			small = append(small, pack)
		}
	}
	if len(small) < manyPacks/2 {
		return nil
	}
	if err := s.join(small); err != nil {
		return fmt.Errorf("join packs: %w", err)
	}
	return nil
}

// join writes the objects of packs as one pack and removes them. The caller holds the
// objects' lock.
func (s *Store) join(packs []plumbing.Hash) error {
	hashes, err := s.listed(packs)
	if err != nil {
		return err
	}
	if err := s.objects.refresh(); err != nil {
		return err
	}
	joined, err := os.CreateTemp(s.packDir(), temporary+"*.join")
	if err != nil {
		return err
	}
	defer os.Remove(joined.Name())
	defer joined.Close()
	if _, err := packfile.NewEncoder(joined, s.objects.storage, false).Encode(hashes, window); err != nil {
		return err
	}
	if _, err := joined.Seek(0, 0); err != nil {
		return err
	}
	name, _, err := s.storePack(joined)
	if err != nil {
		return err
	}
	var errs []error
	for _, pack := range packs {
		if pack != name {
			errs = append(errs, s.removePack(pack))
		}
	}
	return errors.Join(append(errs, s.objects.refresh())...)
}

// listed are the objects of packs, each once.
func (s *Store) listed(packs []plumbing.Hash) ([]plumbing.Hash, error) {
	seen := map[plumbing.Hash]bool{}
	var hashes []plumbing.Hash
	for _, pack := range packs {
		f, err := os.Open(s.packFile(pack, ".idx"))
		if err != nil {
			return nil, err
		}
		index := idxfile.NewMemoryIndex()
		err = idxfile.NewDecoder(f).Decode(index)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		entries, err := index.Entries()
		if err != nil {
			return nil, err
		}
		for e, err := entries.Next(); err == nil; e, err = entries.Next() {
			if !seen[e.Hash] {
				seen[e.Hash] = true
				hashes = append(hashes, e.Hash)
			}
		}
	}
	return hashes, nil
}

// renew runs a transfer of everything with the present packs set aside, because one
// of them may be damaged. They come back if the transfer fails.
func (s *Store) renew(transfer func() error) error {
	aside := s.aside()
	if err := s.movePacks(s.packDir(), aside); err != nil {
		return errors.Join(err, s.movePacks(aside, s.packDir()))
	}
	if err := transfer(); err != nil {
		return errors.Join(err, s.movePacks(aside, s.packDir()))
	}
	return os.RemoveAll(aside)
}

// aside is where packs are while renew runs.
func (s *Store) aside() string { return filepath.Join(s.dir, "objects", "aside") }

// movePacks moves all packs. Between the two rounds the packs of from lack an index,
// which is why the storage is opened anew only after both.
func (s *Store) movePacks(from, to string) error {
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	if err := os.MkdirAll(to, 0o777); err != nil {
		return err
	}
	for _, ext := range []string{".idx", ".pack"} {
		names, err := filepath.Glob(filepath.Join(from, "pack-*"+ext))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.Rename(name, filepath.Join(to, filepath.Base(name))); err != nil {
				return err
			}
		}
	}
	return s.objects.refresh()
}
