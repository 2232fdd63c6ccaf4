package kube

import (
	"strings"
	"unique"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/owned"
	"github.com/fairway-dev/fairway/pkg/object"
)

// record is all that is kept of a live object.
type record struct {
	uid     string
	rv      string
	unit    string
	commit  string
	message string
	applied object.Digest
	mark    cluster.Mark // over the fields we own, as last seen
	clean   cluster.Mark // over them when they were as desired; zero if never
	cleanRV string       // the version that clean was taken of
	health  cluster.HealthStatus
	flags   flags
}

type flags uint8

const (
	deleting  flags = 1 << iota // has a deletion timestamp
	leaving                     // we asked for its deletion
	managed                     // our manager owns fields of it
	locked                      // it asks never to be deleted without consent
	sensitive                   // its values are never shown
)

func (r *record) isClean() bool { return r.clean != (cluster.Mark{}) && r.mark == r.clean }

func (r *record) entry() cluster.Entry {
	return cluster.Entry{
		UID: r.uid, ResourceVersion: r.rv, Unit: r.unit, Commit: r.commit, Applied: r.applied,
		Clean: r.isClean(), Managed: r.flags&managed != 0, Deleting: r.flags&deleting != 0,
		Locked: r.flags&locked != 0, Health: r.health, Message: r.message,
	}
}

// recordOf takes from an object what is kept of it. Anyone may have written
// anything into it: odd content gives an odd record, and never a panic. With
// no manager given, the one named on the object's own unit annotation counts.
func recordOf(h *owned.Hasher, j judges, fields map[string]any, by string) record {
	meta, _ := fields["metadata"].(map[string]any)
	r := record{
		unit:    shared(object.Annotation(fields, object.AnnotationUnit)),
		commit:  shared(object.Annotation(fields, object.AnnotationCommit)),
		applied: digestOf(object.Annotation(fields, object.AnnotationDigest)),
	}
	r.uid, _ = meta["uid"].(string)
	r.rv, _ = meta["resourceVersion"].(string)
	if meta["deletionTimestamp"] != nil {
		r.flags |= deleting
	}
	if object.Locked(fields) {
		r.flags |= locked
	}
	if object.Annotation(fields, object.AnnotationSensitive) == "true" {
		r.flags |= sensitive
	}
	if by == "" {
		by = manager(r.unit)
	}
	mark, ours := h.Mark(fields, by)
	if r.mark = mark; ours {
		r.flags |= managed
	}
	r.health, r.message = j.healthOf(fields)
	if held := finalizersOf(meta); held != "" && r.flags&deleting != 0 {
		r.message = "it waits for whoever set " + held
	}
	return r
}

// finalizersOf spells what keeps a deleted object from going.
func finalizersOf(meta map[string]any) string {
	list, _ := meta["finalizers"].([]any)
	var names []string
	for _, f := range list {
		if name, ok := f.(string); ok && len(names) < 3 {
			names = append(names, "the finalizer "+name[:min(len(name), maxMessage/4)])
		}
	}
	return strings.Join(names, ", ")
}

// shared keeps one copy of a string that many records have.
func shared(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
