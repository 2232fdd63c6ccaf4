package plan_test

import (
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// A sealed Secret is known by a digest of its values: what was changed by hand is
// seen without a key, and not said.
func TestSealedDrift(t *testing.T) {
	unit := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "mail"}
	type fields = map[string]any
	meta := func(more fields) fields {
		notes := fields{object.AnnotationUnit: unit.String(), object.AnnotationSealed: "teams/a/mail/secrets.prod.sops.yaml"}
		for k, v := range more {
			notes[k] = v
		}
		return fields{"name": "mail", "namespace": "a-prod", "annotations": notes}
	}
	o, err := object.FromFields(fields{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta(nil),
		"stringData": fields{"PASSWORD": "password=ENC[x]", "TOKEN": "token=ENC[y]", secret.TextKey: "sops"}})
	if err != nil {
		t.Fatal(err)
	}
	good := fields{"PASSWORD": "canary-one", "TOKEN": "canary-two"}
	for name, c := range map[string]struct {
		data fields
		same bool
	}{
		"as it was written":  {good, true},
		"with more in it":    {fields{"PASSWORD": "canary-one", "TOKEN": "canary-two", "OTHER": "x"}, true},
		"another value":      {fields{"PASSWORD": "canary-three", "TOKEN": "canary-two"}, false},
		"values exchanged":   {fields{"PASSWORD": "canary-two", "TOKEN": "canary-one"}, false},
		"a value taken away": {fields{"PASSWORD": "canary-one"}, false},
		"emptied":            {nil, false},
	} {
		all := fields{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": c.data,
			"metadata": meta(fields{object.AnnotationDigest: o.Digest.String(), object.AnnotationOpened: secret.Fingerprint(o.Digest, good)})}
		live := &cluster.Live{UID: "1", Fields: all, Owned: all}
		if name == "with more in it" {
			live.Owned = fields{"metadata": all["metadata"], "type": "Opaque", "data": good}
		}
		p := plan.Compute(plan.Desired{Unit: unit, Drift: catalog.Heal, Objects: []object.Object{o}}, plan.Live{
			Objects:   object.Known(map[object.ID]plan.Seen{o.ID: {Entry: cluster.Entry{UID: "1", Unit: unit.String(), Applied: o.Digest}, Live: live}}),
			Inventory: object.Known(map[object.ID]cluster.Owned{o.ID: {UID: "1"}}),
		})
		if same := len(p.Steps) == 0; same != c.same {
			t.Errorf("%s: %v", name, p.Steps)
		}
		for _, s := range p.Steps {
			if s.Action != plan.Heal {
				t.Errorf("%s: %s", name, s.Action)
			}
			for _, f := range s.Fields {
				if strings.Contains(f.String(), "canary") {
					t.Errorf("%s: says %s", name, f)
				}
			}
		}
	}
}
