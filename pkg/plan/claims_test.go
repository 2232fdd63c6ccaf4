package plan_test

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// TestClaimsHaveAStatus: what the API server writes into the claims of a StatefulSet's
// template is nobody's change, and what somebody writes there is.
func TestClaimsHaveAStatus(t *testing.T) {
	const form = `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"store","namespace":"shop-prod"},
		"spec":{"volumeClaimTemplates":[{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"volumeMode":"Filesystem"}}]}}`
	o, err := object.Parse([]byte(form))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		claim map[string]any // what the live one has besides
		want  bool
	}{
		{"as it was applied", nil, false},
		{"with its status", map[string]any{"status": map[string]any{"phase": "Pending"}}, false},
		{"with a class", map[string]any{"spec": map[string]any{"volumeMode": "Filesystem", "storageClassName": "slow"}}, true},
	} {
		live, err := object.Parse([]byte(form))
		if err != nil {
			t.Fatal(err)
		}
		fields := live.Fields()
		claim := fields["spec"].(map[string]any)["volumeClaimTemplates"].([]any)[0].(map[string]any)
		for name, value := range c.claim {
			claim[name] = value
		}
		unit := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "store"}
		seen := plan.Seen{Entry: cluster.Entry{UID: "u", Unit: unit.String(), Applied: o.Digest}, Live: &cluster.Live{Fields: fields, Owned: fields}}
		p := plan.Compute(plan.Desired{Unit: unit, Objects: []object.Object{o}}, plan.Live{
			Objects:   object.Known(map[object.ID]plan.Seen{o.ID: seen}),
			Inventory: object.Known(map[object.ID]cluster.Owned{o.ID: {UID: "u"}}),
		})
		if got := p.Writes() > 0; got != c.want {
			t.Errorf("%s: %s, want a write: %v", c.name, p, c.want)
		}
	}
}
