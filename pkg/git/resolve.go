package git

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Resolve finds a revision by what a person types: a hash or at least 4 digits of
// one, a branch, a tag, a full reference name, HEAD; each may be followed by ~n and ^n.
// Examples: main, 5394cb7, HEAD~2, refs/pull/1/head. Errors: ErrNotFound; another
// when a short hash fits several commits.
func (s *Store) Resolve(rev string) (Revision, error) {
	name, steps := splitSteps(rev)
	h, branch, err := s.named(name)
	if err != nil {
		return Revision{}, fmt.Errorf("resolve %q: %w", rev, err)
	}
	r, err := s.revision(h)
	for err == nil && steps != "" {
		var step ancestry
		if step, steps, err = nextStep(steps); err != nil {
			break
		}
		branch = ""
		for range step.times {
			if step.parent > len(r.Parents) {
				err = fmt.Errorf("%s has no parent %d: %w", r.Commit, step.parent, ErrNotFound)
				break
			}
			if r, err = s.revision(r.Parents[step.parent-1]); err != nil {
				break
			}
		}
	}
	if err != nil {
		return Revision{}, fmt.Errorf("resolve %q: %w", rev, err)
	}
	r.Branch = branch
	return r, nil
}

// ancestry is one ~n (first parent, n times) or ^n (n-th parent, once).
type ancestry struct{ parent, times int }

func splitSteps(rev string) (name, steps string) {
	if i := strings.IndexAny(rev, "~^"); i >= 0 {
		return rev[:i], rev[i:]
	}
	return rev, ""
}

// nextStep reads the first step of a string that starts with ~ or ^.
func nextStep(steps string) (ancestry, string, error) {
	mark, rest := steps[0], steps[1:]
	end := strings.IndexAny(rest, "~^")
	if end < 0 {
		end = len(rest)
	}
	n := 1
	if digits := rest[:end]; digits != "" {
		var err error
		if n, err = strconv.Atoi(digits); err != nil || n < 0 || n > maxHistory {
			return ancestry{}, "", fmt.Errorf("step %c%s is not a count", mark, digits)
		}
	}
	switch {
	case mark == '~':
		return ancestry{parent: 1, times: n}, rest[end:], nil
	case n == 0: // ^0 is the commit itself
		return ancestry{parent: 1, times: 0}, rest[end:], nil
	}
	return ancestry{parent: n, times: 1}, rest[end:], nil
}

// named finds the commit a name stands for, and the branch if it is one.
func (s *Store) named(name string) (commit Hash, branch string, err error) {
	if h, err := ParseHash(name); err == nil {
		return h, "", nil
	}
	for _, try := range []struct{ ref, branch string }{
		{tipRefs + "heads/" + name, name},
		{tipRefs + strings.TrimPrefix(name, "refs/"), name},
		{"refs/heads/" + name, name},
		{name, ""},
		{"refs/tags/" + name, ""},
		{"refs/remotes/" + name, ""},
		{"refs/remotes/origin/" + name, name},
	} {
		ref := plumbing.ReferenceName(try.ref)
		if ref.Validate() != nil {
			continue
		}
		if h := s.ref(ref); !h.IsZero() {
			h, err := s.peel(h)
			return h, try.branch, err
		}
	}
	commit, err = s.abbreviated(name)
	return commit, "", err
}

// peel follows annotated tags to their commit.
func (s *Store) peel(h Hash) (Hash, error) {
	for range 5 {
		raw, err := s.objects.read(plumbing.TagObject, h, maxCommit)
		if err != nil {
			return h, nil // not a tag: whoever reads the commit tells what is wrong
		}
		var obj plumbing.MemoryObject
		obj.SetType(plumbing.TagObject)
		if _, err := obj.Write(raw); err != nil {
			return Hash{}, err
		}
		var tag object.Tag
		if err := tag.Decode(&obj); err != nil {
			return Hash{}, fmt.Errorf("parse tag %s: %w: %w", h, ErrCorrupt, err)
		}
		h = Hash(tag.Target)
	}
	return Hash{}, fmt.Errorf("tag %s is a tag of tags: %w", h, ErrTooLarge)
}

// abbreviated finds the one commit whose hash starts with the digits.
func (s *Store) abbreviated(digits string) (Hash, error) {
	if len(digits) < 4 || len(digits) >= 40 {
		return Hash{}, ErrNotFound
	}
	prefix, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		return Hash{}, ErrNotFound
	}
	var near []plumbing.Hash
	err = s.objects.use(func(db *filesystem.Storage) (err error) {
		near, err = db.HashesWithPrefix(prefix)
		return err
	})
	if err != nil {
		return Hash{}, err
	}
	found := map[Hash]bool{}
	for _, h := range near {
		if !strings.HasPrefix(h.String(), strings.ToLower(digits)) {
			continue
		}
		if _, err := s.revision(Hash(h)); err == nil {
			found[Hash(h)] = true
		}
	}
	if len(found) > 1 {
		return Hash{}, fmt.Errorf("%d commits start with these digits", len(found))
	}
	for h := range found {
		return h, nil
	}
	return Hash{}, ErrNotFound
}
