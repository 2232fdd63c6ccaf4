package format

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fairway-dev/fairway/pkg/diag"
)

const (
	// tab is how many columns a tab takes where a line is shown.
	tab = 4
	// widest is how many characters of a line are shown; the rest of a longer
	// line says nothing to a person.
	widest = 160
)

// source shows single lines of files. It keeps the file it read last, because
// diags come sorted by file.
type source struct {
	read  func(file string) ([]byte, error)
	file  string
	lines [][]byte
}

// line gives the line a position points at, safe to print, and how many
// columns stand before the position; -1 where no column is known.
func (s *source) line(pos diag.Position) (text string, caret int, ok bool) {
	if s.read == nil || pos.Line < 1 || pos.File == "" {
		return "", 0, false
	}
	s.load(pos.File)
	if pos.Line > len(s.lines) {
		return "", 0, false
	}
	raw := string(bytes.TrimRight(s.lines[pos.Line-1], "\r"))
	if pos.Column < 1 || pos.Column > len(raw)+1 {
		return window(show(raw), -1)
	}
	before := show(raw[:pos.Column-1])
	return window(before+show(raw[pos.Column-1:]), columns(before))
}

func (s *source) load(file string) {
	if file == s.file {
		return
	}
	s.file, s.lines = file, nil
	if content, err := s.read(file); err == nil { // a line that cannot be shown is left out
		s.lines = bytes.Split(content, []byte("\n"))
	}
}

// show makes a line of source printable, with tabs of a fixed width so that
// the caret can stand below them.
func show(raw string) string { return clean(strings.ReplaceAll(raw, "\t", strings.Repeat(" ", tab))) }

// columns counts the columns a text takes on a terminal, taking every
// character but combining marks for one column wide.
func columns(s string) int {
	n := 0
	for _, r := range s {
		if !unicode.Is(unicode.Mn, r) {
			n++
		}
	}
	return n
}

// window cuts a very long line down to what stands around the caret.
func window(line string, caret int) (string, int, bool) {
	if utf8.RuneCountInString(line) <= widest {
		return line, caret, true
	}
	runes := []rune(line)
	start := min(max(caret-widest/2, 0), len(runes)-widest)
	cut := string(runes[start : start+widest])
	if caret >= 0 {
		caret -= start
	}
	if start > 0 {
		cut = "..." + string([]rune(cut)[3:])
	}
	if start+widest < len(runes) {
		cut += "..."
	}
	return cut, caret, true
}
