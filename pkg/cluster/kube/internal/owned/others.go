package owned

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// Others lists who else owns which leaves, newest first. Status is left out:
// controllers own theirs, and nobody asks.
func Others(fields map[string]any, manager string) []cluster.FieldOwner {
	var out []cluster.FieldOwner
	entries(fields, func(e entry) bool {
		if e.subresource == "status" || e.fields == nil ||
			e.manager == manager && e.operation == "Apply" && e.subresource == "" {
			return true
		}
		l := leaves{owner: cluster.FieldOwner{Manager: e.manager, Time: e.at()}}
		l.fields("", fields, e.fields)
		out = append(out, l.out...)
		return true
	})
	slices.SortStableFunc(out, func(a, b cluster.FieldOwner) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Field, b.Field)
	})
	return out
}

// leaves spells the leaves of a projection as object.Diff spells its changes.
type leaves struct {
	owner cluster.FieldOwner
	out   []cluster.FieldOwner
}

func (l *leaves) add(path string) {
	l.owner.Field = path
	l.out = append(l.out, l.owner)
}

func (l *leaves) node(path string, v any, t tree) {
	if whole(t) {
		l.value(path, v)
		return
	}
	switch v := v.(type) {
	case map[string]any:
		l.fields(path, v, t)
	case []any:
		spell := spelling(v)
		for _, m := range matches(nil, v, t) {
			l.node(path+"["+spell(m.index)+"]", v[m.index], m.below)
		}
	default:
		l.add(path)
	}
}

func (l *leaves) fields(path string, m map[string]any, t tree) {
	for _, name := range names(nil, t) {
		if name == "status" && path == "" {
			continue
		}
		if child, there := m[name]; there {
			l.node(path+"."+quoteKey(name), child, under(t, name))
		}
	}
}

func (l *leaves) value(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			l.add(path) // an empty group says something of its own
		}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			l.value(path+"."+quoteKey(k), v[k])
		}
	case []any:
		if len(v) == 0 {
			l.add(path)
		}
		spell := spelling(v)
		for i, e := range v {
			l.value(path+"["+spell(i)+"]", e)
		}
	default:
		l.add(path)
	}
}

// spelling names the elements of a list: by merge key where each has one of
// its own, by place otherwise. It follows object.Diff, and a test holds the
// two together.
func spelling(list []any) func(int) string {
	seen := make(map[string]bool, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		key := MergeKey(m)
		if key == "" || seen[key] {
			return strconv.Itoa
		}
		seen[key] = true
	}
	return func(i int) string {
		m, _ := list[i].(map[string]any)
		return MergeKey(m)
	}
}

// MergeKey is the name by which a list element is known to people; "" if it has none.
func MergeKey(m map[string]any) string {
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

func quoteKey(key string) string {
	if strings.ContainsAny(key, "./[] ") {
		return strconv.Quote(key)
	}
	return key
}
