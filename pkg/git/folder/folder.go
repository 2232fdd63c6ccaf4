// Package folder makes a tree of a folder on disk as it is now, committed or not.
// It gives the hashes that Git would give, so that whatever is keyed by a tree's hash
// is shared with commits.
package folder

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/fairway-dev/fairway/pkg/git"
)

// Options say what Open looks at. The zero value is everything, hashed anew.
type Options struct {
	// Roots are the paths below dir to include, all when empty.
	Roots []string
	// Cache is a file that remembers the hashes of files that did not change, so
	// that the next Open need not read them; none when empty. A damaged or
	// unwritable one only costs time.
	Cache string
}

// Open returns the tree of a working directory as it is now, committed or not,
// with the hashes Git would give it. dir is the top of the repository, if it is one.
//
// As Git does, it leaves out .git, empty directories, and what .gitignore files and
// .git/info/exclude name unless it is in the index; a nested repository is a submodule.
// Unlike Git it converts no line endings and knows no user-wide ignore file. Files
// read later must be as they were: git.ErrCorrupt when one has changed since.
func Open(dir string, options Options) (*git.Tree, error) {
	w := &dirWalk{
		src:    &dirSource{dir: dir, dirs: map[git.Hash][]git.Entry{git.HashTree(nil): nil}},
		roots:  git.NewRoots(options.Roots),
		stats:  loadStats(options.Cache),
		ignore: newIgnore(dir),
		spare:  make(chan struct{}, 2*runtime.GOMAXPROCS(0)), // half of them wait for their children
	}
	root, err := w.dir(".", w.ignore.base, false)
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", dir, err)
	}
	w.stats.save(options.Cache)
	if root.Kind == 0 {
		root.Hash = git.HashTree(nil)
	}
	return git.NewTree(w.src, root.Hash), nil
}

// dirSource is the source of a working directory.
type dirSource struct {
	dir  string
	mu   sync.Mutex
	dirs map[git.Hash][]git.Entry // complete before the tree is handed out
}

// Entries implements git.Source.
func (s *dirSource) Entries(h git.Hash) ([]git.Entry, error) {
	if entries, ok := s.dirs[h]; ok {
		return entries, nil
	}
	return nil, fmt.Errorf("directory %s: %w", h, git.ErrNotFound)
}

// Content implements git.Source.
func (s *dirSource) Content(name string, h git.Hash) ([]byte, error) {
	f, err := os.OpenInRoot(s.dir, filepath.FromSlash(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("file went away: %w", git.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, git.MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > git.MaxFile {
		return nil, fmt.Errorf("more than %d bytes: %w", git.MaxFile, git.ErrTooLarge)
	}
	if git.HashBlob(content) != h {
		return nil, fmt.Errorf("file has changed since the directory was opened: %w", git.ErrCorrupt)
	}
	return content, nil
}

// dirWalk hashes a directory. Directories are walked by a few goroutines at once.
type dirWalk struct {
	src    *dirSource
	roots  git.Roots
	stats  *statCache
	ignore *ignore
	spare  chan struct{}
}

// dir hashes one directory; ignored says that an ignore pattern names it or a parent.
// The entry has no name yet, and no kind when Git would not keep it.
func (w *dirWalk) dir(name string, rules []ignoreRule, ignored bool) (git.Entry, error) {
	full := filepath.Join(w.src.dir, filepath.FromSlash(name))
	listed, err := w.stats.list(name, full)
	if err != nil {
		return git.Entry{}, err
	}
	if i, ok := slices.BinarySearchFunc(listed.names, nameRecord{name: ".git"}, nameRecord.compare); ok {
		if name != "." {
			return git.Entry{Kind: git.Submodule, Hash: headOf(full)}, nil
		}
		listed.names = slices.Delete(listed.names, i, i+1)
	}
	if rules, err = w.ignore.below(name, listed.names, rules); err != nil {
		return git.Entry{}, err
	}
	found := make([]git.Entry, len(listed.names)) // without a kind: left out
	errs := make([]error, len(listed.names))
	var wait sync.WaitGroup
	for i := range listed.names {
		r := &listed.names[i]
		at := path.Join(name, r.name)
		in, above := w.roots.Within(at)
		if !in && !(above && r.kind.IsDir()) {
			continue
		}
		skip := ignored || w.ignore.matches(rules, at, r.kind.IsDir())
		if skip && !w.ignore.tracked(at) {
			continue
		}
		w.start(&wait, r.kind.IsDir(), func() { found[i], errs[i] = w.entry(at, r, rules, skip) })
	}
	wait.Wait()
	w.stats.keep(name, listed)
	return w.record(found), errors.Join(errs...)
}

// start does work now, or on another processor if it is large and one is spare.
func (w *dirWalk) start(wait *sync.WaitGroup, large bool, work func()) {
	if !large {
		work()
		return
	}
	select {
	case w.spare <- struct{}{}:
		wait.Go(func() { work(); <-w.spare })
	default:
		work()
	}
}

// record keeps a directory, which arrives sorted by name.
func (w *dirWalk) record(found []git.Entry) git.Entry {
	entries := slices.DeleteFunc(found, func(e git.Entry) bool { return e.Kind == 0 })
	if len(entries) == 0 {
		return git.Entry{}
	}
	h := git.HashTree(entries)
	w.src.mu.Lock()
	defer w.src.mu.Unlock()
	w.src.dirs[h] = entries
	return git.Entry{Kind: git.Dir, Hash: h}
}

// entry hashes one name.
func (w *dirWalk) entry(name string, r *nameRecord, rules []ignoreRule, ignored bool) (git.Entry, error) {
	if r.kind.IsDir() {
		e, err := w.dir(name, rules, ignored)
		e.Name = r.name
		return e, err
	}
	full := filepath.Join(w.src.dir, filepath.FromSlash(name))
	st, mode, err := lstat(full)
	if err != nil {
		return git.Entry{}, err
	}
	e := git.Entry{Name: r.name, Kind: git.File, Exec: mode&0o100 != 0}
	read := func() (git.Hash, error) { return hashFile(full, st.Size) }
	switch {
	case mode&fs.ModeSymlink != 0:
		e.Kind, e.Exec = git.Symlink, false
		read = func() (git.Hash, error) {
			target, err := os.Readlink(full)
			return git.HashBlob([]byte(filepath.ToSlash(target))), err
		}
	case !mode.IsRegular():
		return git.Entry{}, nil // sockets, pipes and devices
	}
	err = w.stats.fill(r, st, read)
	e.Hash = r.hash
	return e, err
}

// headOf is the commit of a nested repository, zero when it has none.
func headOf(dir string) git.Hash {
	s, err := git.OpenRepository(dir)
	if err != nil {
		return git.Hash{}
	}
	defer s.Close()
	head, err := s.Resolve("HEAD")
	if err != nil {
		return git.Hash{}
	}
	return head.Commit
}

// hashFile streams a file through Git's blob hash. The size goes into the hash first:
// a file that changes its size meanwhile is hashed again.
func hashFile(full string, size int64) (git.Hash, error) {
	f, err := os.Open(full)
	if err != nil {
		return git.Hash{}, err
	}
	defer f.Close()
	for range 3 {
		sum := sha1.New()
		sum.Write([]byte("blob " + strconv.FormatInt(size, 10) + "\x00"))
		n, err := io.Copy(sum, f)
		if err != nil {
			return git.Hash{}, err
		}
		if n == size {
			return git.Hash(sum.Sum(nil)), nil
		}
		size = n
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return git.Hash{}, err
		}
	}
	return git.Hash{}, fmt.Errorf("hash %s: it keeps changing", full)
}
