// Package git reads a platform's revisions: what goes in is a remote and a
// branch, what comes out is a [Revision] and its [Tree].
//
// A [Store] is a bare repository on disk that follows a remote. A [Tree] is a
// directory by content; it comes from a commit ([Store.Tree]) or from a working
// directory ([github.com/fairway-dev/fairway/pkg/git/folder]), and the two give the same hashes for the same bytes, so
// whatever is keyed by a tree hash is shared between them. [Diff] walks only what
// differs.
//
// The one thing to know: fetched content never becomes a worktree. Nothing here
// follows a symlink, a submodule, a filter, a hook or an attribute.
package git

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Errors that callers branch on; test with errors.Is.
var (
	// ErrNotFound: no such revision, branch, repository, path or object.
	ErrNotFound = errors.New("not found")
	// ErrNotFile: the path is a directory, a symlink or a submodule.
	ErrNotFile = errors.New("not a regular file")
	// ErrTooLarge: a cap on sizes, depth or counts was met.
	ErrTooLarge = errors.New("too large")
	// ErrCorrupt: bytes do not match their hash, or do not parse.
	ErrCorrupt = errors.New("corrupt")
	// ErrRewound: the branch no longer contains, along first parents, the
	// revision that was fetched before. Nothing moves until [Store.Accept].
	ErrRewound = errors.New("branch was rewound")
	// ErrRefused: the judge of a fetch refuses the revision. Nothing moves until the
	// branch does, or [Store.Accept].
	ErrRefused = errors.New("revision is refused")
	// ErrConflict: the remote branch is not where a push expected it.
	ErrConflict = errors.New("branch has moved")
	// ErrDenied: the remote wants other credentials.
	ErrDenied = errors.New("access denied")
)

// Hash is a Git object ID, the content address of a blob, tree or commit.
// Example: 4b825dc642cb6eb9a060e54bf8d69288fbee4904, the empty tree.
type Hash [20]byte

// ParseHash reads 40 hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != hex.EncodedLen(len(h)) {
		return Hash{}, fmt.Errorf("parse hash %q: want 40 hexadecimal digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("parse hash %q: %w", s, err)
	}
	return h, nil
}

// String returns 40 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes a hash as 40 digits, and the zero hash as nothing.
func (h Hash) MarshalText() ([]byte, error) {
	if h.IsZero() {
		return nil, nil
	}
	return []byte(h.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*h = Hash{}
		return nil
	}
	*h, err = ParseHash(string(text))
	return err
}

// Revision is a commit as the platform speaks of it. Author and Subject are as the
// committer wrote them and are not to be trusted in markup, paths or names.
type Revision struct {
	// Branch it was fetched or resolved by: "main", or a full name such as
	// "refs/pull/1/head"; empty when it was asked for by hash.
	Branch string
	Commit Hash
	// Tree is the content address of everything at this revision.
	Tree Hash
	// Parents, the first parent first; none for a root commit.
	Parents []Hash
	// Time of the commit as the committer claims it.
	Time    time.Time
	Author  string
	Subject string
}

// String is the one spelling of a revision.
// Example: main@sha1:5394cb7f48332b2de7c17dd8b8384bbc84b7e738
func (r Revision) String() string { return r.Branch + "@sha1:" + r.Commit.String() }
