package format

import (
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// Line is a mistake as it is read beside its place.
type Line struct {
	Pos      diag.Position
	Severity diag.Severity
	Title    string // the mistake's code
	Text     string // what is wrong and what to do, in plain lines
}

// Lines gives the mistakes of a list that are in files, in the order people read them.
func Lines(list diag.List) []Line {
	var out []Line
	for _, m := range fold(list) {
		if m.Pos.File != "" {
			out = append(out, Line{Pos: m.Pos, Severity: m.Severity, Title: clean(m.Code), Text: strings.Join(paragraphs(m), "\n")})
		}
	}
	return out
}
