package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// sentence is one of CUE's sentences and what is said instead.
type sentence struct {
	match *regexp.Regexp
	code  string
	// say gives the message after the field's name.
	say func(m []string) string
}

func sentences() []sentence {
	re := regexp.MustCompile
	return []sentence{
		{re(`^field not allowed$`), "unknown-field", func([]string) string { return "there is no such field" }},
		{re(`^field is required but not present$`), "missing-field", func([]string) string { return "is missing" }},
		{re(`^required field missing: (.*)$`), codeDerived, func(m []string) string { return "cannot be had without " + m[1] }},
		{re(`^incomplete value (.*)$`), "missing-field", func([]string) string { return "is missing" }},
		{re(`^invalid value (.*) \(out of bound =~"(.*)"\)$`), "pattern", mismatch},
		{re(`^invalid value (.*) \(out of bound !~"(.*)"\)$`), "pattern", func(m []string) string {
			return fmt.Sprintf("%s is not allowed (it matches %s)", m[1], unquote(m[2]))
		}},
		{re(`^invalid value (.*) \(out of bound (<=|>=|<|>|!=)(.*)\)$`), "out-of-bounds", func(m []string) string {
			return fmt.Sprintf("%s %s", m[1], bound(m[2], m[3]))
		}},
		{re(`^conflicting values (.*) and (.*) \(mismatched types (\S+) and (.*)\)$`), "type", mistyped},
		{re(`^conflicting values (.*) and (.*)$`), "conflict", func(m []string) string {
			return fmt.Sprintf("%s and %s cannot both be", m[1], m[2])
		}},
		{re(`^incompatible list lengths \((\d+) and (\d+)\)$`), "out-of-bounds", func(m []string) string {
			return fmt.Sprintf("has %s entries and needs at least %s", m[1], m[2])
		}},
		{re(`^reference "(.*)" not found$`), "unknown-reference", func(m []string) string {
			return fmt.Sprintf("%s is not defined; a text stands in quotes", m[1])
		}},
	}
}

// reword says a mistake in the field's own words, with what to do about it.
func (r Reading) reword(f *protocol.Fault) {
	for _, s := range sentences() {
		m := s.match.FindStringSubmatch(f.Message)
		if m == nil {
			continue
		}
		f.Code = s.code
		if s.code == "unknown-field" {
			r.shorten(f)
		}
		f.Message = f.Field + ": " + s.say(m)
		f.Hint = r.hint(f, m)
		return
	}
	if f.Field != "" {
		f.Message = f.Field + ": " + f.Message
	}
}

// shorten goes up to the first field that is not allowed: CUE names what stands
// in it.
func (r Reading) shorten(f *protocol.Fault) {
	if !r.Def.Exists() {
		return
	}
	parts := strings.Split(f.Field, ".")
	for i := 1; i < len(parts); i++ {
		field := strings.Join(parts[:i], ".")
		if r.At(field).Exists() {
			continue
		}
		f.Field = field
		if pos, ok := r.Written[field]; ok {
			f.Pos = pos
		}
		return
	}
}

func (r Reading) hint(f *protocol.Fault, m []string) string {
	last := f.Field[strings.LastIndexByte(f.Field, '.')+1:]
	switch f.Code {
	case "unknown-field":
		names := r.allowed(f.Field)
		if near := diag.Nearest(last, names); near != "" {
			return fmt.Sprintf("did you mean %s?", near)
		}
		if len(names) > 0 {
			return "what can stand here: " + strings.Join(names, ", ")
		}
		return r.meaning(f.Field[:max(strings.LastIndexByte(f.Field, '.'), 0)]) // names are free, within their form
	case "pattern":
		if options := alternatives(m[2]); options != nil {
			if near := diag.Nearest(strings.Trim(m[1], `"`), options); near != "" {
				return fmt.Sprintf("did you mean %q?", near)
			}
		}
	}
	return r.meaning(f.Field)
}

// mismatch says what a text should look like; a rule that lists words is told
// as those words.
func mismatch(m []string) string {
	if options := alternatives(m[2]); options != nil {
		return fmt.Sprintf("%s is none of %s", m[1], strings.Join(options, ", "))
	}
	return fmt.Sprintf("%s does not have the right form, which is %s", m[1], unquote(m[2]))
}

// alternatives reads the words out of a pattern such as "^(heal|report)$".
func alternatives(pattern string) []string {
	inner, ok := strings.CutPrefix(pattern, "^(")
	if !ok {
		return nil
	}
	inner, ok = strings.CutSuffix(inner, ")$")
	if !ok || strings.ContainsAny(inner, `[](){}*+?.\^$`) {
		return nil
	}
	return strings.Split(inner, "|")
}

func unquote(pattern string) string { return strings.ReplaceAll(pattern, `\\`, `\`) }

func bound(op, limit string) string {
	switch op {
	case "<=":
		return "is more than " + limit
	case "<":
		return "is not less than " + limit
	case ">=":
		return "is less than " + limit
	case ">":
		return "is not more than " + limit
	}
	return "is taken or not allowed here"
}

// mistyped says what kind of value is wanted. CUE names the two values in
// either order; the type is the one that is not written as a value.
func mistyped(m []string) string {
	value, want := m[1], m[4]
	if isType(m[1]) || strings.ContainsAny(m[1], "&|<>=") {
		value, want = m[2], m[3]
	}
	return fmt.Sprintf("want %s, got %s", typeWord(want), value)
}

func isType(s string) bool {
	return slices.Contains([]string{"string", "int", "bool", "number", "bytes", "float", "null"}, s)
}

func typeWord(t string) string {
	words := map[string]string{
		"int": "a whole number", "string": "a text in quotes", "bool": "true or false", "number": "a number",
		"struct": "a group of fields { ... }", "list": "a list [ ... ]",
	}
	if w, ok := words[strings.Trim(t, "()")]; ok {
		return w
	}
	return t
}
