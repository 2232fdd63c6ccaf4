// Package explain turns what CUE says of a mistake into something a person can
// act on: one mistake a field, at the place in the author's own file, in words.
package explain

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
)

// Reading is what is known about the files in which CUE found mistakes.
type Reading struct {
	// Dir is the folder whose author made the mistakes: its places come first.
	Dir string
	// Field is cut from the front of paths.
	Field string
	// Written are the places of the fields the author wrote.
	Written map[string]diag.Position
	// Def is the definition the author writes against, for suggestions.
	Def cue.Value
}

// Faults turns CUE's errors into mistakes a person can act on. CUE says one
// mistake several times: as the branch of a default that did not fit, as each
// rule it breaks, and as what could not be derived from it. One is kept a field.
func (r Reading) Faults(err error) []protocol.Fault {
	byField := map[string]protocol.Fault{}
	var order []string
	for _, e := range errors.Errors(err) {
		f, ok := r.fault(e)
		if !ok {
			continue
		}
		key := f.Field
		if key == "" {
			key = f.Pos.String() + f.Message
		}
		old, seen := byField[key]
		if !seen {
			order = append(order, key)
		}
		if !seen || rank(f.Code) > rank(old.Code) {
			byField[key] = f
		}
	}
	out := make([]protocol.Fault, 0, len(order))
	for _, key := range order {
		if f := byField[key]; f.Code != codeDerived || len(order) == 1 {
			out = append(out, f)
		}
	}
	out = r.causes(out)
	if len(out) == 0 { // everything CUE said was a consequence of something it did not say
		out = append(out, protocol.Fault{Code: "invalid", Message: errors.Details(err, nil), Pos: diag.Position{File: r.Dir}})
	}
	return out
}

// causes leaves out what is said again of a field that the platform derives from
// one the author wrote: the same words by the same rule.
func (r Reading) causes(list []protocol.Fault) []protocol.Fault {
	text := func(f protocol.Fault) string { return strings.TrimPrefix(f.Message, f.Field) }
	return slices.DeleteFunc(slices.Clone(list), func(f protocol.Fault) bool {
		return path.Dir(f.Pos.File) != r.Dir && slices.ContainsFunc(list, func(g protocol.Fault) bool {
			return path.Dir(g.Pos.File) == r.Dir && g.RulePos != nil && *g.RulePos == f.Pos && text(g) == text(f)
		})
	})
}

// codeDerived marks what only follows from another mistake.
const codeDerived = "derived"

// rank prefers, among what CUE says of one field, the rule that was broken.
func rank(code string) int {
	return slices.Index([]string{codeDerived, "invalid", "conflict", "missing-field", "type", "pattern", "out-of-bounds", "unknown-field"}, code)
}

func (r Reading) fault(e errors.Error) (protocol.Fault, bool) {
	format, args := e.Msg()
	f := protocol.Fault{Field: r.path(e.Path()), Code: "invalid", Message: fmt.Sprintf(format, args...)}
	if inner := errors.Errors(errors.Unwrap(e)); f.Message == "import failed" && len(inner) > 0 {
		format, args = inner[0].Msg()
		f.Code, f.Message = "import", fmt.Sprintf(format, args...)
		e = inner[0]
	}
	if strings.Contains(f.Message, "errors in empty disjunction") {
		return f, false // what follows says what they are
	}
	written := r.place(&f, e)
	r.reword(&f)
	if pos, ok := r.Written[f.Field]; ok && !written && f.Code == "out-of-bounds" {
		f.Pos, written = pos, true // of lists that are too short CUE does not say where they stand
	}
	if !written && f.RulePos != nil && rank(f.Code) != rank("missing-field") && f.Code != codeDerived {
		// Nothing the author wrote takes part: the mistake is in what they import.
		f.Pos, f.RulePos = *f.RulePos, nil
		f.Hint = "this is for the owner of " + path.Dir(f.Pos.File) + " to mend"
	}
	return f, true
}

// path joins a path without the definition's name or the file's field in front.
func (r Reading) path(parts []string) string {
	for len(parts) > 0 && strings.HasPrefix(parts[0], "#") {
		parts = parts[1:]
	}
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = strings.Trim(p, `"`)
	}
	joined := strings.Join(out, ".")
	if r.Field != "" {
		joined = strings.TrimPrefix(strings.TrimPrefix(joined, r.Field), ".")
	}
	return joined
}

// place finds where the author wrote the value, and where the rule stands. It
// reports whether the author wrote anything of it.
func (r Reading) place(f *protocol.Fault, e errors.Error) bool {
	var mine, rule diag.Position
	for _, pos := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		p := syntax.Position(pos)
		switch {
		case p.File == "":
		case path.Dir(p.File) != r.Dir:
			if rule.File == "" {
				rule = p
			}
		case mine.File == "" || p.Line > mine.Line || p.Line == mine.Line && p.Column > mine.Column:
			mine = p // the field, and not the embedding of the definition above it
		}
	}
	if pos, ok := r.Written[f.Field]; ok && mine.File == "" {
		mine = pos // a rule that speaks for itself names its own place alone
	}
	f.Pos = mine
	if mine.File == "" {
		f.Pos = r.nearest(f.Field)
	}
	switch {
	case f.Pos.File == "":
		f.Pos = rule
	case rule.File != "":
		f.RulePos = &rule
	}
	return mine.File != ""
}

// nearest is where a field would be written: in the nearest group around it
// that is, or at the top of the file.
func (r Reading) nearest(field string) diag.Position {
	for field != "" {
		field = field[:max(strings.LastIndexByte(field, '.'), 0)]
		if pos, ok := r.Written[field]; ok {
			return pos
		}
	}
	first := diag.Position{}
	for _, pos := range r.Written {
		if first.File == "" || pos.File == first.File && pos.Line < first.Line {
			first = pos
		}
	}
	return first
}

// At looks a field up in the definition, through the names that people choose.
func (r Reading) At(field string) cue.Value {
	v := r.Def
	if field == "" || !v.Exists() {
		return v
	}
	for name := range strings.SplitSeq(field, ".") {
		next := v.LookupPath(cue.MakePath(cue.Str(name)))
		if !next.Exists() {
			next = v.LookupPath(cue.MakePath(cue.Str(name).Optional()))
		}
		if !next.Exists() {
			next = v.LookupPath(cue.MakePath(cue.AnyString))
		}
		if !next.Exists() {
			return cue.Value{}
		}
		v = next
	}
	return v
}

// allowed lists the fields that could stand beside one.
func (r Reading) allowed(field string) []string {
	group := r.At(field[:max(strings.LastIndexByte(field, '.'), 0)])
	if !group.Exists() {
		return nil
	}
	fields, err := group.Fields(cue.Optional(true))
	if err != nil {
		return nil
	}
	var names []string
	for fields.Next() {
		names = append(names, strings.Trim(fields.Selector().String(), `?!"`))
	}
	return names
}

// meaning is what the definition says a field is.
func (r Reading) meaning(field string) string {
	var text string
	v := r.At(field)
	if !v.Exists() {
		return ""
	}
	for _, group := range v.Doc() {
		if t := strings.TrimSpace(group.Text()); t != "" {
			text = t // the last is the field's own; earlier ones are its type's
			break
		}
	}
	text, _, _ = strings.Cut(text, "\n\n")
	return strings.ReplaceAll(text, "\n", " ")
}
