package git

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a path is.
type Kind uint8

// The kinds of path. The zero Kind is none of them.
const (
	File Kind = iota + 1
	Dir
	Symlink
	Submodule
)

// String is the kind in lower case.
func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Dir:
		return "directory"
	case Symlink:
		return "symlink"
	case Submodule:
		return "submodule"
	}
	return "nothing"
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Kind Kind
	// Exec is the executable bit of a File.
	Exec bool
	// Hash of the blob or tree; of the commit for a Submodule.
	Hash Hash
}

// mode is the entry's mode as Git writes it in a tree object.
func (e Entry) mode() string {
	switch {
	case e.Kind == Dir:
		return "40000"
	case e.Kind == Symlink:
		return "120000"
	case e.Kind == Submodule:
		return "160000"
	case e.Exec:
		return "100755"
	}
	return "100644"
}

// setMode is the reverse of mode. It reports whether the mode is one Git writes;
// group-writable files and zero-padded directories are, by old versions.
func (e *Entry) setMode(mode string) bool {
	switch strings.TrimLeft(mode, "0") {
	case "40000":
		e.Kind = Dir
	case "100644", "100664":
		e.Kind = File
	case "100755":
		e.Kind, e.Exec = File, true
	case "120000":
		e.Kind = Symlink
	case "160000":
		e.Kind = Submodule
	default:
		return false
	}
	return true
}

// decodeTree parses a tree object and returns its entries sorted by name. It
// refuses what no Git writes: unknown modes, empty names, names with a slash, a name
// twice. Names are otherwise unchecked: that is Check's work.
func decodeTree(raw []byte) ([]Entry, error) {
	text := string(raw) // one allocation that all names share
	entries := make([]Entry, 0, len(raw)/40+1)
	for at := 0; at < len(text); {
		space := strings.IndexByte(text[at:], ' ')
		if space < 0 || space > 7 {
			return nil, fmt.Errorf("parse tree: mode at byte %d: %w", at, ErrCorrupt)
		}
		end := strings.IndexByte(text[at+space:], 0)
		if end < 0 || at+space+end+1+len(Hash{}) > len(text) {
			return nil, fmt.Errorf("parse tree: entry at byte %d is cut off: %w", at, ErrCorrupt)
		}
		e := Entry{Name: text[at+space+1 : at+space+end]}
		if e.Name == "" || strings.Contains(e.Name, "/") || !e.setMode(text[at:at+space]) {
			return nil, fmt.Errorf("parse tree: entry at byte %d: %w", at, ErrCorrupt)
		}
		at += space + end + 1
		at += copy(e.Hash[:], text[at:])
		entries = append(entries, e)
	}
	slices.SortFunc(entries, byName)
	for i := 1; i < len(entries); i++ {
		if entries[i].Name == entries[i-1].Name {
			return nil, fmt.Errorf("parse tree: %q is there twice: %w", entries[i].Name, ErrCorrupt)
		}
	}
	return entries, nil
}

// encodeTree writes a tree object; the order of entries does not matter.
func encodeTree(entries []Entry) []byte {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, byGitOrder)
	var b bytes.Buffer
	for _, e := range sorted {
		b.WriteString(e.mode())
		b.WriteByte(' ')
		b.WriteString(e.Name)
		b.WriteByte(0)
		b.Write(e.Hash[:])
	}
	return b.Bytes()
}

// hashObject is the object ID of content of a type: "blob", "tree" or "commit".
func hashObject(kind string, content []byte) Hash {
	header := make([]byte, 0, 32)
	header = append(header, kind...)
	header = append(header, ' ')
	header = strconv.AppendInt(header, int64(len(content)), 10)
	header = append(header, 0)
	sum := sha1.New()
	sum.Write(header)
	sum.Write(content)
	return Hash(sum.Sum(nil))
}

// HashTree is the object ID of a directory; the order of entries does not matter.
func HashTree(entries []Entry) Hash { return hashObject("tree", encodeTree(entries)) }

// HashBlob is the object ID of a file's content.
func HashBlob(content []byte) Hash { return hashObject("blob", content) }

func byName(a, b Entry) int { return cmp.Compare(a.Name, b.Name) }

// byGitOrder sorts a directory as if its name ended in a slash.
func byGitOrder(a, b Entry) int {
	n := min(len(a.Name), len(b.Name))
	if c := cmp.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return cmp.Compare(a.next(n), b.next(n))
}

// next is the byte of the name at n as Git's order sees it.
func (e Entry) next(n int) int {
	switch {
	case n < len(e.Name):
		return int(e.Name[n])
	case e.Kind == Dir:
		return '/'
	}
	return 0
}

// lookup finds a name in entries sorted by name.
func lookup(entries []Entry, name string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e Entry, name string) int {
		return cmp.Compare(e.Name, name)
	})
	if !ok {
		return Entry{}, false
	}
	return entries[i], true
}
