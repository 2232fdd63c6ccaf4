package git

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecodeCommit: a commit that is not as it should be is damage and not a panic,
// and what is told of one fits on a line.
func FuzzDecodeCommit(f *testing.F) {
	f.Add([]byte("tree 0123456789012345678901234567890123456789\nparent 0123456789012345678901234567890123456789\nauthor A <a@example.com> 1700000000 +0000\ncommitter C <c@example.com> 1700000001 -0130\n\nsubject\n\nbody\n"))
	f.Add([]byte("tree 0123456789012345678901234567890123456789\nauthor A <a@example.com> 99999999999999999999 +9999\ngpgsig -----BEGIN\n x\n -----END\n\n"))
	f.Add([]byte("tree zz\nparent\nauthor <>\ncommitter\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rev, err := decodeCommit(Hash{1}, raw)
		if err == nil && utf8.Valid(raw) && strings.ContainsAny(rev.Subject, "\n") {
			t.Errorf("the subject %q has several lines", rev.Subject)
		}
	})
}
