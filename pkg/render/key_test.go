package render

import (
	"encoding/json"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
)

// TestUnitKeys: everything a unit is rendered from tells its rendering apart.
func TestUnitKeys(t *testing.T) {
	e, st := &eval.Evaluator{Engine: "test"}, eval.NewState()
	seen := map[cache.Key]int{}
	for i, q := range []eval.UnitQuestion{
		{Package: "p", Input: json.RawMessage(`{}`)},
		{Package: "q", Input: json.RawMessage(`{}`)},
		{Package: "p", Input: json.RawMessage(`{"a":1}`)},
		{Package: "p", Input: json.RawMessage(`{}`), Beside: map[string]string{"manifests/a.yaml": "a: 1"}},
		{Package: "p", Input: json.RawMessage(`{}`), Beside: map[string]string{"manifests/a.yaml": "a: 2"}},
		{Package: "p", Input: json.RawMessage(`{}`), Beside: map[string]string{"manifests/b.yaml": "a: 1"}},
		{Package: "p", Input: json.RawMessage(`{}`), Patches: []eval.Patch{{Field: "patches.0", Data: json.RawMessage(`{}`)}}},
		{Package: "p", Input: json.RawMessage(`{}`), Patches: []eval.Patch{{Field: "patches.1", Data: json.RawMessage(`{}`)}}},
		{Package: "p", Input: json.RawMessage(`{}`), Patches: []eval.Patch{{Field: "patches.0", Data: json.RawMessage(`{"a":1}`)}}},
	} {
		key, err := e.UnitKey(st, q)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[key]; twice {
			t.Errorf("questions %d and %d have one key", other, i)
		}
		seen[key] = i
	}
}
