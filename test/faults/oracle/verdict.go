package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Counts are how often an object was created, updated and deleted.
type Counts struct {
	Creates int `json:"creates"`
	Updates int `json:"updates"`
	Deletes int `json:"deletes"`
}

// Count adds up what was done, by "cluster resource namespace/name" in the
// words all companies share.
func Count(requests []Request, rename func(string) string) map[string]Counts {
	out := map[string]Counts{}
	for _, r := range requests {
		if !r.Mutates() || !r.Done() {
			continue
		}
		key := rename(r.Cluster + " " + r.Object.Resource + " " + r.Object.Namespace + "/" + r.Object.Name)
		c := out[key]
		switch {
		case r.Verb == "delete" || r.Verb == "deletecollection":
			c.Deletes++
		case r.Answer.Code == 201:
			c.Creates++
		default:
			c.Updates++
		}
		out[key] = c
	}
	return out
}

// Records is the namespace of the daemon's own records.
const Records = "fairway-system"

// Extra says what was done more often than in the run without faults. Updates
// may be more; a creation or a deletion may not.
func Extra(want, got map[string]Counts) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(got)) {
		w, g := want[key], got[key]
		if g.Deletes > w.Deletes {
			out = append(out, fmt.Sprintf("%s was deleted %d times, want %d", key, g.Deletes, w.Deletes))
		}
		if strings.Contains(key, " "+Records+"/") || strings.HasSuffix(key, " /"+Records) {
			continue // the daemon's own records are made again when somebody deletes them
		}
		if g.Creates > w.Creates {
			out = append(out, fmt.Sprintf("%s was created %d times, want %d", key, g.Creates, w.Creates))
		}
	}
	return out
}

// Unconditional says which deletions were not bound to the very object that was
// looked at, by its UID and its resourceVersion.
func Unconditional(requests []Request) []string {
	var out []string
	for _, r := range requests {
		if r.Verb == "deletecollection" {
			out = append(out, r.String()+" deletes whatever is there")
		}
		if r.Verb != "delete" {
			continue
		}
		var options struct {
			Preconditions struct {
				UID             string `json:"uid"`
				ResourceVersion string `json:"resourceVersion"`
			} `json:"preconditions"`
		}
		_ = json.Unmarshal(r.Body, &options) // no body is no preconditions
		if options.Preconditions.UID == "" || options.Preconditions.ResourceVersion == "" {
			out = append(out, r.String()+" carries no preconditions")
		}
	}
	return out
}

// Deletions are the deletions among requests.
func Deletions(requests []Request) []Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r Request) bool { return r.Verb != "delete" && r.Verb != "deletecollection" })
}

// Unrecorded says which objects of ours are not in the inventory: nobody would
// ever remove them. Records are the values of the inventory's ConfigMaps.
func Unrecorded(objects []Live, system string) []string {
	var recorded []any
	for _, l := range objects {
		if l.GetNamespace() != system || l.Kind.Name != "ConfigMap" {
			continue
		}
		data, _ := l.Object["data"].(map[string]any)
		for _, value := range data {
			var v any
			if text, _ := value.(string); json.Unmarshal([]byte(text), &v) == nil {
				recorded = append(recorded, l.Cluster, v)
			}
		}
	}
	var out []string
	for _, l := range objects {
		if l.Ours() && !mentioned(recorded, l) {
			out = append(out, l.Key()+" is there and not in the inventory")
		}
	}
	return out
}

// mentioned reports whether records of the object's cluster have an entry, an
// array of strings, that names its kind, its namespace and its name.
func mentioned(recorded []any, l Live) bool {
	for i := 0; i+1 < len(recorded); i += 2 {
		if recorded[i] == l.Cluster && entryFor(recorded[i+1], l) {
			return true
		}
	}
	return false
}

func entryFor(v any, l Live) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, field := range v {
			if entryFor(field, l) {
				return true
			}
		}
	case []any:
		has := func(want string) bool { return slices.Contains(v, any(want)) }
		if has(l.Kind.Name) && has(l.GetName()) && (l.GetNamespace() == "" || has(l.GetNamespace())) {
			return true
		}
		for _, item := range v {
			if entryFor(item, l) {
				return true
			}
		}
	}
	return false
}

// Short is the first lines of a list, for messages.
func Short(lines []string) string {
	const most = 6
	if len(lines) > most {
		lines = append(slices.Clone(lines[:most]), fmt.Sprintf("and %d more", len(lines)-most))
	}
	return strings.Join(lines, "\n  ")
}
