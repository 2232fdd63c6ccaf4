package format

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes text that came from a repository or a cluster safe to print on
// a terminal and in a log: whatever would move the cursor, change colours,
// begin a new line or turn the direction of writing is spelled out instead.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case hostile(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case hostile(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

func isClean(s string) bool { return utf8.ValidString(s) && strings.IndexFunc(s, hostile) < 0 }

// hostile reports whether a rune does something to what is printed around it:
// control characters (C0, DEL, C1), format characters (directions of writing,
// zero-width characters, tags) and the two line separators.
func hostile(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// plainFile spells a file so that a line beginning with it is never taken for
// a command by the CI systems that read such lines from logs.
func plainFile(file string) string {
	file = clean(file)
	if trimmed := strings.TrimSpace(file); strings.HasPrefix(trimmed, "::") || strings.HasPrefix(trimmed, "##") {
		return "./" + file
	}
	return file
}
