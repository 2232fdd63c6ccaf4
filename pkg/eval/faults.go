package eval

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/diag"
)

func positioned(pos token.Pos, format string, args ...any) errors.Error {
	return errors.Newf(pos, format, args...)
}

func asErrors(err error) errors.Error { return errors.Promote(err, "") }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// faults turns CUE's errors into mistakes a person can act on. dir is the
// folder whose author made them: its positions come first.
func (s *session) faults(err error, dir string) []Fault {
	return s.faultsIn(err, dir, cue.Value{}, "")
}

// faultsIn does the same and knows the value the errors are about, for
// suggestions; field is cut from the front of paths.
func (s *session) faultsIn(err error, dir string, v cue.Value, field string) []Fault {
	byField := map[string]Fault{}
	var order []string
	for _, e := range errors.Errors(err) {
		f := s.fault(e, dir, v, field)
		key := f.Field + "\x00" + f.Pos.String()
		if f.Field == "" {
			key += f.Message
		}
		if old, seen := byField[key]; seen {
			byField[key] = better(old, f)
			continue
		}
		byField[key] = f
		order = append(order, key)
	}
	out := make([]Fault, 0, len(order))
	for _, key := range order {
		out = append(out, byField[key])
	}
	return out
}

// better chooses between two things CUE says of one field: the bound that was
// broken says more than the branch of a default that did not fit.
func better(a, b Fault) Fault {
	if a.Code == "conflict" && b.Code != "conflict" {
		return b
	}
	return a
}

func (s *session) fault(e errors.Error, dir string, v cue.Value, field string) Fault {
	format, args := e.Msg()
	f := Fault{Field: fieldPath(e.Path(), field), Code: "invalid", Message: fmt.Sprintf(format, args...)}
	f.Pos, f.RulePos = placesOf(e, dir)
	if f.RulePos != nil {
		f.Rule = ruleName(*f.RulePos, f.Field)
	}
	reword(&f, v)
	return f
}

// fieldPath joins a path without definitions' names in front.
func fieldPath(parts []string, field string) string {
	for len(parts) > 0 && strings.HasPrefix(parts[0], "#") {
		parts = parts[1:]
	}
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = strings.Trim(p, `"`)
	}
	joined := strings.Join(out, ".")
	return strings.TrimPrefix(strings.TrimPrefix(joined, field), ".")
}

// placesOf finds where the author wrote the value, and where the rule stands.
func placesOf(e errors.Error, dir string) (diag.Position, *diag.Position) {
	var mine, rule diag.Position
	for _, pos := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		p := position(pos)
		if p.File == "" || p.File == "in" {
			continue
		}
		if path.Dir(p.File) == dir {
			if mine.File == "" || deeper(p, mine) {
				mine = p
			}
		} else if rule.File == "" || strings.HasPrefix(rule.File, "platform/") && strings.HasPrefix(p.File, "schema/") {
			rule = p
		}
	}
	if mine.File == "" {
		mine, rule = rule, diag.Position{}
	}
	if rule.File == "" {
		return mine, nil
	}
	return mine, &rule
}

// deeper prefers the later line: a field inside a struct over the struct's
// embedding, which CUE names as well.
func deeper(a, b diag.Position) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Column > b.Column
}

func ruleName(pos diag.Position, field string) string {
	last := field[strings.LastIndexByte(field, '.')+1:]
	dir := path.Dir(pos.File)
	return strings.TrimPrefix(dir, "platform/paths/") + ":" + path.Base(pos.File) + " " + last
}

// rewording is one of CUE's sentences and what we say instead.
type rewording struct {
	match *regexp.Regexp
	code  string
	say   func(field string, m []string) (message, hint string)
}

func rewordings() []rewording {
	re := regexp.MustCompile
	return []rewording{
		{re(`^field not allowed$`), "unknown-field", func(field string, _ []string) (string, string) {
			return field + ": there is no such field", ""
		}},
		{re(`^field is required but not present$`), "missing-field", func(field string, _ []string) (string, string) {
			return field + " is missing", "add it"
		}},
		{re(`^invalid value (.*) \(out of bound ([<>]=?|!=)(.*)\)$`), "out-of-bounds", func(field string, m []string) (string, string) {
			return fmt.Sprintf("%s: %s is %s", field, m[1], bound(m[2], m[3])), ""
		}},
		{re(`^invalid value (.*) \(out of bound =~"?(.*?)"?\)$`), "pattern", func(field string, m []string) (string, string) {
			return fmt.Sprintf("%s: %s does not have the right form", field, m[1]), "it must match " + m[2]
		}},
		{re(`^conflicting values (.*) and (.*) \(mismatched types (\w+) and (.*)\)$`), "type", func(field string, m []string) (string, string) {
			return typeMessage(field, m)
		}},
		{re(`^conflicting values (.*) and (.*)$`), "conflict", func(field string, m []string) (string, string) {
			return fmt.Sprintf("%s: %s and %s cannot both hold", field, m[1], m[2]), ""
		}},
		{re(`^incomplete value (.*)$`), "missing-field", func(field string, m []string) (string, string) {
			return field + " is missing", "want: " + m[1]
		}},
	}
}

func reword(f *Fault, v cue.Value) {
	for _, r := range rewordings() {
		if m := r.match.FindStringSubmatch(f.Message); m != nil {
			f.Code = r.code
			f.Message, f.Hint = r.say(f.Field, m)
			return
		}
	}
	if f.Field != "" {
		f.Message = f.Field + ": " + f.Message
	}
}

func bound(op, limit string) string {
	switch op {
	case "<=":
		return "more than " + limit
	case "<":
		return "not less than " + limit
	case ">=":
		return "less than " + limit
	case ">":
		return "not more than " + limit
	}
	return "not allowed to be " + limit
}

func typeMessage(field string, m []string) (string, string) {
	a, b, ta, tb := m[1], m[2], m[3], m[4]
	if isType(a) || strings.ContainsAny(a, "&|<>=") {
		a, b, ta, tb = b, a, tb, ta
	}
	_ = ta
	return fmt.Sprintf("%s: want %s, got %s", field, typeWord(tb), a), ""
}

func isType(s string) bool {
	return slices.Contains([]string{"string", "int", "bool", "number", "bytes", "float", "null"}, s)
}

func typeWord(t string) string {
	words := map[string]string{
		"int": "a whole number", "string": "a text in quotes", "bool": "true or false", "number": "a number",
		"struct": "a group of fields { ... }", "list": "a list [ ... ]",
	}
	t = strings.Trim(t, "()")
	if w, ok := words[t]; ok {
		return w
	}
	return t
}
