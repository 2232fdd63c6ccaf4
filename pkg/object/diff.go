package object

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// FieldChange is one leaf that differs. Before or After is nil where the field
// is not there on that side.
type FieldChange struct {
	// Path is spelled as kubectl's jsonpath does, with list elements named by
	// their merge key. Example: ".spec.template.spec.containers[checkout].image".
	Path   string `json:"path"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

// String prints the change on one line: "~ .spec.replicas: 2 -> 4".
func (c FieldChange) String() string {
	switch {
	case c.Before == nil:
		return fmt.Sprintf("+ %s: %s", c.Path, show(c.After))
	case c.After == nil:
		return fmt.Sprintf("- %s: %s", c.Path, show(c.Before))
	}
	return fmt.Sprintf("~ %s: %s -> %s", c.Path, show(c.Before), show(c.After))
}

func show(v any) string {
	b, err := Encode(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// Diff lists the leaves in which two objects differ, sorted by path. A nil map
// stands for an object that is not there.
func Diff(before, after map[string]any) []FieldChange {
	var d differ
	d.value("", before == nil, after == nil, before, after)
	sort.Slice(d.changes, func(i, j int) bool { return d.changes[i].Path < d.changes[j].Path })
	return d.changes
}

type differ struct{ changes []FieldChange }

func (d *differ) value(path string, noBefore, noAfter bool, before, after any) {
	if noBefore && isEmpty(after) || noAfter && isEmpty(before) {
		// It has no leaf that could be listed, and yet may mean a lot: {} in a list
		// of network rules allows everything.
		d.changes = append(d.changes, FieldChange{Path: path, Before: before, After: after})
		return
	}
	bm, bok := before.(map[string]any)
	am, aok := after.(map[string]any)
	if (bok || noBefore) && (aok || noAfter) && (bok || aok) {
		d.maps(path, bm, am)
		return
	}
	bl, bok := before.([]any)
	al, aok := after.([]any)
	if (bok || noBefore) && (aok || noAfter) && (bok || aok) {
		d.lists(path, bl, al)
		return
	}
	if noBefore || noAfter || !equal(before, after) {
		d.changes = append(d.changes, FieldChange{Path: path, Before: before, After: after})
	}
}

func (d *differ) maps(path string, before, after map[string]any) {
	for _, key := range keys(before, after) {
		b, inBefore := before[key]
		a, inAfter := after[key]
		d.value(path+"."+quoteKey(key), !inBefore, !inAfter, b, a)
	}
}

func keys(maps ...map[string]any) []string {
	var all []string
	for _, m := range maps {
		for k := range m {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func quoteKey(key string) string {
	if strings.ContainsAny(key, "./[] ") {
		return strconv.Quote(key)
	}
	return key
}

// lists compares element by element where the elements carry a merge key, and
// as a whole by index where they don't.
func (d *differ) lists(path string, before, after []any) {
	bk, ak := ByMergeKey(before), ByMergeKey(after)
	if bk != nil && ak != nil {
		for _, key := range keys(bk, ak) {
			b, inBefore := bk[key]
			a, inAfter := ak[key]
			d.value(path+"["+key+"]", !inBefore, !inAfter, b, a)
		}
		return
	}
	for i := range max(len(before), len(after)) {
		var b, a any
		if i < len(before) {
			b = before[i]
		}
		if i < len(after) {
			a = after[i]
		}
		d.value(path+"["+strconv.Itoa(i)+"]", i >= len(before), i >= len(after), b, a)
	}
}

// ByMergeKey names each element of a list by the field that Kubernetes' list
// maps use. It is nil where elements have no such field or share a name, so
// that they can only be told by their place.
func ByMergeKey(list []any) map[string]any {
	out := make(map[string]any, len(list))
	for _, e := range list {
		key := MergeKey(e)
		if _, twice := out[key]; key == "" || twice {
			return nil
		}
		out[key] = e
	}
	return out
}

// MergeKey is the name of one list element, or "".
func MergeKey(element any) string {
	m, ok := element.(map[string]any)
	if !ok {
		return ""
	}
	for _, field := range []string{"name", "containerPort", "port", "mountPath", "topologyKey", "type"} {
		switch v := m[field].(type) {
		case string:
			return v
		case int64:
			return strconv.FormatInt(v, 10)
		}
	}
	return ""
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return v != nil && len(v) == 0
	case []any:
		return v != nil && len(v) == 0
	}
	return false
}

func equal(a, b any) bool {
	if x, ok := a.(int64); ok {
		if y, ok := b.(int64); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case int:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}
