// Package owned restricts a live object to the fields that one field manager
// owns, as the object's own managedFields tell.
//
// In goes a decoded object; out come the projection, a hash over it, and who
// else owns what. It reads managedFields as decoded, because it runs on every
// watch event: the tree is walked beside the object and nothing is built that
// is not asked for. It is pure, and no content of an object makes it panic.
package owned

import (
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// tree is decoded fieldsV1: keys "f:name", "k:{...}", "v:value", "i:index" and
// "." for the node itself. An empty tree owns its node whole.
type tree = map[string]any

// entry is one element of metadata.managedFields.
type entry struct {
	manager, operation, subresource string
	time                            string
	fields                          tree
}

func (e entry) at() time.Time {
	t, _ := time.Parse(time.RFC3339, e.time) // an odd time is no time
	return t
}

// entries reads managedFields one by one; odd elements are passed over.
func entries(fields map[string]any, yield func(entry) bool) {
	meta, _ := fields["metadata"].(map[string]any)
	list, _ := meta["managedFields"].([]any)
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		var out entry
		out.manager, _ = m["manager"].(string)
		out.operation, _ = m["operation"].(string)
		out.subresource, _ = m["subresource"].(string)
		out.time, _ = m["time"].(string)
		out.fields, _ = m["fieldsV1"].(map[string]any)
		if !yield(out) {
			return
		}
	}
}

// ours finds what a manager owns by server-side apply. There is one such
// entry at most for the main resource; the API server merges them.
func ours(fields map[string]any, manager string) (tree, bool) {
	var found tree
	entries(fields, func(e entry) bool {
		if e.manager == manager && e.operation == "Apply" && e.subresource == "" {
			found = e.fields
			return false
		}
		return true
	})
	return found, found != nil
}

// Shared reports whether anybody but a manager wrote fields of the object itself.
func Shared(fields map[string]any, manager string) bool {
	shared := false
	entries(fields, func(e entry) bool {
		shared = e.subresource == "" && e.manager != manager
		return !shared
	})
	return shared
}

// stamp reports whether an annotation is one that is set at apply and is no
// part of what is desired; it belongs to no projection and no mark.
func stamp(key string) bool {
	return key == object.AnnotationCommit || key == object.AnnotationDigest
}

// whole reports whether a node is owned with all below it.
func whole(t tree) bool {
	if len(t) == 0 {
		return true
	}
	_, self := t["."]
	return self && len(t) == 1
}

// names lists the owned field names of a node in order, appended to a scratch
// buffer so that a walk allocates once.
func names(buf []string, t tree) []string {
	start := len(buf)
	for key := range t {
		if name, ok := strings.CutPrefix(key, "f:"); ok {
			buf = append(buf, name)
		}
	}
	slices.Sort(buf[start:])
	return buf
}

// under gives the part of the tree below a field.
func under(t tree, name string) tree {
	sub, _ := t["f:"+name].(map[string]any)
	return sub
}
