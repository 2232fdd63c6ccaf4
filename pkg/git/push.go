package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// maxPushed is how many commits one push may add.
const maxPushed = 100

// Push moves the remote branch from expect to commit, or creates it when expect is
// zero. The remote compares and swaps; nothing is ever forced, and commit must
// continue expect. ErrConflict when the branch is elsewhere. After any other error
// the branch may have moved: look with LsRemote.
func (s *Store) Push(ctx context.Context, r Remote, commit, expect Hash) error {
	ctx, cancel := s.deadline(ctx)
	defer cancel()
	if err := s.push(ctx, r, commit, expect); err != nil {
		return fmt.Errorf("push %s to %s: %w", commit, r, r.clean(err))
	}
	return nil
}

func (s *Store) push(ctx context.Context, r Remote, commit, expect Hash) error {
	name, err := fullName(r.Branch)
	if err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	if !expect.IsZero() {
		if ok, err := s.IsAncestor(expect, commit); err != nil {
			return err
		} else if !ok {
			return fmt.Errorf("it does not continue %s: %w", expect, ErrConflict)
		}
	}
	open := func(t transport.Transport, ep *transport.Endpoint, auth transport.AuthMethod) (transport.ReceivePackSession, error) {
		return t.NewReceivePackSession(ep, auth)
	}
	conn, err := session(ctx, s, r, open)
	if err != nil {
		return err
	}
	return errors.Join(s.send(ctx, conn, name, commit, expect), conn.Close())
}

// send carries out a push over an open connection.
func (s *Store) send(ctx context.Context, conn transport.ReceivePackSession, name plumbing.ReferenceName, commit, expect Hash) error {
	refs, err := conn.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	if at := Hash(refs.References[string(name)]); at != expect {
		return fmt.Errorf("%s is at %s, not %s: %w", name, at, expect, ErrConflict)
	}
	if commit == expect {
		return nil
	}
	pack, err := s.packFor(commit, refs)
	if err != nil {
		return err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	req.Commands = []*packp.Command{{Name: name, Old: plumbing.Hash(expect), New: plumbing.Hash(commit)}}
	req.Packfile = io.NopCloser(pack)
	report, err := conn.ReceivePack(ctx, req)
	if err != nil {
		return refusal(err)
	}
	if report == nil {
		return errors.New("the remote gave no report")
	}
	return refusal(report.Error())
}

// refusal tells a lost race from other reasons by the words that servers use.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	for _, race := range []string{"failed to update ref", "cannot lock ref", "failed to lock", "incorrect old value",
		"reference already exists", "fetch first", "non-fast-forward", "stale info"} {
		if strings.Contains(text, race) {
			return fmt.Errorf("%w: %w", err, ErrConflict)
		}
	}
	return err
}

// packFor packs what the remote does not have: the objects of the commits down to one
// that it advertises or that was fetched from it.
func (s *Store) packFor(commit Hash, refs *packp.AdvRefs) (io.Reader, error) {
	known := map[Hash]bool{{}: true} // what a root commit continues
	for _, h := range refs.References {
		known[Hash(h)] = true
	}
	for _, h := range s.haves() {
		known[Hash(h)] = true
	}
	p := parcel{objects: s.objects, has: map[Hash]bool{}}
	for at, commits := commit, 0; !known[at]; commits++ {
		if commits == maxPushed {
			return nil, fmt.Errorf("more than %d commits to push: %w", maxPushed, ErrTooLarge)
		}
		rev, err := s.revision(at)
		if err != nil {
			return nil, err
		}
		var parent Revision
		if len(rev.Parents) > 0 {
			if parent, err = s.revision(rev.Parents[0]); err != nil {
				return nil, err
			}
		}
		p.add(rev.Commit)
		if err := p.tree(parent.Tree, rev.Tree, 0); err != nil {
			return nil, err
		}
		at = parent.Commit
	}
	var b bytes.Buffer
	err := s.objects.use(func(db *filesystem.Storage) error {
		_, err := packfile.NewEncoder(&b, db, false).Encode(p.hashes, 0)
		return err
	})
	return &b, err
}

// parcel collects the objects of a push.
type parcel struct {
	objects *objects
	has     map[Hash]bool
	hashes  []plumbing.Hash
}

func (p *parcel) add(h Hash) {
	if !p.has[h] {
		p.has[h] = true
		p.hashes = append(p.hashes, plumbing.Hash(h))
	}
}

// tree adds what tree has and base has not at the same path.
func (p *parcel) tree(base, tree Hash, depth int) error {
	if base == tree || p.has[tree] {
		return nil
	}
	if depth > maxDepth {
		return ErrTooLarge
	}
	before, err := listing(p.objects, base)
	if err != nil {
		return err
	}
	entries, err := p.objects.entries(tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		was, _ := lookup(before, e.Name)
		switch {
		case was.Hash == e.Hash || e.Kind == Submodule:
		case e.Kind == Dir:
			var below Hash
			if was.Kind == Dir {
				below = was.Hash
			}
			if err := p.tree(below, e.Hash, depth+1); err != nil {
				return err
			}
		default:
			p.add(e.Hash)
		}
	}
	p.add(tree)
	return nil
}
