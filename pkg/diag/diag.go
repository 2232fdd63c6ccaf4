// Package diag says what is wrong, where, and what to do.
//
// A user's mistake is data, not an error: every stage that reads what people
// wrote returns a [List], and the commands, the daemon and the forges print
// that same list. Operational errors (a cluster that does not answer, a full
// disk) are ordinary Go errors and never become a Diag.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a Diag holds what it speaks of.
type Severity string

// The severities: an Error holds its subject at the last good state, a
// Warning is only said.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Position is a place in a file of the repository, as people count: the first
// line is 1, the first column is 1, columns are bytes. Line 0 means the whole file.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String spells the position as compilers do: "teams/shop/cart/service.cue:14:9".
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Related is a second place that takes part in the mistake: the rule that was
// broken, or the other of two declarations.
type Related struct {
	Pos  Position `json:"position"`
	Note string   `json:"note"`
}

// Diag is one mistake in what people wrote.
type Diag struct {
	// Code is stable and searchable. Example: "unknown-field".
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Pos      Position `json:"position"`
	// Message says what is wrong, in one line. Example: "scale.max: 1200 is more than 200".
	Message string `json:"message"`
	// Rule names what was broken, if a definition says it. Example: "schema.#Scale.max".
	Rule string `json:"rule,omitempty"`
	// Hint says what to do.
	Hint    string    `json:"hint,omitempty"`
	Related []Related `json:"related,omitempty"`
	// Secret says that the line at the position holds a secret and is not for showing.
	Secret bool `json:"secret,omitempty"`
	// Subject is what the mistake holds; the zero Subject is the whole repository.
	Subject Subject `json:"subject"`
}

// Subject names what a Diag speaks of, and so what it holds: every unit that
// matches all the non-empty fields.
type Subject struct {
	Team        string `json:"team,omitempty"`
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	Cluster     string `json:"cluster,omitempty"`
	Path        string `json:"path,omitempty"`
}

// String spells the subject for people. Example: "service checkout in prod".
func (s Subject) String() string {
	var parts []string
	add := func(kind, name string) {
		if name != "" {
			parts = append(parts, kind+" "+name)
		}
	}
	add("service", s.Service)
	if s.Service == "" {
		add("team", s.Team)
	}
	add("path", s.Path)
	add("environment", s.Environment)
	add("cluster", s.Cluster)
	if len(parts) == 0 {
		return "the repository"
	}
	return strings.Join(parts, ", ")
}

// List is a set of mistakes. The zero List says that nothing is wrong.
type List []Diag

// Errors reports whether the list holds anything that stops a change.
func (l List) Errors() bool {
	return slices.ContainsFunc(l, func(d Diag) bool { return d.Severity == Error })
}

// Count gives the number of errors and of warnings.
func (l List) Count() (errors, warnings int) {
	for _, d := range l {
		if d.Severity == Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// Sorted returns the list in the order people read it, by file and line, with
// repetitions dropped. The receiver is not changed.
func (l List) Sorted() List {
	out := slices.Clone(l)
	slices.SortStableFunc(out, compare)
	return slices.CompactFunc(out, func(a, b Diag) bool { return compare(a, b) == 0 })
}

func compare(a, b Diag) int {
	return cmp.Or(
		cmp.Compare(a.Pos.File, b.Pos.File),
		cmp.Compare(a.Pos.Line, b.Pos.Line),
		cmp.Compare(a.Pos.Column, b.Pos.Column),
		cmp.Compare(a.Severity, b.Severity),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Subject.String(), b.Subject.String()),
	)
}

// Many says how many there are of something, as a person would.
// Example: "1 unit", "2 units", "0 units".
func Many(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
