package fleet

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
)

// Wanted is what should be of a unit, without its objects and the other units. The UID
// is that of its cluster.
func (f *Fleet) Wanted(uid string, key catalog.UnitKey, want *render.Unit, revision string) plan.Desired {
	d := plan.Desired{Unit: key, Revision: revision, Drift: f.Drift(key.Environment)}
	if want != nil {
		d.Invalid = proposed(key.Environment, want.Diags)
	}
	_, d.Fleeting = catalog.PreviewOf(key.Environment)
	f.published.RLock()
	defer f.published.RUnlock()
	name := key.Cluster + "/" + key.Service
	rules, declared := f.rules[key.Environment]
	d.Locks, d.Adopt = rules.Locks, rules.Adopt[name]
	d.Locked = slices.Contains(rules.Locks, name)
	d.Consent = f.clusterConsent(uid, key.Cluster)
	if declared {
		d.Consent.File = "environments/" + key.Environment + "/environment.cue"
		d.Consent.Line = `consents: "` + name + `": "%s"`
	}
	if given := rules.Consents[name]; given != "" {
		d.Consent.Given = append(d.Consent.Given, given)
	}
	return d
}

// clusterConsent is what was agreed to for a whole cluster. The caller holds
// published.
func (f *Fleet) clusterConsent(uid, name string) plan.Consent {
	return plan.Consent{
		Cluster: uid, Given: slices.Sorted(maps.Keys(f.consents[name])),
		File: "platform/clusters/" + name + "/cluster.cue", Line: `consents: "%s": "why these may go"`,
	}
}

// ClusterConsent is what was agreed to for a whole cluster, which has a UID.
func (f *Fleet) ClusterConsent(uid, name string) plan.Consent {
	f.published.RLock()
	defer f.published.RUnlock()
	return f.clusterConsent(uid, name)
}
