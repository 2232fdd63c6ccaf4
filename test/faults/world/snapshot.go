package world

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
)

// Snapshots take what the clusters hold of the company now, in its daemon's words.
func (w *World) Snapshots(ctx context.Context) (map[string]*proxy.Snapshot, error) {
	out := map[string]*proxy.Snapshot{}
	for _, name := range Clusters() {
		s := &proxy.Snapshot{Lists: map[string]proxy.List{}}
		for _, kind := range oracle.Kinds() {
			list, err := w.list(ctx, name, kind)
			if err != nil {
				return nil, fmt.Errorf("take snapshot of %s of %s: %w", kind.Resource, name, err)
			}
			s.Lists[kind.Group+"/"+kind.Version+"/"+kind.Resource] = list
		}
		out[name] = s
	}
	return out, nil
}

func (w *World) list(ctx context.Context, cluster string, kind oracle.Kind) (proxy.List, error) {
	found, err := w.Admin()[cluster].Resource(kind.GroupVersionResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return proxy.List{}, err
	}
	list := proxy.List{Kind: kind.Name, APIVersion: kind.GroupVersion().String(), ResourceVersion: found.GetResourceVersion()}
	alien := foreign(w.ID)
	for _, item := range found.Items {
		raw, err := json.Marshal(item.Object)
		if err != nil {
			return list, err
		}
		if alien(raw) {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(w.Shared(string(raw))), &fields); err != nil {
			return list, err
		}
		list.Items = append(list.Items, fields)
	}
	return list, nil
}
