package render_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/render"
)

func small(t *testing.T) (*world, company, files) {
	t.Helper()
	base := realPlatform(t)
	w, c := newWorld(t, shared.evaluator(t), t.TempDir()), newCompany()
	w.advance(c.write(base))
	return w, c, base
}

func (c company) with(change func(*service), key string) company {
	c.Services = maps.Clone(c.Services)
	s := c.Services[key]
	s.Needs = maps.Clone(s.Needs)
	change(&s)
	c.Services[key] = s
	return c
}

// A mistake in one service holds its own units and changes nobody else's, not
// even those whose network policies name it.
func TestBrokenServiceLeavesNeighboursAlone(t *testing.T) {
	for _, how := range []string{"bound", "syntax", "field", "name"} {
		for _, which := range []string{"alpha/front", "beta/stock"} {
			t.Run(how+" "+which, func(t *testing.T) {
				w, c, base := small(t)
				before := w.digests()
				_, delta := w.advance(c.with(func(s *service) { s.Broken = how }, which).write(base))
				name := strings.Split(which, "/")[1]
				for key, digest := range w.digests() {
					own := strings.HasSuffix(key, "/"+name)
					if own && (!digest.IsZero() || !w.unit(key).Held()) {
						t.Errorf("%s is not held", key)
					}
					if !own && digest != before[key] {
						t.Errorf("%s changed", key)
					}
				}
				if len(delta.Removed) > 0 || len(before) != len(w.digests()) {
					t.Errorf("units went: %v", delta.Removed)
				}
			})
		}
	}
}

// A revert gives the bytes there were before, and asks no worker for them.
func TestRevertEvaluatesNothing(t *testing.T) {
	w, c, base := small(t)
	before := look(w.es, w.st)
	declared, delta := w.advance(c.with(func(s *service) { s.Port = 9000 }, "beta/stock").write(base))
	if declared.Evaluations != 1 || delta.Evaluations != 6 {
		t.Errorf("a changed port: got %d declarations and %d units evaluated, want 1 and 6 (its own and its caller's)", declared.Evaluations, delta.Evaluations)
	}
	declared, delta = w.advance(c.write(base))
	if declared.Evaluations != 0 || delta.Evaluations != 0 {
		t.Errorf("the revert: got %d declarations and %d units evaluated, want none", declared.Evaluations, delta.Evaluations)
	}
	if diff := cmp.Diff(before, look(w.es, w.st)); diff != "" {
		t.Errorf("the revert does not give what was there (-before +after)\n%s", diff)
	}
}

func TestCommentEvaluatesOneDeclarationAndNoUnit(t *testing.T) {
	w, c, base := small(t)
	before := w.digests()
	declared, delta := w.advance(c.with(func(s *service) { s.Comment = 1 }, "beta/stock").write(base))
	if declared.Evaluations != 1 || delta.Evaluations != 0 || len(delta.Changed) != 0 {
		t.Errorf("got %d declarations, %d units, changed %v; want 1, 0, none", declared.Evaluations, delta.Evaluations, delta.Changed)
	}
	if diff := cmp.Diff(before, w.digests()); diff != "" {
		t.Errorf("a comment changed bytes (-before +after)\n%s", diff)
	}
}

// A daemon that starts anew on the results it kept evaluates nothing.
func TestFreshStateOnTheSameCacheEvaluatesNothing(t *testing.T) {
	w, _, _ := small(t)
	es, st := eval.NewState(), render.NewState()
	declared, delta := w.step(es, st)
	if declared.Evaluations != 0 || delta.Evaluations != 0 {
		t.Errorf("got %d declarations and %d units evaluated, want none", declared.Evaluations, delta.Evaluations)
	}
}

// A broken environment's units are held where they were, also for a daemon that
// starts while it is broken; before, that daemon knew of none of them.
func TestBrokenEnvironmentHoldsItsUnits(t *testing.T) {
	w, c, base := small(t)
	before := w.digests()
	c.Environments = maps.Clone(c.Environments)
	prod := c.Environments["prod"]
	prod.Broken = true
	c.Environments["prod"] = prod
	w.advance(c.write(base))
	for key := range before {
		if held := w.unit(key).Held(); held != strings.HasPrefix(key, "prod/") {
			t.Errorf("%s: held is %v", key, held)
		}
	}
	if !w.st.Unknown["prod"] || w.st.Unknown["dev"] {
		t.Errorf("unknown environments: got %v, want prod", w.st.Unknown)
	}
	if diff := w.compareWithFull(); diff != "" {
		t.Errorf("(-full +incremental)\n%s", diff)
	}
}

// Which name is suggested depends on names that others declare.
func TestSuggestionFollowsTheNamesThereAre(t *testing.T) {
	w, c, base := small(t)
	c = c.with(func(s *service) { s.Needs = map[string]string{"audt": "http"} }, "alpha/front")
	w.advance(c.write(base))
	c.Services["beta/audit"] = service{Team: "beta", Name: "audit", Path: "web", Port: 8080}
	w.advance(c.write(base))
	d := w.unit("dev/one/front").Diags
	if len(d) != 1 || d[0].Hint != `did you mean "audit"?` {
		t.Errorf("got %+v", d)
	}
	if diff := w.compareWithFull(); diff != "" {
		t.Errorf("(-full +incremental)\n%s", diff)
	}
}

// A service may go in the same commit in which a team changes; its releases are
// mistakes then. They were forgotten, as all the services there are were looked at.
func TestServiceGoesWhileATeamChanges(t *testing.T) {
	w, c, base := small(t)
	c.Teams = map[string]string{"alpha": "\tchat: \"#here\"\n", "beta": ""}
	c.Services = map[string]service{"beta/stock": c.Services["beta/stock"]}
	w.advance(c.write(base))
	if diff := w.compareWithFull(); diff != "" {
		t.Errorf("(-full +incremental)\n%s", diff)
	}
}

// A team that declares or releases what another team has holds the unit, and
// neither takes it over nor removes anything of it.
func TestNobodyTakesOverAnothersUnit(t *testing.T) {
	for name, change := range map[string]func(c company){
		"declared": func(c company) {
			c.Services["aaa/stock"] = service{Team: "aaa", Name: "stock", Path: "web", Port: 9999}
		},
		"declared by a later name": func(c company) {
			c.Services["zzz/stock"] = service{Team: "zzz", Name: "stock", Path: "web", Port: 9999}
		},
		"released": func(c company) {
			c.Releases["x"] = release{Environment: "dev", Team: "aaa", Service: "stock", Tag: "evil"}
		},
		"released instead": func(c company) {
			delete(c.Releases, "dev/beta/stock")
			c.Releases["x"] = release{Environment: "dev", Team: "aaa", Service: "stock", Tag: "evil"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, c, base := small(t)
			c.Teams["aaa"], c.Teams["zzz"] = "", ""
			change(c)
			w.advance(c.write(base))
			if u := w.unit("dev/one/stock"); !u.Held() || !u.Digest.IsZero() {
				t.Errorf("the unit goes on: %+v", u)
			}
			if diff := w.compareWithFull(); diff != "" {
				t.Errorf("(-full +incremental)\n%s", diff)
			}
		})
	}
}

// A platform edit may make the last good version of a broken service evaluate
// to something else, whose neighbours must see that.
func TestPlatformEditReachesLastGoodVersions(t *testing.T) {
	w, c, base := small(t)
	w.advance(c.with(func(s *service) { s.Broken = "syntax" }, "beta/stock").write(base))
	c = c.with(func(s *service) { s.Broken = "syntax" }, "beta/stock")
	const kind = "platform/paths/web/type.cue"
	other := maps.Clone(base)
	other[kind] = strings.Replace(base[kind], `protocol: "http"`, `protocol: "grpc"`, 1)
	w.advance(c.write(other))
	if diff := w.compareWithFull(); diff != "" {
		t.Errorf("(-full +incremental)\n%s", diff)
	}
}

// A path that does not compile holds its services, and their neighbours on
// other paths go on knowing them: also in a process that never saw them well.
func TestBrokenPathLeavesNeighboursAlone(t *testing.T) {
	w, c, base := small(t)
	c.Services = maps.Clone(c.Services)
	c.Services["beta/jobs"] = service{Team: "beta", Name: "jobs", Path: "worker", Needs: map[string]string{"front": "http"}}
	c.Releases = maps.Clone(c.Releases)
	for _, r := range c.Releases {
		if r.Service == "front" {
			r.Team, r.Service = "beta", "jobs"
			c.Releases[r.key()] = r
		}
	}
	w.advance(c.write(base))
	before := w.digests()
	const file = "platform/paths/worker/objects.cue"
	broken := maps.Clone(base)
	broken[file] += "\nbroken: nothingOfThatName\n"
	w.advance(c.write(broken))
	held := 0
	for key, digest := range w.digests() {
		switch {
		case strings.HasSuffix(key, "/jobs"):
			held++
			if !w.unit(key).Held() {
				t.Errorf("%s is not held", key)
			}
		case digest != before[key]:
			t.Errorf("%s changed", key)
		}
	}
	if held == 0 {
		t.Error("there is no unit of the broken path")
	}
	if diff := w.compareWithFull(); diff != "" {
		t.Errorf("(-full +incremental)\n%s", diff)
	}
}

// TestGuard renders what a path must not, and expects that the unit is held and
// the path's owner told.
func TestGuard(t *testing.T) {
	object := func(text string) string {
		return "\n#Unit: {in: _, out: objects: zzz: {\n\tapiVersion: \"v1\"\n\tkind: \"ConfigMap\"\n\tmetadata: {name: \"zzz\", namespace: in.namespace}\n} & {\n" + text + "\n}}\n"
	}
	free := func(text string) string { return "\n#Unit: {in: _, out: objects: zzz: {" + text + "}}\n" }
	for _, test := range []struct{ name, cue, rule, want string }{
		{"another namespace", free(`apiVersion: "v1", kind: "ConfigMap", metadata: {name: "zzz", namespace: "kube-system"}`),
			"namespace", "ConfigMap kube-system/zzz: .metadata.namespace: a unit may hold objects in its own namespace beta-dev only"},
		{"no namespace", free(`apiVersion: "v1", kind: "ConfigMap", metadata: name: "zzz"`),
			"namespace", "ConfigMap zzz: .metadata.namespace: a unit may hold objects in its own namespace only, and this one has none"},
		{"cluster-scoped", free(`apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: name: "zzz"`),
			"kind", "ClusterRole zzz: .kind: a service may not hold objects of this kind"},
		{"namespace of its own", free(`apiVersion: "v1", kind: "Namespace", metadata: name: "beta-dev"`),
			"kind", "Namespace beta-dev: .kind: a service may not hold objects of this kind"},
		{"finalizers", object(`metadata: finalizers: ["a/b"]`), "metadata", "ConfigMap beta-dev/zzz: .metadata.finalizers: this is not for a unit to set"},
		{"owner references", object(`metadata: ownerReferences: [{kind: "Node", name: "n"}]`), "metadata", "ConfigMap beta-dev/zzz: .metadata.ownerReferences: this is not for a unit to set"},
		{"uid", object(`metadata: uid: "1"`), "metadata", "ConfigMap beta-dev/zzz: .metadata.uid: this is not for a unit to set"},
		{"the node's network", "\n#Unit: out: objects: deployment: spec: template: spec: hostNetwork: true\n",
			"host-access", "Deployment beta-dev/stock: .spec.template.spec.hostNetwork: a pod may not share the node's network or processes"},
		{"a list", free(`apiVersion: "v1", kind: "List", metadata: {name: "zzz", namespace: in.namespace}, items: []`), "", "List: lists are not allowed, write one object each"},
		{"no name", free(`apiVersion: "v1", kind: "ConfigMap", metadata: namespace: in.namespace`), "", "ConfigMap has no metadata.name"},
		{"twice", object("") + strings.ReplaceAll(object(""), "objects: zzz", "objects: yyy"), "identity", "ConfigMap beta-dev/zzz: it is rendered twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			base := realPlatform(t)
			base["platform/paths/web/objects.cue"] += test.cue
			pool := eval.NewPool("", 1) // as many run side by side
			defer pool.Close()
			w := newWorld(t, &eval.Evaluator{Pool: pool, Engine: "test"}, t.TempDir())
			w.advance(newCompany().write(base))
			u := w.unit("dev/one/stock")
			if !u.Held() || !u.Digest.IsZero() {
				t.Fatalf("the unit is not held: %+v", u)
			}
			want := diag.Diag{
				Code: "path", Severity: diag.Error, Pos: diag.Position{File: "platform/paths/web"}, Message: test.want,
				Hint:    "this is for the owner of platform/paths/web to mend",
				Subject: diag.Subject{Team: "beta", Service: "stock", Environment: "dev", Cluster: "one", Path: "web"},
			}
			if test.rule != "" {
				want.Code, want.Rule = "tenancy", "tenancy."+test.rule
			}
			if diff := cmp.Diff(diag.List{want}, u.Diags); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if w.unit("dev/one/team.beta").Held() {
				t.Error("the team's own unit is held as well")
			}
		})
	}
}

// Two that claim one host are both held, each naming the other's place; when
// one gives it up, both go on.
func TestHostClaimedTwice(t *testing.T) {
	w, c, base := small(t)
	twice := c.with(func(s *service) { s.Host = "www.example.com" }, "alpha/front").with(func(s *service) { s.Host = "www.example.com" }, "beta/stock")
	twice.Releases = maps.Clone(c.Releases)
	delete(twice.Releases, "prod/alpha/front")
	delete(twice.Releases, "prod/beta/stock")
	w.advance(twice.write(base))
	d := w.unit("dev/one/front").Diags
	want := diag.List{{
		Code: "claimed-twice", Severity: diag.Error, Pos: diag.Position{File: "teams/alpha/front/service.cue", Line: 9, Column: 35},
		Message: `http.host: host "www.example.com" is claimed by dev/one/stock as well`, Hint: "choose another host for one of them",
		Subject: diag.Subject{Team: "alpha", Service: "front", Environment: "dev", Cluster: "one"},
		Related: []diag.Related{{Pos: diag.Position{File: "teams/beta/stock/service.cue", Line: 9, Column: 36}, Note: "the other declaration"}},
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !w.unit("dev/one/stock").Held() {
		t.Error("the other is not held")
	}
	w.advance(c.write(base))
	if w.unit("dev/one/front").Held() || w.unit("dev/one/stock").Held() {
		t.Error("still held when one gave it up")
	}
}

const printBundles = "FAIRWAY_PRINT_BUNDLES"

// TestBytesAreTheSameInEveryProcess renders in new processes, with new workers,
// no cache and Go's own random map orders, in other places and on other machines.
func TestBytesAreTheSameInEveryProcess(t *testing.T) {
	if os.Getenv(printBundles) != "" {
		os.Stdout.Write(bundles(t))
		return
	}
	want := bundles(t)
	for i := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestBytesAreTheSameInEveryProcess$")
		cmd.Env = append(os.Environ(), printBundles+"=1",
			"TZ="+[]string{"UTC", "Asia/Kathmandu", "America/St_Johns"}[i%3],
			"LANG="+[]string{"C", "tr_TR.UTF-8", "de_DE.UTF-8"}[i%3], "LC_ALL="+[]string{"C", "tr_TR.UTF-8"}[i%2],
			fmt.Sprintf("GOMAXPROCS=%d", 1+i%4))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := bytes.Cut(out, []byte("PASS\n")); !bytes.Equal(got, want) {
			t.Fatalf("run %d gave other bytes (-first +this)\n%s", i, cmp.Diff(string(want), string(got)))
		}
	}
}

func bundles(t *testing.T) []byte {
	t.Helper()
	pool := eval.NewPool("", 2)
	t.Cleanup(pool.Close)
	w := newWorld(t, &eval.Evaluator{Pool: pool, Engine: "test"}, t.TempDir())
	c := newCompany()
	c.Environments = map[string]environment{"dev": c.Environments["dev"]}
	w.advance(c.write(realPlatform(t)))
	var out bytes.Buffer
	r := &render.Renderer{Evaluator: w.eval}
	for _, key := range []string{"dev/one/front", "dev/one/stock", "dev/one/team.alpha"} {
		u := w.unit(key)
		b, err := r.Bundle(context.Background(), w.st, w.es, u)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range b.Objects {
			fmt.Fprintf(&out, "%s %s\n", o.Digest, o.Body)
		}
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// A unit's objects are what its own path makes; nothing is in two units.
func TestEveryObjectIsInOneUnit(t *testing.T) {
	w, _, _ := small(t)
	r := &render.Renderer{Evaluator: w.eval}
	seen := map[string]catalog.UnitKey{}
	for _, key := range slices.SortedFunc(maps.Keys(w.st.Units), func(a, b catalog.UnitKey) int { return strings.Compare(a.String(), b.String()) }) {
		b, err := r.Bundle(context.Background(), w.st, w.es, w.st.Units[key])
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Objects) != w.st.Units[key].Objects || len(b.Objects) == 0 {
			t.Errorf("%s: %d objects, the unit says %d", key, len(b.Objects), w.st.Units[key].Objects)
		}
		for _, o := range b.Objects {
			id := key.Cluster + " " + o.ID.String()
			if other, twice := seen[id]; twice {
				t.Errorf("%s is in %s and %s", id, other, key)
			}
			seen[id] = key
		}
	}
}
