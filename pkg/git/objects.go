package git

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

const (
	maxTree      = 32 << 20 // bytes of one tree object
	maxCommit    = 1 << 20  // bytes of one commit object
	objectMemory = 16 << 20 // bytes of recent objects, which serve as delta bases
	openPacks    = 64       // file descriptors
	largeObject  = 4 << 20  // objects above are streamed, not held
)

// objects is an object database. go-git's storage is not safe for concurrent use and
// remembers the list of packs for ever; this is, and does not.
type objects struct {
	mu      sync.Mutex
	reopen  func() *filesystem.Storage
	storage *filesystem.Storage
	packs   []plumbing.Hash
	trees   treeCache
	checked soundTrees
}

// openObjects opens the repository at or above dir.
func openObjects(dir string, above bool) (*objects, error) {
	repo, err := gogit.PlainOpenWithOptions(dir, &gogit.PlainOpenOptions{DetectDotGit: above, EnableDotGitCommonDir: above})
	if err != nil {
		return nil, err
	}
	files, ok := repo.Storer.(*filesystem.Storage)
	if !ok {
		return nil, fmt.Errorf("storage is %T", repo.Storer)
	}
	lru := cache.NewObjectLRU(objectMemory)
	options := filesystem.Options{MaxOpenDescriptors: openPacks, LargeObjectThreshold: largeObject}
	o := &objects{reopen: func() *filesystem.Storage {
		return filesystem.NewStorageWithOptions(files.Filesystem(), lru, options)
	}}
	return o, o.refresh()
}

// refresh forgets the list of packs, which a fetch, a gc or another process changed.
// The caller holds the lock or is alone.
func (o *objects) refresh() error {
	if o.storage != nil {
		_ = o.storage.Close() // descriptors for reading
	}
	o.storage = o.reopen()
	packs, err := o.storage.ObjectPacks()
	if err != nil {
		return fmt.Errorf("list packs: %w", err)
	}
	o.packs = packs
	return nil
}

// use runs f with the storage to itself.
func (o *objects) use(f func(*filesystem.Storage) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return f(o.storage)
}

// get finds an object, looking for new packs when it is not in the known ones.
// The caller holds the lock.
func (o *objects) get(kind plumbing.ObjectType, h Hash) (plumbing.EncodedObject, error) {
	obj, err := o.storage.EncodedObject(kind, plumbing.Hash(h))
	if err != nil && o.stale() {
		if err := o.refresh(); err != nil {
			return nil, err
		}
		obj, err = o.storage.EncodedObject(kind, plumbing.Hash(h))
	}
	return obj, objectError(h, err)
}

// stale reports whether there are other packs than those known. The caller holds the lock.
func (o *objects) stale() bool {
	packs, err := o.storage.ObjectPacks()
	return err == nil && !slices.Equal(packs, o.packs)
}

// read returns the bytes of an object, proven by its hash.
func (o *objects) read(kind plumbing.ObjectType, h Hash, limit int64) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj, err := o.get(kind, h)
	if err != nil {
		return nil, err
	}
	if obj.Size() > limit {
		return nil, fmt.Errorf("%s %s is %d bytes, more than %d: %w", kind, h, obj.Size(), limit, ErrTooLarge)
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, objectError(h, err)
	}
	defer r.Close()
	content := make([]byte, obj.Size())
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, objectError(h, err)
	}
	if hashObject(kind.String(), content) != h {
		return nil, fmt.Errorf("%s %s has another hash: %w", kind, h, ErrCorrupt)
	}
	return content, nil
}

// has reports whether an object is there, without reading it.
func (o *objects) has(h Hash) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.storage.HasEncodedObject(plumbing.Hash(h))
	if err != nil && o.stale() && o.refresh() == nil {
		err = o.storage.HasEncodedObject(plumbing.Hash(h))
	}
	return err == nil
}

// objectError turns go-git's errors about one object into ours: what is not missing
// and could not be read is damaged.
func objectError(h Hash, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, plumbing.ErrObjectNotFound), errors.Is(err, dotgit.ErrPackfileNotFound):
		return fmt.Errorf("object %s: %w", h, ErrNotFound)
	}
	return fmt.Errorf("object %s: %w: %w", h, ErrCorrupt, err)
}

// entries implements source.
func (o *objects) entries(h Hash) ([]Entry, error) {
	if entries, ok := o.trees.get(h); ok {
		return entries, nil
	}
	raw, err := o.read(plumbing.TreeObject, h, maxTree)
	if errors.Is(err, ErrNotFound) && h == HashTree(nil) {
		return nil, nil // Git does not store the empty tree
	}
	if err != nil {
		return nil, lostPart(h, err)
	}
	entries, err := decodeTree(raw)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", h, err)
	}
	o.trees.put(h, entries, len(raw))
	return entries, nil
}

// content implements source.
func (o *objects) content(_ string, h Hash) ([]byte, error) {
	content, err := o.read(plumbing.BlobObject, h, MaxFile)
	return content, lostPart(h, err)
}

// lostPart is an error of reading what a tree names. A fetch counts only once all of it is
// there, so what is missing was lost since: to say that it is not found would be to say
// that nothing stands at its path.
func lostPart(h Hash, err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("object %s is missing: %w", h, ErrCorrupt)
	}
	return err
}

// sound implements source.
func (o *objects) sound() *soundTrees { return &o.checked }

// close gives up the descriptors; the objects stay usable.
func (o *objects) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.storage.Close()
}
