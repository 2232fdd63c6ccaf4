package git

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Options of a store. The zero value is what a daemon wants.
type Options struct {
	// AllowFile permits remotes that are local paths, for tests.
	AllowFile bool
	// Timeout of one Fetch, LsRemote or Push, 2 minutes when zero.
	Timeout time.Duration
	// CA holds PEM certificates that are trusted beside the system's.
	CA []byte
	// MaxPack is the most bytes one fetch may bring, 256 MiB when zero.
	MaxPack int64
}

// Store is a Git repository on disk, read without a worktree. It is a cache of its
// remote: after ErrCorrupt, remove the directory and open it again. One process
// writes to it; all methods are safe for concurrent use.
type Store struct {
	dir      string
	options  Options
	objects  *objects
	web      transport.Transport
	readOnly bool
	writing  sync.Mutex // one Fetch at a time
	commits  commitCache
}

// OpenStore opens the bare repository at dir, and makes an empty one there if none is.
func OpenStore(dir string, options Options) (*Store, error) {
	if options.Timeout == 0 {
		options.Timeout = 2 * time.Minute
	}
	if options.MaxPack == 0 {
		options.MaxPack = 256 << 20
	}
	web, err := newWeb(options)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	db, err := openObjects(dir, false)
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		if _, err = gogit.PlainInit(dir, true); err == nil {
			db, err = openObjects(dir, false)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{dir: dir, options: options, objects: db, web: web}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

// OpenRepository opens a developer's repository read-only; dir may be anywhere in it,
// in a linked worktree too. ErrNotFound when there is none.
func OpenRepository(dir string) (*Store, error) {
	db, err := openObjects(dir, true)
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, fmt.Errorf("open repository %s: %w", dir, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	return &Store{dir: dir, objects: db, readOnly: true}, nil
}

// Close gives up the store's open files.
func (s *Store) Close() error { return s.objects.close() }

// Tree returns the content of a revision, read on demand.
func (s *Store) Tree(commit Hash) (*Tree, error) {
	rev, err := s.revision(commit)
	if err != nil {
		return nil, fmt.Errorf("open tree of %s: %w", commit, err)
	}
	if _, err := s.objects.entries(rev.Tree); err != nil {
		return nil, fmt.Errorf("open tree of %s: %w", commit, err)
	}
	return &Tree{src: s.objects, root: rev.Tree}, nil
}

// sweep puts right what a killed fetch left behind.
func (s *Store) sweep() error {
	if _, err := os.Stat(s.aside()); err == nil {
		if err := s.movePacks(s.aside(), s.packDir()); err != nil {
			return err
		}
		if err := os.RemoveAll(s.aside()); err != nil {
			return err
		}
	}
	left, err := filepath.Glob(filepath.Join(s.packDir(), temporary+"*"))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// writable is nil when the store may change.
func (s *Store) writable() error {
	if s.readOnly {
		return errors.New("repository is open read-only")
	}
	return nil
}

// The store's own references: tip is the last revision fetched in order, held is a
// rewound one that waits for Accept.
const (
	tipRefs  = "refs/fairway/tip/"
	heldRefs = "refs/fairway/held/"
)

// fullName is the reference a branch name stands for.
func fullName(branch string) (plumbing.ReferenceName, error) {
	name := plumbing.ReferenceName(branch)
	if !strings.HasPrefix(branch, "refs/") {
		name = plumbing.NewBranchReferenceName(branch)
	}
	if err := name.Validate(); err != nil {
		return "", fmt.Errorf("branch %q: %w", branch, err)
	}
	return name, nil
}

// own is the store's reference for a remote one, under tipRefs or heldRefs.
func own(kind string, name plumbing.ReferenceName) plumbing.ReferenceName {
	return plumbing.ReferenceName(kind + strings.TrimPrefix(string(name), "refs/"))
}

// ref reads a reference; a missing or torn one is the zero hash. A symbolic one, HEAD,
// is the tip of the branch it names, or the branch itself in a developer's repository.
func (s *Store) ref(name plumbing.ReferenceName) Hash {
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	ref, err := s.objects.storage.Reference(name)
	for range 5 {
		if err != nil || ref.Type() != plumbing.SymbolicReference {
			break
		}
		target := ref.Target()
		if ref, err = s.objects.storage.Reference(own(tipRefs, target)); err != nil {
			ref, err = s.objects.storage.Reference(target)
		}
	}
	if err != nil || ref.Type() != plumbing.HashReference {
		return Hash{}
	}
	return Hash(ref.Hash())
}

// setRef moves a reference, and removes it for the zero hash.
func (s *Store) setRef(name plumbing.ReferenceName, h Hash) error {
	return s.objects.use(func(db *filesystem.Storage) error {
		if h.IsZero() {
			return db.RemoveReference(name)
		}
		return db.SetReference(plumbing.NewHashReference(name, plumbing.Hash(h)))
	})
}
