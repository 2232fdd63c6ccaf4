package explain

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
)

// Breaches turns what CUE says of data that do not meet a policy's rule into
// what is wrong and the smallest change that mends it: one a field, with the place
// of the constraint in the policy's file.
func Breaches(err error, file string, in map[string]any) []protocol.Violation {
	byField := map[string]protocol.Violation{}
	codes := map[string]string{}
	var order []string
	for _, e := range errors.Errors(err) {
		v, code := breach(e, file, in)
		if code == codeDerived && len(order) > 0 {
			continue
		}
		if _, seen := byField[v.Field]; !seen {
			order = append(order, v.Field)
		} else if rank(code) <= rank(codes[v.Field]) {
			continue
		}
		byField[v.Field], codes[v.Field] = v, code
	}
	out := make([]protocol.Violation, 0, len(order))
	for _, field := range order {
		if len(out) < protocol.MaxViolations {
			out = append(out, byField[field])
		}
	}
	return out
}

func breach(e errors.Error, file string, in map[string]any) (protocol.Violation, string) {
	format, args := e.Msg()
	said := fmt.Sprintf(format, args...)
	v := protocol.Violation{Field: belowIn(e.Path()), Rule: ruleIn(e, file)}
	if strings.Contains(said, "errors in empty disjunction") {
		v.Message, v.Fix = "is none of what it may be", "see the rule"
		return v, codeDerived
	}
	for _, s := range sentences() {
		m := s.match.FindStringSubmatch(said)
		if m == nil {
			continue
		}
		v.Message = s.say(m)
		v.Fix = fix(s.code, m, Shown(v.Field), valueAt(in, v.Field))
		if s.code == "conflict" {
			v.Message = fmt.Sprintf("is %s", valueAt(in, v.Field))
		}
		if s.code == "out-of-bounds" && m[2] == "!=" {
			v.Message = m[1] + " is not allowed"
		}
		v.Message, v.Fix = clip(v.Message), clip(v.Fix)
		return v, s.code
	}
	v.Message = clip(said)
	return v, "invalid"
}

// belowIn is the path of a field below in.
func belowIn(path []string) string {
	for i, p := range path {
		if p == "in" {
			path = path[i+1:]
			break
		}
	}
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = strings.Trim(p, `"`)
	}
	return strings.Join(parts, ".")
}

// ruleIn is where in the policy's file the constraint stands: the last place of it
// that CUE names, which is the innermost.
func ruleIn(e errors.Error, file string) diag.Position {
	found := diag.Position{File: file}
	for _, pos := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if p := syntax.Position(pos); p.File == file && p.Line >= found.Line {
			found = p
		}
	}
	return found
}

// Shown is a field as a team knows it: what is in its own file without the word
// service in front.
func Shown(field string) string { return strings.TrimPrefix(field, "service.") }

// valueAt is a value of the data, as JSON; "" where there is none.
func valueAt(in map[string]any, field string) string {
	var v any = in
	for part := range strings.SplitSeq(field, ".") {
		switch group := v.(type) {
		case map[string]any:
			v = group[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(group) {
				return ""
			}
			v = group[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// fix is the smallest change that would do, where the rule says which.
func fix(code string, m []string, field, is string) string {
	switch code {
	case "unknown-field":
		return "remove " + field
	case "missing-field":
		return "set " + field
	case "conflict":
		want := m[2]
		if want == is {
			want = m[1]
		}
		return fmt.Sprintf("set %s to %s", field, want)
	case "pattern":
		if strings.Contains(m[0], "!~") {
			return "choose another " + field
		}
		if options := alternatives(m[2]); options != nil {
			return fmt.Sprintf("set %s to %s", field, strings.Join(options, " or "))
		}
		return fmt.Sprintf("write %s so that it has the form %s", field, unquote(m[2]))
	case "out-of-bounds":
		words := map[string]string{"<=": "at most", "<": "less than", ">=": "at least", ">": "more than", "!=": "something else than"}
		return fmt.Sprintf("set %s to %s %s", field, words[m[2]], m[3])
	case "type":
		return fmt.Sprintf("set %s to %s", field, typeWord(m[4]))
	}
	return ""
}
