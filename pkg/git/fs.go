package git

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// FS is the tree as an io/fs file system: files and directories only. Symlinks and
// submodules are listed with their type and cannot be opened. Times are zero.
func (t *Tree) FS() fs.FS { return treeFS{t} }

type treeFS struct{ tree *Tree }

// Open implements fs.FS.
func (f treeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	e, err := f.tree.find(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	info := fileInfo{entry: e, name: path.Base(name), fs: f, path: name}
	if e.Kind == Dir {
		entries, err := f.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openDir{info: info, rest: entries}, nil
	}
	content, err := f.tree.ReadFile(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	info.size = int64(len(content))
	return &openFile{Reader: bytes.NewReader(content), info: info}, nil
}

// ReadFile implements fs.ReadFileFS.
func (f treeFS) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	content, err := f.tree.ReadFile(name)
	if err != nil {
		return nil, pathError("read", name, err)
	}
	return bytes.Clone(content), nil
}

// ReadDir implements fs.ReadDirFS.
func (f treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := f.tree.list(name)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	list := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		list[i] = fileInfo{entry: e, name: e.Name, fs: f, path: path.Join(name, e.Name), size: -1}
	}
	return list, nil
}

// Stat implements fs.StatFS.
func (f treeFS) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	e, err := f.tree.find(name)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return fileInfo{entry: e, name: path.Base(name), fs: f, path: name, size: -1}.Info()
}

func pathError(op, name string, err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		err = fs.ErrNotExist
	case errors.Is(err, ErrNotFile):
		err = errors.Join(err, fs.ErrInvalid)
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// fileInfo is an entry as fs.FileInfo and fs.DirEntry; its size is found on demand.
type fileInfo struct {
	entry Entry
	name  string
	fs    treeFS
	path  string
	size  int64
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return max(i.size, 0) }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.entry.Kind == Dir }
func (i fileInfo) Sys() any           { return nil }
func (i fileInfo) Type() fs.FileMode  { return i.Mode().Type() }

// Info implements fs.DirEntry; for a file it reads the blob to know its size.
func (i fileInfo) Info() (fs.FileInfo, error) {
	if i.entry.Kind == File && i.size < 0 {
		content, err := i.fs.tree.src.content(i.path, i.entry.Hash)
		if err != nil {
			return nil, pathError("stat", i.path, err)
		}
		i.size = int64(len(content))
	}
	return i, nil
}

func (i fileInfo) Mode() fs.FileMode {
	switch {
	case i.entry.Kind == Dir:
		return fs.ModeDir | 0o555
	case i.entry.Kind == Symlink:
		return fs.ModeSymlink | 0o777
	case i.entry.Kind == Submodule:
		return fs.ModeIrregular
	case i.entry.Exec:
		return 0o555
	}
	return 0o444
}

type openFile struct {
	*bytes.Reader
	info fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info fileInfo
	rest []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.path, Err: ErrNotFile}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	list := d.rest[:n:n]
	d.rest = d.rest[n:]
	return list, nil
}
