// Package signature judges the signatures on commits: what goes in are the raw
// bytes of a commit and the policy that says who may sign, what comes out is who
// signed, or why the commit does not count.
//
// It fails closed. What is not plainly one good signature, over exactly the bytes
// that Git signs, by a key that the policy lists and that is valid, is an error.
// It reads commits itself and strictly: two readers of one commit must not be able
// to see two different things in it.
package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Why a commit does not count; test with errors.Is.
var (
	// ErrUnsigned: there is no signature on the commit.
	ErrUnsigned = errors.New("not signed")
	// ErrMalformed: the commit or its signature is not written as Git writes it.
	ErrMalformed = errors.New("malformed")
	// ErrUnknownKey: the key is none of the policy's.
	ErrUnknownKey = errors.New("signed by a key that no signer has")
	// ErrBad: the signature is not over this commit.
	ErrBad = errors.New("signature does not match")
	// ErrExpired: the key, the signature or the signer was not valid at the time.
	ErrExpired = errors.New("not valid at the time")
	// ErrRevoked: the key or the signer was revoked.
	ErrRevoked = errors.New("revoked")
	// ErrAuthor: the author is somebody else than the signer.
	ErrAuthor = errors.New("author is not the signer")
)

// slack is how far apart the times of a commit and of its signature may be.
const slack = 24 * time.Hour

// Check says who signed a commit, given as its raw bytes, if the policy lets that
// count. With a zero time it is judged as of when the commit says it was made.
func (p *Policy) Check(raw []byte, at time.Time) (signer string, err error) {
	c, err := parse(raw)
	if err != nil {
		return "", err
	}
	var by *Signer
	switch {
	case c.signature == "":
		return "", ErrUnsigned
	case strings.HasPrefix(c.signature, pgpBegin):
		by, err = p.checkPGP(c, at)
	case strings.HasPrefix(c.signature, sshBegin):
		by, err = p.checkSSH(c)
	default:
		return "", fmt.Errorf("%w: neither a GPG nor an SSH signature", ErrMalformed)
	}
	if err != nil {
		return "", err
	}
	if at.IsZero() {
		at = c.time
	}
	return by.name, p.allowed(by, c, at)
}

// allowed says whether a signer's good signature counts.
func (p *Policy) allowed(by *Signer, c commit, at time.Time) error {
	switch {
	case by.Revoked:
		return fmt.Errorf("signer %s: %w", by.name, ErrRevoked)
	case !by.ValidAfter.IsZero() && at.Before(by.ValidAfter):
		return fmt.Errorf("signer %s: %w: signatures count from %s on", by.name, ErrExpired, by.ValidAfter.Format(time.RFC3339))
	case !by.ValidBefore.IsZero() && !at.Before(by.ValidBefore):
		return fmt.Errorf("signer %s: %w: signatures count until %s", by.name, ErrExpired, by.ValidBefore.Format(time.RFC3339))
	case p.AuthorMustSign && !slices.ContainsFunc(by.Emails, func(e string) bool { return strings.EqualFold(e, c.author) }):
		return fmt.Errorf("signer %s, author %q: %w", by.name, c.author, ErrAuthor)
	}
	return nil
}
