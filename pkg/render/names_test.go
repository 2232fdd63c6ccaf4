package render_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// What an environment says of deletions is for the engine alone: it takes one
// evaluation, the environment's, and no unit is rendered anew.
func TestConsentRendersNothing(t *testing.T) {
	w, c, base := small(t)
	before := w.digests()
	c.Environments = maps.Clone(c.Environments)
	prod := c.Environments["prod"]
	prod.Consent = "\tconsents: \"one/front\": \"0123456789ab\"\n\tlocks: [\"StatefulSet.apps\", \"one/front\"]\n\tadopt: \"one/front\": [\"Deployment/front\"]\n"
	c.Environments["prod"] = prod
	declared, delta := w.advance(c.write(base))
	if declared.Evaluations != 1 || delta.Evaluations != 0 || len(delta.Changed) != 0 {
		t.Errorf("got %d declarations, %d units, changed %v; want 1, 0, none", declared.Evaluations, delta.Evaluations, delta.Changed)
	}
	if !maps.Equal(before, w.digests()) {
		t.Error("a consent changed bytes")
	}
	env := w.es.Catalog.Environments["prod"]
	if env.Consents["one/front"] != "0123456789ab" || len(env.Locks) != 2 || len(env.Adopt["one/front"]) != 1 {
		t.Errorf("read: %+v", env.Deletions)
	}
}

// Of two teams that would share a namespace every unit is held, whoever came
// first, and the mistake names both places.
func TestNamespaceIsOneTeams(t *testing.T) {
	w, c, base := small(t)
	c.Teams = maps.Clone(c.Teams)
	c.Teams["beta"] = "\tnamespace: \"alpha\"\n"
	w.advance(c.write(base))
	for key, u := range w.st.Units {
		if !u.Held() {
			t.Errorf("%s is not held", key)
		}
	}
	var found diag.Diag
	for _, d := range w.st.Diags() {
		if d.Code == "namespace-taken" && d.Subject.Team == "beta" {
			found = d
		}
	}
	if found.Pos.File != "teams/beta/team.cue" || found.Pos.Line != 9 || len(found.Related) != 1 || found.Related[0].Pos.File != "teams/alpha/team.cue" {
		t.Errorf("got %+v", found)
	}
	c.Teams["beta"] = ""
	w.advance(c.write(base))
	for key, u := range w.st.Units {
		if u.Held() {
			t.Errorf("%s is held still", key)
		}
	}
}

// A team whose declaration breaks is still where it was for those who call it.
func TestBrokenTeamKeepsItsNamespace(t *testing.T) {
	w, c, base := small(t)
	c.Teams = maps.Clone(c.Teams)
	c.Teams["beta"] = "\tnamespace: \"earlier\"\n"
	w.advance(c.write(base))
	before := w.digests()
	c.Teams["beta"] = "\tnamespace: \"earlier\"\n\tnonsense: 1\n"
	w.advance(c.write(base))
	for key, digest := range w.digests() {
		if strings.HasSuffix(key, "/front") && digest != before[key] {
			t.Errorf("%s changed", key)
		}
	}
	if got := w.es.Catalog.Namespace("beta", "prod"); got != "earlier-prod" {
		t.Errorf("namespace: got %s", got)
	}
}

// A team that is not declared any more while its services are: what others know
// of its namespace is the same whether the fleet was brought there or starts there.
func TestGoneTeamIsGoneForItsNeighbours(t *testing.T) {
	w, c, base := small(t)
	c.Teams = maps.Clone(c.Teams)
	c.Teams["beta"] = "\tnamespace: \"earlier\"\n"
	w.advance(c.write(base))
	tree := c.write(base)
	delete(tree, "teams/beta/team.cue")
	w.advance(tree)
	if diff := w.compareWithFull(); diff != "" {
		t.Error(diff)
	}
}

// A renamed service that says what it was called declares the objects it had.
func TestObjectNameKeepsIdentities(t *testing.T) {
	w, c, base := small(t)
	old := w.unit("prod/one/stock")
	c = c.with(func(s *service) {}, "beta/stock")
	s := c.Services["beta/stock"]
	delete(c.Services, "beta/stock")
	s.Name, s.ObjectName = "store", "stock"
	c.Services[s.key()] = s
	c = c.with(func(s *service) { s.Needs = map[string]string{"store": "http"} }, "alpha/front")
	c.Releases = maps.Clone(c.Releases)
	for _, env := range []string{"dev", "prod"} {
		delete(c.Releases, env+"/beta/stock")
		r := release{Environment: env, Team: "beta", Service: "store", Tag: "1.0.0"}
		c.Releases[r.key()] = r
	}
	w.advance(c.write(base))
	now := w.unit("prod/one/store")
	if now.Held() || !sameSet(old.Identities(), now.Identities()) {
		t.Errorf("%v, and the objects are others", now.Diags)
	}
	if len(w.st.Diags()) > 0 {
		t.Errorf("got %v", w.st.Diags())
	}
	key, _ := catalog.ParseUnitKey("prod/one/stock")
	if w.st.Units[key] != nil {
		t.Error("the old unit is there")
	}
}

func sameSet(a, b []uint64) bool {
	in := map[uint64]bool{}
	for _, x := range a {
		in[x] = true
	}
	for _, x := range b {
		if !in[x] {
			return false
		}
	}
	return len(a) == len(b)
}
