package eval

import (
	"encoding/json"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// FuzzDeclared: whatever a declaration evaluates to, releases included, taking
// it into a catalog and checking that panics on nothing, and nothing of it stays
// behind when it goes.
func FuzzDeclared(f *testing.F) {
	f.Add(`{"name":"a","path":"web","endpoints":{"http":{"port":80}},"needs":{"b":{"endpoint":"http"}},"environments":{"prod":{"scale":null}}}`)
	f.Add(`{"name":"prod","clusters":["one","two"],"drift":"heal"}`)
	f.Add(`{"name":"one","connection":{"context":"one"}}`)
	f.Add(`{"version":"1.2.3","image":{"tag":"v1","digest":"sha256:00"}}`)
	f.Add(`{"why":"x","when":{"rank":1,"teams":["a"]},"by":[{"team":"b"},{"touched":true,"otherwise":"c"},{}]}`)
	f.Add(`{"name":7,"needs":[],"endpoints":"x","clusters":{"a":1},"connection":null}`)
	f.Fuzz(func(t *testing.T, data string) {
		if !json.Valid([]byte(data)) {
			return
		}
		st := NewState()
		sources := []string{
			"teams/shop/team.cue", "teams/shop/a/service.cue", "environments/prod/environment.cue",
			"platform/clusters/one/cluster.cue", "environments/prod/releases/shop/a.cue",
			"platform/approvals/rule.cue",
		}
		var delta Delta
		for _, source := range sources {
			p, ok := placeOf(source)
			if !ok {
				t.Fatal(source)
			}
			e := &entry{place: p, result: result{Data: json.RawMessage(data)}}
			e.diags = e.check(secret.NewFinder())
			st.commit(source, e, &delta)
		}
		st.Diags()
		c := st.Catalog
		c.CheckService("a")
		c.CheckEnvironment("prod")
		c.CheckApproval("rule")
		c.CheckRelease(catalog.ReleaseKey{Environment: "prod", Service: "a"})
		if s := c.Services["a"]; s != nil {
			c.CheckPlace("a", "prod")
			c.Resolve(s, "prod", "prod-eu")
		}
		for _, source := range sources {
			st.commit(source, nil, &delta)
		}
		if left := len(c.Teams) + len(c.Services) + len(c.Environments) + len(c.Clusters) + len(c.Releases) + len(c.Approvals); left > 0 {
			t.Errorf("%d declarations stayed", left)
		}
	})
}

// Each kind of file is one kind of declaration, and no other file is any.
func TestPlaces(t *testing.T) {
	for file, want := range map[string]protocol.Kind{
		"teams/shop/team.cue": protocol.Team, "teams/shop/a/x.cue": protocol.Service,
		"environments/prod/environment.cue": protocol.Environment, "platform/clusters/one/cluster.cue": protocol.Cluster,
		"environments/prod/releases/shop/a.cue": protocol.Release, "platform/approvals/a.cue": protocol.Approval,
		"platform/approvals/a/b.cue": "", "platform/approvals/README.md": "",
		"teams/shop/a/b/x.cue": "", "teams/x.cue": "", "environments/prod/releases/a.cue": "", "teams/shop/a/x.txt": "",
		"schema/a.cue": "", "teams/shop/a/cue.mod/module.cue": "", "platform/clusters/one/other.cue": "",
	} {
		if p, ok := placeOf(file); ok != (want != "") || p.kind != want {
			t.Errorf("%s: got %q, want %q", file, p.kind, want)
		}
	}
}
