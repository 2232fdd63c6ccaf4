package render_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/render"
)

// TestIncrementalEqualsFull is invariant 5: whatever the history of edits, the
// fleet brought along it step by step is the one made from nothing at its end.
func TestIncrementalEqualsFull(t *testing.T) {
	base, e, dir, n, resumed := realPlatform(t), newEvaluator(t), t.TempDir(), 0, 0
	few(t, "12")
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := newWorld(t, e, filepath.Join(dir, fmt.Sprint(n)))
		c := newCompany()
		w.advance(c.write(base))
		w.keep()
		for range rapid.IntRange(1, 12).Draw(rt, "edits") {
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(rt, "together") {
				c.edit(rt)
			}
			w.asleep = c.Asleep
			w.advance(c.write(base))
			if diff := w.compareWithFull(); diff != "" {
				rt.Fatalf("brought along and made anew differ (-full +incremental)\n%s", diff)
			}
			diff, ok := w.compareWithResumed()
			if diff != "" {
				rt.Fatalf("brought along and resumed differ (-resumed +incremental)\n%s", diff)
			}
			if ok {
				resumed++
			}
			if rapid.IntRange(0, 2).Draw(rt, "keep") == 0 {
				w.keep()
			}
		}
	})
	if resumed == 0 {
		t.Error("no fleet was resumed")
	}
}

// few bounds how many histories are tried, unless the command line says how many.
func few(t *testing.T, checks string) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(checks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

func (w *world) compareWithFull() string {
	w.t.Helper()
	es, st := eval.NewState(), render.NewState()
	w.step(es, st)
	return cmp.Diff(look(es, st), look(w.es, w.st), cmpopts.EquateEmpty())
}

// keep keeps the fleet as it is now.
func (w *world) keep() {
	w.t.Helper()
	render.KeepNow(&render.Renderer{Evaluator: w.eval}, w.es, w.st)
}

// compareWithResumed starts from the fleet as it was kept last. It reports false
// where none was kept of this platform.
func (w *world) compareWithResumed() (string, bool) {
	w.t.Helper()
	tree, err := w.store.Tree(w.head)
	if err != nil {
		w.t.Fatal(err)
	}
	es, st, ok := (&render.Renderer{Evaluator: w.eval}).Resume(context.Background(), tree)
	if !ok {
		return "", false
	}
	if declared, delta := w.step(es, st); declared.Evaluations > 0 || delta.Evaluations > 0 {
		w.t.Errorf("resuming evaluated %d declarations and %d units that are known", declared.Evaluations, delta.Evaluations)
	}
	return cmp.Diff(look(es, st), look(w.es, w.st), cmpopts.EquateEmpty()), true
}

// edit makes one random change to the company.
func (c *company) edit(rt *rapid.T) {
	edits := map[string]func(*rapid.T){
		"service added": c.addService, "service changed": c.changeService, "service broken": c.breakService,
		"service mended": c.mendServices, "service renamed": c.renameService, "service moved": c.moveService,
		"service removed": c.removeService, "needs": c.changeNeeds, "release": c.changeRelease,
		"environment": c.changeEnvironment, "cluster": c.changeCluster, "team": c.changeTeam, "platform": c.changePlatform, "policy": c.changePolicy,
		"night": c.changeNight, "preview": c.changePreview, "preview again": c.changePreview,
	}
	edits[rapid.SampledFrom(slices.Sorted(maps.Keys(edits))).Draw(rt, "edit")](rt)
}

func (c *company) pick(rt *rapid.T) (service, bool) {
	if len(c.Services) == 0 {
		return service{}, false
	}
	s := c.Services[rapid.SampledFrom(slices.Sorted(maps.Keys(c.Services))).Draw(rt, "service")]
	s.Needs = maps.Clone(s.Needs)
	return s, true
}

// changePreview opens a preview, changes what it holds, or closes it.
func (c *company) changePreview(rt *rapid.T) {
	if c.Previews == nil {
		c.Previews = map[int]preview{}
	}
	number := rapid.IntRange(1, 2).Draw(rt, "number")
	if _, open := c.Previews[number]; open && rapid.Bool().Draw(rt, "close") {
		delete(c.Previews, number)
		return
	}
	p := preview{Tag: rapid.SampledFrom([]string{"1.0.0", "2.0.0-rc"}).Draw(rt, "tag")}
	s, ok := c.pick(rt)
	if !ok || rapid.IntRange(0, 3).Draw(rt, "new") == 0 {
		s = service{Team: "alpha", Name: "fresh", Path: "web", Port: 8080, Needs: map[string]string{}}
	}
	p.Released = []service{s}
	for range rapid.IntRange(0, 1).Draw(rt, "changed") {
		s.Port = 8080 + rapid.IntRange(0, 3).Draw(rt, "port")
		s.Public, s.Broken = rapid.Bool().Draw(rt, "public"), rapid.SampledFrom([]string{"", "", "", "bound", "syntax"}).Draw(rt, "how")
		for _, need := range serviceNames() {
			if delete(s.Needs, need); need != s.Name && rapid.IntRange(0, 2).Draw(rt, need) == 0 {
				s.Needs[need] = "http"
			}
		}
		p.Changed = append(p.Changed, s)
	}
	c.Previews[number] = p
}

func serviceNames() []string { return []string{"front", "stock", "stack", "mail", "audit"} }

func (c *company) addService(rt *rapid.T) {
	s := service{
		Team: rapid.SampledFrom([]string{"alpha", "beta", "gamma"}).Draw(rt, "team"), Name: rapid.SampledFrom(serviceNames()).Draw(rt, "name"),
		Path: rapid.SampledFrom([]string{"web", "web", "worker"}).Draw(rt, "path"), Port: 8080, Needs: map[string]string{},
	}
	c.Services[s.key()] = s
	for _, env := range []string{"dev", "prod"} {
		if rapid.Bool().Draw(rt, env) {
			r := release{Environment: env, Team: s.Team, Service: s.Name, Tag: "1.0.0"}
			c.Releases[r.key()] = r
		}
	}
}

func (c *company) changeService(rt *rapid.T) {
	s, ok := c.pick(rt)
	if !ok {
		return
	}
	switch rapid.IntRange(0, 9).Draw(rt, "what") {
	case 8:
		s.Regions = drawRegions(rt)
	case 9:
		s.RegionsIn = drawRegions(rt)
	case 7:
		s.ObjectName = rapid.SampledFrom([]string{"", "stock", "earlier"}).Draw(rt, "objectName")
	case 0:
		s.Comment = (s.Comment + 1) % 3
	case 1:
		s.Port = 8080 + rapid.IntRange(0, 3).Draw(rt, "port")
	case 2:
		s.Public = !s.Public
	case 3:
		s.Host = rapid.SampledFrom([]string{"", "www.example.com", "front.alpha.example.com"}).Draw(rt, "host")
	case 4:
		s.Metrics = !s.Metrics
	case 5:
		s.Overlay = rapid.SampledFrom([]string{"", "dev", "prod", "test"}).Draw(rt, "overlay")
	case 6:
		s.Path = rapid.SampledFrom([]string{"web", "worker"}).Draw(rt, "path")
	}
	c.Services[s.key()] = s
}

func drawRegions(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"", `"here"`, `"there"`, `"here", "there"`, `"nowhere"`}).Draw(rt, "regions")
}

func (c *company) breakService(rt *rapid.T) {
	if s, ok := c.pick(rt); ok {
		s.Broken = rapid.SampledFrom([]string{"bound", "syntax", "field", "name"}).Draw(rt, "how")
		c.Services[s.key()] = s
	}
}

func (c *company) mendServices(*rapid.T) {
	for key, s := range c.Services {
		s.Broken = ""
		c.Services[key] = s
	}
}

func (c *company) renameService(rt *rapid.T) {
	if s, ok := c.pick(rt); ok {
		delete(c.Services, s.key())
		s.Name = rapid.SampledFrom(serviceNames()).Draw(rt, "name")
		c.Services[s.key()] = s
	}
}

func (c *company) moveService(rt *rapid.T) {
	s, ok := c.pick(rt)
	if !ok {
		return
	}
	delete(c.Services, s.key())
	old := s.Team
	s.Team = rapid.SampledFrom([]string{"alpha", "beta", "gamma"}).Draw(rt, "team")
	c.Services[s.key()] = s
	if !rapid.Bool().Draw(rt, "with releases") {
		return
	}
	for key, r := range c.Releases {
		if r.Team == old && r.Service == s.Name {
			delete(c.Releases, key)
			r.Team = s.Team
			c.Releases[r.key()] = r
		}
	}
}

func (c *company) removeService(rt *rapid.T) {
	s, ok := c.pick(rt)
	if !ok {
		return
	}
	delete(c.Services, s.key())
	if rapid.Bool().Draw(rt, "with releases") {
		maps.DeleteFunc(c.Releases, func(_ string, r release) bool { return r.Service == s.Name && r.Team == s.Team })
	}
}

func (c *company) changeNeeds(rt *rapid.T) {
	s, ok := c.pick(rt)
	if !ok {
		return
	}
	target := rapid.SampledFrom(append(serviceNames(), "stok")).Draw(rt, "target")
	if _, has := s.Needs[target]; has {
		delete(s.Needs, target)
	} else {
		s.Needs[target] = rapid.SampledFrom([]string{"http", "http", "metrics", "grpc"}).Draw(rt, "endpoint")
	}
	c.Services[s.key()] = s
}

func (c *company) changeRelease(rt *rapid.T) {
	r := release{
		Environment: rapid.SampledFrom([]string{"dev", "prod", "prod", "test"}).Draw(rt, "environment"),
		Team:        rapid.SampledFrom([]string{"alpha", "beta"}).Draw(rt, "team"), Service: rapid.SampledFrom(serviceNames()).Draw(rt, "service"),
		Tag: rapid.SampledFrom([]string{"1.0.0", "1.1.0"}).Draw(rt, "tag"), Broken: rapid.IntRange(0, 4).Draw(rt, "broken") == 0,
	}
	if old, there := c.Releases[r.key()]; there && old.Tag == r.Tag {
		delete(c.Releases, r.key())
		return
	}
	c.Releases[r.key()] = r
}

func (c *company) changeEnvironment(rt *rapid.T) {
	name := rapid.SampledFrom([]string{"dev", "prod", "test"}).Draw(rt, "environment")
	env, there := c.Environments[name]
	switch what := rapid.IntRange(0, 8).Draw(rt, "what"); {
	case what >= 7 && there:
		env.Base = rapid.SampledFrom([]string{"", "dev", "prod", "prod", "test", "none"}).Draw(rt, "base")
	case what == 6:
		env.Regions = drawRegions(rt)
	case what == 5:
		env.Consent = rapid.SampledFrom([]string{"", "\tlocks: [\"Deployment.apps\"]\n", "\tconsents: \"one/front\": \"0123456789ab\"\n"}).Draw(rt, "consent")
	case !there:
		env = environment{Clusters: []string{"one"}, Domain: name + ".example.com"}
	case what == 0:
		delete(c.Environments, name)
		return
	case what == 1:
		env.Broken = !env.Broken
	case what == 2:
		env.Domain = rapid.SampledFrom([]string{"example.com", "example.org"}).Draw(rt, "domain")
	default:
		env.Clusters = rapid.SampledFrom([][]string{{"one"}, {"two"}, {"one", "two"}, {"one", "three"}}).Draw(rt, "clusters")
	}
	c.Environments[name] = env
}

func (c *company) changeCluster(rt *rapid.T) {
	name := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(rt, "cluster")
	region := rapid.SampledFrom([]string{"", "here", "there", "broken", "crowded", "own"}).Draw(rt, "region")
	c.Clusters[name] = region
	if region == "" {
		delete(c.Clusters, name)
	}
}

// changeNight has an environment fall asleep or wake up, also one that is not there.
func (c *company) changeNight(rt *rapid.T) {
	c.Asleep = maps.Clone(c.Asleep)
	if c.Asleep == nil {
		c.Asleep = map[string]bool{}
	}
	name := rapid.SampledFrom([]string{"dev", "prod"}).Draw(rt, "environment")
	if c.Asleep[name] {
		delete(c.Asleep, name)
	} else {
		c.Asleep[name] = true
	}
}

func (c *company) changeTeam(rt *rapid.T) {
	name := rapid.SampledFrom([]string{"alpha", "beta", "gamma"}).Draw(rt, "team")
	text := rapid.SampledFrom([]string{"", "\tchat: \"#here\"\n", "\tnonsense: 1\n", "gone", "\tnamespace: \"beta\"\n", "\tnamespace: \"earlier\"\n"}).Draw(rt, "change")
	c.Teams[name] = text
	if text == "gone" {
		delete(c.Teams, name)
	}
	c.Stray = rapid.IntRange(0, 5).Draw(rt, "stray") == 0
}

// changePolicy brings a policy in, changes what becomes of who breaks it, breaks
// it, or excepts from it.
func (c *company) changePolicy(rt *rapid.T) {
	how := rapid.SampledFrom([]string{"", "warn", "warn until 2027-01-01", "deny", "other", "broken", "excepted"}).Draw(rt, "policy")
	c.Policies = map[string]string{}
	switch how {
	case "":
	case "excepted":
		c.Policies = policies("deny", 8080, "2027-01-01")
	case "other":
		c.Policies = policies("deny", 8081, "")
	case "broken":
		c.Policies = policies("sometimes", 8080, "")
	default:
		c.Policies = policies(how, 8080, "")
	}
}

func (c *company) changePlatform(rt *rapid.T) {
	switch rapid.IntRange(0, 4).Draw(rt, "what") {
	case 0:
		c.Platform.Comment++
	case 1:
		c.Platform.Period = 10 + rapid.IntRange(0, 1).Draw(rt, "period")
	case 2:
		c.Platform.Timeout = 30 + rapid.IntRange(0, 1).Draw(rt, "timeout")
	case 3:
		c.Platform.Broken = !c.Platform.Broken
	case 4:
		c.Platform = platformEdit{Period: 10, Timeout: 30}
	}
}
