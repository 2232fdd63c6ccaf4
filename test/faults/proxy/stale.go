package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// Snapshot is what an API server held at an earlier moment: the answers to
// listings of whole resources, in the daemon's words, by "group/version/resource". It plays an API
// server that lags: asked for a list, an object or a watch, it tells the state
// of that moment and nothing after it.
type Snapshot struct {
	Lists map[string]List
}

// List is one listing.
type List struct {
	Kind            string // of the items
	APIVersion      string
	ResourceVersion string
	Items           []map[string]any
}

// UseSnapshot sets what Stale answers from.
func (p *Proxy) UseSnapshot(s *Snapshot) { p.snapshot.Store(s) }

// stale answers from the snapshot, and reports whether it could.
func (x *exchange) stale() bool {
	s := x.snapshot.Load()
	if s == nil || x.call.Mutates() {
		return false
	}
	list, ok := s.Lists[x.call.Group+"/"+x.call.Version+"/"+x.call.Resource]
	if !ok || x.call.Subresource != "" {
		return false
	}
	items := x.wanted(list.Items)
	switch x.call.Verb {
	case "get":
		if len(items) == 0 {
			x.do.Status = http.StatusNotFound
			x.answer()
			return true
		}
		x.json(x.shaped(items[0], list))
	case "list":
		x.json(x.listing(items, list))
	case "watch":
		x.stillness(items, list)
	}
	return true
}

// wanted are the items that the request is for.
func (x *exchange) wanted(items []map[string]any) []map[string]any {
	var out []map[string]any
	for _, item := range items {
		meta, _ := item["metadata"].(map[string]any)
		labels, _ := meta["labels"].(map[string]any)
		namespace, _ := meta["namespace"].(string)
		if x.call.Namespace != "" && namespace != x.call.Namespace || x.call.Name != "" && meta["name"] != x.call.Name {
			continue
		}
		if selected(x.r.URL.Query().Get("labelSelector"), labels) {
			out = append(out, item)
		}
	}
	return out
}

// selected understands selectors of the form key=value,...
func selected(selector string, labels map[string]any) bool {
	for _, term := range strings.Split(selector, ",") {
		key, value, ok := strings.Cut(term, "=")
		if ok && labels[key] != strings.TrimPrefix(value, "=") {
			return false
		}
	}
	return true
}

func (x *exchange) metadataOnly() bool {
	return strings.Contains(x.r.Header.Get("Accept"), "as=PartialObjectMetadata")
}

// shaped is an item as the request wants it: whole, or its metadata.
func (x *exchange) shaped(item map[string]any, list List) map[string]any {
	if x.metadataOnly() {
		return map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
	}
	out := map[string]any{"kind": list.Kind, "apiVersion": list.APIVersion}
	for key, value := range item {
		out[key] = value
	}
	return out
}

func (x *exchange) listing(items []map[string]any, list List) map[string]any {
	out := map[string]any{"kind": list.Kind + "List", "apiVersion": list.APIVersion}
	if x.metadataOnly() {
		out = map[string]any{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
	}
	shaped := []any{}
	for _, item := range items {
		shaped = append(shaped, x.shaped(item, list))
	}
	out["items"], out["metadata"] = shaped, map[string]any{"resourceVersion": list.ResourceVersion}
	return out
}

func (x *exchange) json(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		x.abort()
		return
	}
	x.w.Header().Set("Content-Type", "application/json")
	_, _ = x.w.Write(body) // a daemon that is gone needs no answer
}

// stillness is a watch on a world in which nothing happens. One that asks for
// what is there at first gets it.
func (x *exchange) stillness(items []map[string]any, list List) {
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	defer x.track(x.call.Stream(), cancel)()
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	if x.r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, item := range items {
			x.event("ADDED", x.shaped(item, list))
		}
		x.event("BOOKMARK", map[string]any{"kind": list.Kind, "apiVersion": list.APIVersion, "metadata": map[string]any{
			"resourceVersion": list.ResourceVersion, "annotations": map[string]any{"k8s.io/initial-events-end": "true"},
		}})
	}
	_ = http.NewResponseController(x.w).Flush()
	<-ctx.Done()
}

func (x *exchange) event(kind string, object map[string]any) {
	line, err := json.Marshal(map[string]any{"type": kind, "object": object})
	if err != nil {
		return // maps of strings always marshal
	}
	_, _ = x.w.Write(append(line, '\n'))
}
