package owned

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/json"
)

// match is an element of a list that is owned, by its place in the list.
type match struct {
	index int
	below tree
}

// matches finds the owned elements of a list in the order of the list, which
// is the order that has meaning to the object's reader.
func matches(buf []match, list []any, t tree) []match {
	start := len(buf)
	for key, sub := range t {
		i := find(list, key)
		if i < 0 {
			continue
		}
		below, _ := sub.(map[string]any)
		buf = append(buf, match{index: i, below: below})
	}
	slices.SortFunc(buf[start:], func(a, b match) int { return a.index - b.index })
	return buf
}

// find gives the place of the element that a path element names, or -1.
func find(list []any, key string) int {
	kind, rest, ok := strings.Cut(key, ":")
	if !ok {
		return -1
	}
	switch kind {
	case "k":
		return findByKeys(list, rest)
	case "v":
		return findByValue(list, rest)
	case "i":
		i, err := strconv.Atoi(rest)
		if err != nil || i < 0 || i >= len(list) {
			return -1
		}
		return i
	}
	return -1
}

func findByKeys(list []any, raw string) int {
	var buf [4]keyField
	keys, ok := parseKeys(buf[:0], raw)
	if !ok {
		return -1
	}
	for i, e := range list {
		m, ok := e.(map[string]any)
		if ok && hasKeys(m, keys) {
			return i
		}
	}
	return -1
}

func hasKeys(m map[string]any, keys []keyField) bool {
	for _, k := range keys {
		if !k.equals(m[k.name]) {
			return false
		}
	}
	return true
}

func findByValue(list []any, raw string) int {
	want, ok := decode(raw)
	if !ok {
		return -1
	}
	for i, e := range list {
		if same(e, want) {
			return i
		}
	}
	return -1
}

// keyField is one field of a list key. Strings and integers, which is all that
// Kubernetes' own kinds use, are held without a box.
type keyField struct {
	name string
	text string
	num  int64
	is   byte // 's' text, 'i' num, 'v' any
	any  any
}

func (k keyField) equals(v any) bool {
	switch k.is {
	case 's':
		s, ok := v.(string)
		return ok && s == k.text
	case 'i':
		switch v := v.(type) {
		case int64:
			return v == k.num
		case float64:
			return v == float64(k.num)
		}
		return false
	}
	return same(v, k.any)
}

// parseKeys reads {"name":"x","port":80} without decoding where it is as plain
// as that, because every list element of every event comes through here.
func parseKeys(buf []keyField, raw string) ([]keyField, bool) {
	rest, ok := strings.CutPrefix(raw, "{")
	for ok && rest != "" {
		var k keyField
		if k.name, rest, ok = plainString(rest); !ok {
			break
		}
		if rest, ok = strings.CutPrefix(rest, ":"); !ok {
			break
		}
		if rest, ok = k.plainValue(rest); !ok {
			break
		}
		buf = append(buf, k)
		if rest == "}" {
			return buf, true
		}
		rest, ok = strings.CutPrefix(rest, ",")
	}
	return decodeKeys(buf[:0], raw)
}

func (k *keyField) plainValue(rest string) (string, bool) {
	if strings.HasPrefix(rest, `"`) {
		var ok bool
		k.is = 's'
		k.text, rest, ok = plainString(rest)
		return rest, ok
	}
	end := strings.IndexAny(rest, ",}")
	if end < 1 {
		return rest, false
	}
	n, err := strconv.ParseInt(rest[:end], 10, 64)
	k.is, k.num = 'i', n
	return rest[end:], err == nil
}

func plainString(s string) (text, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, `"`)
	if !ok {
		return "", s, false
	}
	end := strings.IndexAny(s, `"\`)
	if end < 0 || s[end] == '\\' {
		return "", s, false
	}
	return s[:end], s[end+1:], true
}

func decodeKeys(buf []keyField, raw string) ([]keyField, bool) {
	v, ok := decode(raw)
	m, isMap := v.(map[string]any)
	if !ok || !isMap || len(m) == 0 {
		return nil, false
	}
	for name, v := range m {
		buf = append(buf, keyField{name: name, is: 'v', any: v})
	}
	return buf, true
}

func decode(raw string) (any, bool) {
	var v any
	err := json.Unmarshal([]byte(raw), &v)
	return v, err == nil
}

// same compares two decoded values by their canonical form.
func same(a, b any) bool {
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return ok && x == y
	}
	return bytes.Equal(appendValue(nil, a), appendValue(nil, b))
}
