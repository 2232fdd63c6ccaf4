package signature

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// How signatures begin and end, as git and ssh-keygen write them.
const (
	pgpBegin = "-----BEGIN PGP SIGNATURE-----\n"
	pgpEnd   = "-----END PGP SIGNATURE-----\n"
	sshBegin = "-----BEGIN SSH SIGNATURE-----\n"
	sshEnd   = "-----END SSH SIGNATURE-----\n"
)

// unarmor returns the bytes of a text that is one armored block and nothing else:
// what stands before, after or beside it would be signed by nobody.
func unarmor(text, begin, end string) ([]byte, error) {
	text, ok := strings.CutPrefix(text, begin)
	body, after, found := strings.Cut(text, end)
	if !ok || !found || strings.TrimSpace(after) != "" {
		return nil, fmt.Errorf("%w: the signature is not one armored block", ErrMalformed)
	}
	if begin == pgpBegin {
		headers, rest, found := strings.Cut(body, "\n\n")
		if strings.HasPrefix(body, "\n") {
			headers, rest, found = "", body[1:], true
		}
		if !found {
			return nil, fmt.Errorf("%w: the signature's armor does not parse", ErrMalformed)
		}
		for line := range strings.Lines(headers) {
			if !strings.Contains(line, ": ") {
				return nil, fmt.Errorf("%w: the signature's armor does not parse", ErrMalformed)
			}
		}
		body = rest
		if i := strings.LastIndex(strings.TrimSuffix(body, "\n"), "\n="); i >= 0 {
			body = body[:i+1] // the checksum, which adds nothing to a signature
		}
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return nil, fmt.Errorf("%w: the signature's armor does not parse", ErrMalformed)
	}
	return raw, nil
}
