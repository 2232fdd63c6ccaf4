package owned

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// Hasher makes marks. It keeps its scratch memory between calls; the zero
// Hasher works and is safe for concurrent use.
type Hasher struct{ pool sync.Pool }

// Mark hashes the fields that a manager owns, in place and in canonical order.
// It reports false where the manager owns nothing.
//
// Two marks are equal exactly if the projections are: the hash is over what
// Project would give, without the identity, which nobody owns.
func (h *Hasher) Mark(fields map[string]any, manager string) (cluster.Mark, bool) {
	t, ok := ours(fields, manager)
	if !ok {
		return cluster.Mark{}, false
	}
	w, ok := h.pool.Get().(*writer)
	if !ok {
		w = &writer{}
	}
	defer h.pool.Put(w)
	w.out, w.names, w.matches = w.out[:0], w.names[:0], w.matches[:0]
	w.fields(fields, t, 0) // an empty set owns nothing here, not the whole object
	sum := sha256.Sum256(w.out)
	clear(w.names[:cap(w.names)])
	clear(w.matches[:cap(w.matches)])
	return cluster.Mark(sum[:len(cluster.Mark{})]), true
}

// writer spells a projection as bytes, every value with its type and length
// before it, so that no two projections spell alike.
type writer struct {
	out     []byte
	names   []string
	matches []match
}

// node writes the owned part of a value. Depth tells where annotations are:
// 0 the object, 1 its metadata, 2 the annotations.
func (w *writer) node(v any, t tree, depth int) {
	if whole(t) {
		w.whole(v, depth)
		return
	}
	switch v := v.(type) {
	case map[string]any:
		w.fields(v, t, depth)
	case []any:
		w.elements(v, t)
	default:
		w.out = appendValue(w.out, v)
	}
}

// notAnnotations is a depth from which no path leads to the annotations.
const notAnnotations = 8

func below(depth int, name string) int {
	switch {
	case depth == 0 && name == "metadata":
		return 1
	case depth == 1 && name == "annotations":
		return 2
	}
	return notAnnotations
}

func (w *writer) fields(m map[string]any, t tree, depth int) {
	start := len(w.names)
	w.names = names(w.names, t)
	end := len(w.names)
	w.out = append(w.out, '{')
	for i := start; i < end; i++ {
		name := w.names[i]
		v, there := m[name]
		if !there || depth == 2 && stamp(name) {
			continue
		}
		w.out = appendText(w.out, name)
		w.node(v, under(t, name), below(depth, name))
	}
	w.out = append(w.out, '}')
	w.names = w.names[:start]
}

func (w *writer) elements(list []any, t tree) {
	start := len(w.matches)
	w.matches = matches(w.matches, list, t)
	end := len(w.matches)
	w.out = append(w.out, '[')
	for i := start; i < end; i++ {
		m := w.matches[i]
		w.node(list[m.index], m.below, notAnnotations)
	}
	w.out = append(w.out, ']')
	w.matches = w.matches[:start]
}

// whole writes a value owned as one; it, too, leaves the stamps out.
func (w *writer) whole(v any, depth int) {
	m, ok := v.(map[string]any)
	if !ok || depth > 2 {
		w.out = appendValue(w.out, v)
		return
	}
	w.out = appendMap(w.out, m, func(name string) bool { return depth == 2 && stamp(name) })
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, '0')
	case bool:
		return append(b, 'b', map[bool]byte{false: '0', true: '1'}[v])
	case string:
		return appendText(b, v)
	case int64:
		return append(strconv.AppendInt(append(b, 'n'), v, 10), ';')
	case float64:
		return appendFloat(b, v)
	case map[string]any:
		return appendMap(b, v, nil)
	case []any:
		b = append(b, '[')
		for _, e := range v {
			b = appendValue(b, e)
		}
		return append(b, ']')
	}
	return append(b, '?')
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(append(b, 's'), uint64(len(s)))
	return append(b, s...)
}

// appendFloat writes a whole number as an integer: JSON does not tell 1 from
// 1.0, and neither do the servers.
func appendFloat(b []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return append(strconv.AppendInt(append(b, 'n'), int64(f), 10), ';')
	}
	return append(strconv.AppendFloat(append(b, 'n'), f, 'g', -1, 64), ';')
}

func appendMap(b []byte, m map[string]any, skip func(string) bool) []byte {
	var buf [16]string
	keys := buf[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for _, k := range keys {
		if skip != nil && skip(k) {
			continue
		}
		b = appendValue(appendText(b, k), m[k])
	}
	return append(b, '}')
}
