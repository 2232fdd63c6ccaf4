package render

import (
	"encoding/json"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
)

// FuzzOutput: whatever a worker says a unit consists of, judging it panics on
// nothing, and what passes has a name and stands where the unit may put it.
func FuzzOutput(f *testing.F) {
	f.Add(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop-prod"}}`)
	f.Add(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop-prod"}}`)
	f.Add(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret"}]}`)
	f.Add(`{"metadata":{"name":3,"Name":"a","namespace":["b"],"finalizers":null}}`)
	key := catalog.UnitKey{Environment: "prod", Cluster: "one", Service: "a"}
	namespace := catalog.New().Namespace("shop", "prod")
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return
		}
		objects, faults, err := guard(scopeOf(catalog.New(), key, "shop"), eval.Output{Objects: []json.RawMessage{json.RawMessage(raw)}})
		if err != nil || len(faults) > 0 {
			return
		}
		for _, o := range objects {
			if o.ID.Name == "" || o.ID.Kind == "" || o.ID.Namespace != namespace {
				t.Errorf("%s passes as %s", raw, o.ID)
			}
		}
	})
}

// FuzzOverlay: merging any overlay over any service panics on nothing, and an
// overlay twice is an overlay once.
func FuzzOverlay(f *testing.F) {
	f.Add(`{"name":"a","scale":{"min":1,"max":3},"environments":{}}`, `{"scale":{"max":null,"min":2},"host":"x"}`)
	f.Add(`{"a":[1]}`, `{"a":{"b":1}}`)
	f.Fuzz(func(t *testing.T, base, overlay string) {
		s := &catalog.Service{Declared: catalog.Declared{Data: json.RawMessage(base)}, Overlays: map[string]json.RawMessage{"prod": json.RawMessage(overlay)}}
		once, err := effective(s, "prod", &eval.UnitQuestion{})
		if err != nil {
			return
		}
		s.Data = once
		twice, err := effective(s, "prod", &eval.UnitQuestion{})
		if err != nil || string(once) != string(twice) {
			t.Errorf("once %s, twice %s, %v", once, twice, err)
		}
	})
}
