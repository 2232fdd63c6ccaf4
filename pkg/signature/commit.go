package signature

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// commit is what is read of one: the bytes that were signed, and by what.
type commit struct {
	payload   []byte
	signature string
	author    string // the address alone
	time      time.Time
}

// maxSignature bounds a signature's text; real ones are below 4 KiB.
const maxSignature = 64 << 10

// parse takes a commit apart as git does before it verifies one: the payload is
// the commit without the header gpgsig. It refuses what git would never write.
func parse(raw []byte) (commit, error) {
	var c commit
	head, _, found := bytes.Cut(raw, []byte("\n\n"))
	if !found {
		head, found = bytes.CutSuffix(raw, []byte("\n"))
	}
	if !found || bytes.IndexByte(head, 0) >= 0 {
		return c, fmt.Errorf("%w: the commit's header does not end", ErrMalformed)
	}
	var signature strings.Builder
	var names []string
	signed := false
	for line := range bytes.Lines(append(bytes.Clone(head), '\n')) {
		name, rest, _ := strings.Cut(string(line), " ")
		switch {
		case name == "" && len(names) == 0:
			return c, fmt.Errorf("%w: the commit begins with a continuation", ErrMalformed)
		case name == "" && signed: // a continuation of the signature
			signature.WriteString(rest)
			continue
		case name == "":
			c.payload = append(c.payload, line...)
			continue
		}
		names = append(names, name)
		if signed = name == "gpgsig"; signed {
			signature.WriteString(rest)
			continue
		}
		c.payload = append(c.payload, line...)
		if err := c.header(name, strings.TrimSuffix(rest, "\n")); err != nil {
			return c, err
		}
	}
	if err := order(names); err != nil {
		return c, err
	}
	if signature.Len() > maxSignature {
		return c, fmt.Errorf("%w: a signature of %d bytes", ErrMalformed, signature.Len())
	}
	c.signature = signature.String()
	c.payload = append(c.payload, raw[len(head)+1:]...)
	return c, nil
}

// header takes in who wrote the commit and when.
func (c *commit) header(name, value string) error {
	if name != "author" && name != "committer" {
		return nil
	}
	open, end := strings.LastIndexByte(value, '<'), strings.LastIndexByte(value, '>')
	if open < 0 || end < open || strings.Count(value, "<") != 1 || strings.Count(value, ">") != 1 {
		return fmt.Errorf("%w: %s %q", ErrMalformed, name, value)
	}
	if name == "author" {
		c.author = value[open+1 : end]
		return nil
	}
	seconds, _, _ := strings.Cut(strings.TrimSpace(value[end+1:]), " ")
	at, err := strconv.ParseInt(seconds, 10, 40)
	if err != nil || at < 0 {
		return fmt.Errorf("%w: time of the committer %q", ErrMalformed, value)
	}
	c.time = time.Unix(at, 0)
	return nil
}

// order holds that the headers that mean something stand where git writes them and
// once: readers disagree about which of two counts.
func order(names []string) error {
	want := []string{"tree"}
	for _, n := range names[min(1, len(names)):] {
		if n != "parent" {
			break
		}
		want = append(want, n)
	}
	want = append(want, "author", "committer")
	for i, n := range want {
		if i >= len(names) || names[i] != n {
			return fmt.Errorf("%w: header %d of the commit is not %q", ErrMalformed, i+1, n)
		}
	}
	signatures := 0
	for _, n := range names[len(want):] {
		switch {
		case n == "gpgsig":
			signatures++
		case strings.HasPrefix(strings.ToLower(n), "gpgsig"):
			return fmt.Errorf("%w: the header %q is none of a SHA-1 repository", ErrMalformed, n)
		case n == "tree", n == "parent", n == "author", n == "committer":
			return fmt.Errorf("%w: a second header %q", ErrMalformed, n)
		}
	}
	if signatures > 1 {
		return fmt.Errorf("%w: %d signatures", ErrMalformed, signatures)
	}
	return nil
}
