package git

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Edit is a commit to be made on top of a revision.
type Edit struct {
	// Base is the parent; zero makes a root commit.
	Base Hash
	// Files by path with their whole new content; nil content deletes. A file that
	// exists keeps its executable bit.
	Files map[string][]byte
	// Message; its first line is the subject.
	Message string
	// Author in the form "Name <mail>", the committer too.
	Author string
	// Time of the commit, now when zero. The same edit at the same time is the same
	// commit.
	Time time.Time
}

// Commit writes an edit into the object database and returns its commit, which no
// branch has until Push. An edit that changes nothing returns Base. Errors:
// ErrNotFound for a file to delete that is not there; ErrNotFile where a path leads
// through a file, symlink or submodule.
func (s *Store) Commit(ctx context.Context, e Edit) (Hash, error) {
	h, err := s.commit(ctx, e)
	if err != nil {
		return Hash{}, fmt.Errorf("commit on %s: %w", e.Base, err)
	}
	return h, nil
}

func (s *Store) commit(ctx context.Context, e Edit) (Hash, error) {
	if err := s.writable(); err != nil {
		return Hash{}, err
	}
	if err := e.check(); err != nil {
		return Hash{}, err
	}
	root := HashTree(nil)
	if !e.Base.IsZero() {
		base, err := s.revision(e.Base)
		if err != nil {
			return Hash{}, err
		}
		root = base.Tree
	}
	if err := ctx.Err(); err != nil {
		return Hash{}, err
	}
	tree, err := s.rewrite(root, e.Files)
	if err != nil {
		return Hash{}, err
	}
	if tree == root && !e.Base.IsZero() {
		return e.Base, nil
	}
	return s.write(plumbing.CommitObject, e.encode(tree))
}

// check refuses what would not come back as it went in.
func (e Edit) check() error {
	name, rest, ok := strings.Cut(e.Author, " <")
	mail, end, closed := strings.Cut(rest, ">")
	if !ok || !closed || end != "" || strings.ContainsAny(name+mail, "<>\n\x00") {
		return fmt.Errorf("author %q: want Name <mail>", e.Author)
	}
	if e.Message == "" || strings.ContainsRune(e.Message, 0) {
		return fmt.Errorf("message %q: empty, or has a zero byte", e.Message)
	}
	for name, content := range e.Files {
		if !fs.ValidPath(name) || name == "." {
			return fmt.Errorf("path %q is not a relative path", name)
		}
		for part := range strings.SplitSeq(name, "/") {
			if why := nameFault(part); why != "" {
				return fmt.Errorf("path %q: %q %s", name, part, why)
			}
		}
		if len(content) > MaxFile {
			return fmt.Errorf("file %s is %d bytes: %w", name, len(content), ErrTooLarge)
		}
	}
	return nil
}

// encode is the commit object.
func (e Edit) encode(tree Hash) []byte {
	when := e.Time
	if when.IsZero() {
		when = time.Now()
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", tree)
	if !e.Base.IsZero() {
		fmt.Fprintf(&b, "parent %s\n", e.Base)
	}
	stamp := fmt.Sprintf("%s %d +0000", e.Author, when.Unix())
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s", stamp, stamp, e.Message)
	if !strings.HasSuffix(e.Message, "\n") {
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// rewrite returns the tree with files put in or taken out; paths are relative to it.
func (s *Store) rewrite(tree Hash, files map[string][]byte) (Hash, error) {
	old, err := s.objects.entries(tree)
	if err != nil {
		return Hash{}, err
	}
	below := map[string]map[string][]byte{} // by first part, then by the rest of the path
	for name, content := range files {
		first, rest, _ := strings.Cut(name, "/")
		if below[first] == nil {
			below[first] = map[string][]byte{}
		}
		below[first][rest] = content
	}
	entries := slices.DeleteFunc(slices.Clone(old), func(e Entry) bool { return below[e.Name] != nil })
	for name, files := range below {
		e, exists := lookup(old, name)
		if e, err = s.put(e, exists, files); err != nil {
			return Hash{}, fmt.Errorf("%s: %w", name, err)
		}
		if e.Name = name; e.Kind != 0 {
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return HashTree(nil), nil
	}
	return s.write(plumbing.TreeObject, encodeTree(entries))
}

// put applies files to one entry: a file of the empty name is the entry itself. An
// entry that is gone has no kind.
func (s *Store) put(e Entry, exists bool, files map[string][]byte) (Entry, error) {
	content, itself := files[""]
	switch {
	case itself && len(files) > 1:
		return Entry{}, fmt.Errorf("both a file and a directory: %w", ErrNotFile)
	case itself && exists && e.Kind != File, !itself && exists && e.Kind != Dir:
		return Entry{}, fmt.Errorf("a %s: %w", e.Kind, ErrNotFile)
	case itself && content == nil && !exists:
		return Entry{}, ErrNotFound
	case itself && content == nil:
		return Entry{}, nil
	case itself:
		h, err := s.write(plumbing.BlobObject, content)
		return Entry{Kind: File, Exec: e.Exec, Hash: h}, err
	}
	dir := HashTree(nil)
	if exists {
		dir = e.Hash
	}
	h, err := s.rewrite(dir, files)
	if err != nil || h == HashTree(nil) {
		return Entry{}, err
	}
	return Entry{Kind: Dir, Hash: h}, nil
}

// write stores a loose object unless it is there.
func (s *Store) write(kind plumbing.ObjectType, content []byte) (Hash, error) {
	h := hashObject(kind.String(), content)
	if s.objects.has(h) {
		return h, nil
	}
	obj := &plumbing.MemoryObject{}
	obj.SetType(kind)
	if _, err := obj.Write(content); err != nil {
		return Hash{}, err
	}
	err := s.objects.use(func(db *filesystem.Storage) error {
		_, err := db.SetEncodedObject(obj)
		return err
	})
	if err != nil {
		return Hash{}, fmt.Errorf("write %s %s: %w", kind, h, err)
	}
	return h, nil
}
