package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// What an SSH signature begins with, its version, and the namespace that git uses:
// a signature made for anything else says nothing about a commit.
const (
	sshMagic     = "SSHSIG"
	sshVersion   = 1
	sshNamespace = "git"
)

// sshSignature is the blob that ssh-keygen -Y sign writes, after its magic.
type sshSignature struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// sshSigned is what is really signed, after the magic.
type sshSigned struct {
	Namespace string
	Reserved  string
	Hash      string
	Sum       []byte
}

// checkSSH verifies an SSH signature and says whose it is.
func (p *Policy) checkSSH(c commit) (*Signer, error) {
	blob, err := unarmor(c.signature, sshBegin, sshEnd)
	if err != nil {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(blob, []byte(sshMagic))
	var s sshSignature
	if err := ssh.Unmarshal(rest, &s); !ok || err != nil || s.Version != sshVersion {
		return nil, fmt.Errorf("%w: the SSH signature does not parse", ErrMalformed)
	}
	if s.Namespace != sshNamespace {
		return nil, fmt.Errorf("%w: the SSH signature is for the namespace %q and not for %q", ErrBad, s.Namespace, sshNamespace)
	}
	by := p.byKey[string(s.PublicKey)]
	if by == nil {
		return nil, fmt.Errorf("SSH key %s: %w", sshName(s.PublicKey), ErrUnknownKey)
	}
	if err := s.verify(c.payload); err != nil {
		return nil, fmt.Errorf("SSH key %s: %w: %w", sshName(s.PublicKey), ErrBad, err)
	}
	return by, nil
}

// verify holds the signature against what must have been signed.
func (s *sshSignature) verify(payload []byte) error {
	key, err := ssh.ParsePublicKey(s.PublicKey)
	if err != nil {
		return err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(s.Signature, &sig); err != nil {
		return err
	}
	signed := sshSigned{Namespace: s.Namespace, Reserved: s.Reserved, Hash: s.Hash}
	switch s.Hash {
	case "sha256":
		sum := sha256.Sum256(payload)
		signed.Sum = sum[:]
	case "sha512":
		sum := sha512.Sum512(payload)
		signed.Sum = sum[:]
	default:
		return fmt.Errorf("hash %q is neither sha256 nor sha512", s.Hash)
	}
	if key.Type() == ssh.KeyAlgoRSA && sig.Format != ssh.KeyAlgoRSASHA256 && sig.Format != ssh.KeyAlgoRSASHA512 {
		return fmt.Errorf("the algorithm %q is too weak", sig.Format)
	}
	return key.Verify(append([]byte(sshMagic), ssh.Marshal(signed)...), &sig)
}

func sshName(blob []byte) string {
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return "(unreadable)"
	}
	return ssh.FingerprintSHA256(key)
}

// weakKey is DSA, which OpenSSH itself does not take any more.
const weakKey = "ssh-dss"

// readSSH reads a public key as it stands in a .pub file.
func readSSH(text string) (string, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", errors.New("read SSH key: it is not a public key")
	}
	if _, isCertificate := key.(*ssh.Certificate); isCertificate || len(options) > 0 || strings.TrimSpace(string(rest)) != "" || key.Type() == weakKey {
		return "", errors.New("read SSH key: want one public key, without options, and no certificate or DSA key")
	}
	return string(key.Marshal()), nil
}
