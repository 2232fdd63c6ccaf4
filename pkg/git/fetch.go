package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// LsRemote returns where the branch is now: one list of references, nothing stored.
// Errors: ErrNotFound, ErrDenied.
func (s *Store) LsRemote(ctx context.Context, r Remote) (Hash, error) {
	ctx, cancel := s.deadline(ctx)
	defer cancel()
	u, err := s.openUpload(ctx, r)
	if err != nil {
		return Hash{}, fmt.Errorf("poll %s: %w", r, r.clean(err))
	}
	return u.tip, u.Close()
}

// Fetch brings the store up to the remote branch and returns its revision. When
// nothing moved it costs one list of references, else that and one pack. The
// new revision counts only when its whole tree and first-parent history are
// there: whatever goes wrong before leaves the store as it was, and the next Fetch
// starts anew.
//
// ErrRewound comes with the revision the remote has now. It is fetched and can be
// looked at, but the branch stays where it was until Accept. Other errors: ErrNotFound,
// ErrDenied, ErrTooLarge, ErrCorrupt.
func (s *Store) Fetch(ctx context.Context, r Remote) (Revision, error) {
	return s.FetchJudged(ctx, r, nil)
}

// Judge says whether a fetched revision may follow the last one, which is zero for
// the first that is ever fetched. Nil means that it may.
type Judge func(ctx context.Context, last, next Hash) error

// FetchJudged is Fetch, and asks a judge before a revision counts. ErrRefused comes
// with a revision that the judge refuses; it is held as a rewound one is.
func (s *Store) FetchJudged(ctx context.Context, r Remote, judge Judge) (Revision, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	ctx, cancel := s.deadline(ctx) // from now: another's fetch may have taken its time
	defer cancel()
	rev, err := s.fetch(ctx, r, judge)
	rev.Branch = r.Branch
	if err != nil {
		if !errors.Is(err, ErrRewound) && !errors.Is(err, ErrRefused) {
			rev = Revision{}
		}
		return rev, fmt.Errorf("fetch %s: %w", r, r.clean(err))
	}
	return rev, nil
}

func (s *Store) fetch(ctx context.Context, r Remote, judge Judge) (Revision, error) {
	if err := s.writable(); err != nil {
		return Revision{}, err
	}
	u, err := s.openUpload(ctx, r)
	if err != nil {
		return Revision{}, err
	}
	defer u.Close()
	last, held := s.ref(own(tipRefs, u.name)), s.ref(own(heldRefs, u.name))
	rev, err := s.revision(u.tip)
	known := err == nil && s.readable(rev.Tree)
	switch {
	case known && u.tip == last:
		return rev, nil
	case known && u.tip == held: // it is here already
	default:
		if err := s.bring(ctx, r, u, last); err != nil {
			return Revision{}, err
		}
		if rev, err = s.revision(u.tip); err != nil {
			return Revision{}, err
		}
	}
	if err := s.admit(ctx, u, last, judge); err != nil {
		return rev, err
	}
	if err := s.moveTip(u.name, u.tip); err != nil {
		return Revision{}, err
	}
	return rev, s.tidy()
}

// admit says whether a fetched revision may become the branch's tip, and holds it
// where it may not.
func (s *Store) admit(ctx context.Context, u *upload, last Hash, judge Judge) error {
	if _, err := s.revision(last); err != nil {
		last = Hash{}
	}
	if !last.IsZero() {
		forward, err := s.IsAncestor(last, u.tip)
		if err != nil {
			return err
		}
		if !forward {
			return errors.Join(s.setRef(own(heldRefs, u.name), u.tip), ErrRewound)
		}
	}
	if judge == nil {
		return nil
	}
	if err := judge(ctx, last, u.tip); err != nil {
		return errors.Join(s.setRef(own(heldRefs, u.name), u.tip), fmt.Errorf("%w: %w", err, ErrRefused))
	}
	return nil
}

// Accept lets a branch move to the rewound or refused commit that a fetch reported.
func (s *Store) Accept(branch string, commit Hash) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	name, err := fullName(branch)
	if err != nil {
		return fmt.Errorf("accept %s: %w", commit, err)
	}
	if err := s.writable(); err != nil {
		return fmt.Errorf("accept %s: %w", commit, err)
	}
	if s.ref(own(heldRefs, name)) != commit || commit.IsZero() {
		return fmt.Errorf("accept %s on %s: not the revision held there: %w", commit, branch, ErrNotFound)
	}
	return s.moveTip(name, commit)
}

// moveTip records a verified revision, so that later fetches tell the remote of it.
func (s *Store) moveTip(name plumbing.ReferenceName, h Hash) error {
	if err := s.setRef(own(tipRefs, name), h); err != nil {
		return fmt.Errorf("record %s: %w", h, err)
	}
	if name.IsBranch() && s.ref(plumbing.HEAD).IsZero() {
		head := plumbing.NewSymbolicReference(plumbing.HEAD, name)
		if err := s.objects.use(func(db *filesystem.Storage) error { return db.SetReference(head) }); err != nil {
			return fmt.Errorf("record HEAD: %w", err)
		}
	}
	return s.setRef(own(heldRefs, name), Hash{})
}

// bring transfers what the store lacks of the advertised tip, and verifies it. When
// that fails although the remote builds on what we have, or when we have packs and
// can read none, our own copy may be at fault: then everything is transferred.
func (s *Store) bring(ctx context.Context, r Remote, u *upload, last Hash) error {
	if s.objects.has(u.tip) && s.verify(u.tip, last) == nil {
		return nil // known from another branch
	}
	haves := s.haves()
	if len(haves) == 0 {
		return s.renew(func() error { return s.transfer(ctx, u, nil, Hash{}) })
	}
	err := s.transfer(ctx, u, haves, last)
	if err == nil || ctx.Err() != nil {
		return err
	}
	again, dialErr := s.openUpload(ctx, r) // ssh has one conversation a connection
	if dialErr != nil {
		return err
	}
	defer again.Close()
	if again.tip != u.tip {
		return err
	}
	return s.renew(func() error { return s.transfer(ctx, again, nil, Hash{}) })
}

// transfer fetches one pack and keeps it if it completes the tip.
func (s *Store) transfer(ctx context.Context, u *upload, haves []plumbing.Hash, last Hash) error {
	body, err := u.request(ctx, haves)
	if err != nil {
		return err
	}
	defer body.Close()
	pack, added, err := s.storePack(body)
	if err != nil {
		return err
	}
	if err := s.verify(u.tip, last); err != nil {
		if added {
			err = errors.Join(err, s.dropPack(pack))
		}
		return err
	}
	return nil
}

// haves are the commits the remote may build on: what was fetched, and a little of
// its history in case the remote was rewound.
func (s *Store) haves() []plumbing.Hash {
	const before = 32
	var haves []plumbing.Hash
	for _, tip := range s.tips() {
		revs, err := s.FirstParents(tip, before)
		if err != nil || !s.readable(revs[0].Tree) {
			continue
		}
		for _, rev := range revs {
			haves = append(haves, plumbing.Hash(rev.Commit))
		}
	}
	return haves
}

// tips are all revisions that were fetched and verified.
func (s *Store) tips() []Hash {
	var tips []Hash
	_ = s.objects.use(func(db *filesystem.Storage) error {
		refs, err := db.IterReferences()
		if err != nil {
			return err
		}
		return refs.ForEach(func(ref *plumbing.Reference) error {
			if strings.HasPrefix(string(ref.Name()), "refs/fairway/") && ref.Type() == plumbing.HashReference {
				tips = append(tips, Hash(ref.Hash()))
			}
			return nil
		})
	})
	return tips
}

func (s *Store) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.options.Timeout)
}

// upload is a conversation with a remote's upload-pack.
type upload struct {
	transport.UploadPackSession
	refs *packp.AdvRefs
	name plumbing.ReferenceName
	tip  Hash
}

// openUpload connects and asks for the list of references.
func (s *Store) openUpload(ctx context.Context, r Remote) (*upload, error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	name, err := fullName(r.Branch)
	if err != nil {
		return nil, err
	}
	open := func(t transport.Transport, ep *transport.Endpoint, auth transport.AuthMethod) (transport.UploadPackSession, error) {
		return t.NewUploadPackSession(ep, auth)
	}
	conn, err := session(ctx, s, r, open)
	if err != nil {
		return nil, err
	}
	refs, err := conn.AdvertisedReferencesContext(ctx)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	tip, err := advertised(refs, name)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &upload{UploadPackSession: conn, refs: refs, name: name, tip: tip}, nil
}

// request asks for the tip and returns the pack.
func (u *upload) request(ctx context.Context, haves []plumbing.Hash) (io.ReadCloser, error) {
	req := packp.NewUploadPackRequestFromCapabilities(u.refs.Capabilities)
	if u.refs.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, err
		}
	}
	req.Wants = []plumbing.Hash{plumbing.Hash(u.tip)}
	req.Haves = haves
	res, err := u.UploadPack(ctx, req)
	if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
		return nil, fmt.Errorf("the remote sent no pack for %s: %w", u.tip, ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	var pack io.Reader = res
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, res)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, res)
	}
	return struct {
		io.Reader
		io.Closer
	}{pack, res}, nil
}
