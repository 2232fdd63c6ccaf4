package signature

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// checkPGP verifies a GPG signature and says whose it is.
func (p *Policy) checkPGP(c commit, at time.Time) (*Signer, error) {
	blob, err := unarmor(c.signature, pgpBegin, pgpEnd)
	if err != nil {
		return nil, err
	}
	sig, err := onePacket(blob)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		if apart := sig.CreationTime.Sub(c.time).Abs(); apart > slack {
			return nil, fmt.Errorf("%w: it was signed %s from when it was committed", ErrExpired, apart.Round(time.Hour))
		}
		at = c.time
		if sig.CreationTime.After(at) {
			at = sig.CreationTime
		}
	}
	config := &packet.Config{Time: func() time.Time { return at }}
	entity, err := openpgp.CheckDetachedSignature(p.keys, bytes.NewReader(c.payload), bytes.NewReader(blob), config)
	switch {
	case err == nil:
		return p.byKey[fingerprint(entity)], nil
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return nil, fmt.Errorf("GPG key %016X: %w", *sig.IssuerKeyId, ErrUnknownKey)
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return nil, fmt.Errorf("GPG key %016X: %w", *sig.IssuerKeyId, ErrRevoked)
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrSignatureOlderThanKey):
		return nil, fmt.Errorf("GPG key %016X: %w: %w", *sig.IssuerKeyId, ErrExpired, err)
	}
	return nil, fmt.Errorf("GPG key %016X: %w: %w", *sig.IssuerKeyId, ErrBad, err)
}

// onePacket reads a signature that is one packet, over bytes, with a hash that holds.
func onePacket(blob []byte) (*packet.Signature, error) {
	packets := packet.NewReader(bytes.NewReader(blob))
	first, err := packets.Next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	sig, ok := first.(*packet.Signature)
	if !ok || sig.IssuerKeyId == nil {
		return nil, fmt.Errorf("%w: the GPG signature is not one", ErrMalformed)
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: the GPG signature is more than one", ErrMalformed)
	}
	switch sig.Hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512:
	default:
		return nil, fmt.Errorf("%w: the hash %s is too weak", ErrBad, sig.Hash)
	}
	if sig.SigType != packet.SigTypeBinary {
		return nil, fmt.Errorf("%w: a GPG signature of type %d", ErrMalformed, sig.SigType)
	}
	return sig, nil
}

func fingerprint(e *openpgp.Entity) string { return string(e.PrimaryKey.Fingerprint) }

// readPGP reads the one public key of an armored text.
func readPGP(text string) (*openpgp.Entity, error) {
	list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read GPG key: %w", err)
	}
	if len(list) != 1 || list[0].PrivateKey != nil {
		return nil, errors.New("read GPG key: want one public key in a block")
	}
	return list[0], nil
}
