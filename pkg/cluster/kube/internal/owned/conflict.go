package owned

import (
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/json"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// Conflict reads one cause of a refused server-side apply: the path as the
// server spells it, `.spec.containers[name="x"].image`, and its sentence,
// `conflict with "kubectl" using apps/v1 at 2026-01-02T03:04:05Z`. The desired
// fields, which hold every path in question, settle where a name with dots
// ends and how people call a list element.
func Conflict(desired map[string]any, path, sentence string) cluster.FieldOwner {
	owner := cluster.FieldOwner{Field: spell("", desired, path), Manager: sentence}
	_, rest, ok := strings.Cut(sentence, "conflict with ")
	if !ok {
		return owner
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return owner
	}
	owner.Manager, _ = strconv.Unquote(quoted)
	if _, at, ok := strings.Cut(rest[len(quoted):], " at "); ok {
		owner.Time, _ = time.Parse(time.RFC3339, strings.TrimSuffix(at, ":"))
	}
	return owner
}

// spell translates what is left of a server's path below a desired value.
func spell(done string, v any, left string) string {
	switch {
	case left == "":
		return done
	case strings.HasPrefix(left, "."):
		return spellField(done, v, left[1:])
	case strings.HasPrefix(left, "["):
		return spellElement(done, v, left)
	}
	return done + left
}

func spellField(done string, v any, left string) string {
	m, _ := v.(map[string]any)
	name := ""
	for key := range m {
		after, ok := strings.CutPrefix(left, key)
		if ok && len(key) > len(name) && (after == "" || after[0] == '.' || after[0] == '[') {
			name = key
		}
	}
	if name == "" {
		end := strings.IndexAny(left, ".[")
		if end < 0 {
			end = len(left)
		}
		return spell(done+"."+quoteKey(left[:end]), nil, left[end:])
	}
	return spell(done+"."+quoteKey(name), m[name], left[len(name):])
}

func spellElement(done string, v any, left string) string {
	end := elementEnd(left)
	if end < 0 {
		return done + left
	}
	inside, left := left[1:end], left[end+1:]
	list, _ := v.([]any)
	i := findSpelled(list, inside)
	if i < 0 {
		return spell(done+"["+firstValue(inside)+"]", nil, left)
	}
	return spell(done+"["+spelling(list)(i)+"]", list[i], left)
}

// elementEnd finds the bracket that closes the first one, outside of quotes.
func elementEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

// findSpelled finds the element that `name="x",port=80`, `="value"` or `3` names.
func findSpelled(list []any, inside string) int {
	if value, ok := strings.CutPrefix(inside, "="); ok {
		return findByValue(list, value)
	}
	if !strings.Contains(inside, "=") {
		return find(list, "i:"+inside)
	}
	keys := map[string]any{}
	for part := range strings.SplitSeq(inside, ",") {
		name, raw, _ := strings.Cut(part, "=")
		var v any
		if json.Unmarshal([]byte(raw), &v) != nil {
			return -1
		}
		keys[name] = v
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		return -1
	}
	return findByKeys(list, string(raw))
}

func firstValue(inside string) string {
	first, _, _ := strings.Cut(inside, ",")
	_, value, ok := strings.Cut(first, "=")
	if !ok {
		value = first
	}
	if text, err := strconv.Unquote(value); err == nil {
		return text
	}
	return value
}
