package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrSecret is given for secrets that cannot be used as such.
var ErrSecret = errors.New("a webhook's secret cannot be used")

// maxSecrets bounds how many secrets count at once: each costs a hash of each body.
const maxSecrets = 8

// Secret is shared with forges.
type Secret struct {
	// text is what the forge was given; key is that, or what "whsec_" and base64 of
	// it stand for in Standard Webhooks.
	text, key []byte
}

// Secrets reads secrets, one a line; empty lines do not count. One that begins
// with "whsec_" is base64 of a key after that, as Standard Webhooks has them. A
// mistake is an ErrSecret, which tells the line and nothing of the secret.
func Secrets(text string) ([]Secret, error) {
	var out []Secret
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		s := Secret{text: []byte(line), key: []byte(line)}
		if encoded, ok := strings.CutPrefix(line, "whsec_"); ok {
			key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
			if err != nil || len(key) == 0 {
				return nil, fmt.Errorf("%w: line %d begins with whsec_ and goes on with no base64", ErrSecret, n)
			}
			s.key = key
		}
		out = append(out, s)
	}
	if len(out) > maxSecrets {
		return nil, fmt.Errorf("%w: there are %d, and at most %d count at once", ErrSecret, len(out), maxSecrets)
	}
	return out, nil
}
