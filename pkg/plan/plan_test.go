package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

var update = flag.Bool("update", false, "write the wanted outputs anew")

type fields = map[string]any

func shop() catalog.UnitKey {
	return catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "checkout"}
}

// made is an object of a kind, with more fields.
func made(apiVersion, kind, name string, more fields) object.Object {
	f := fields{"apiVersion": apiVersion, "kind": kind, "metadata": fields{"name": name, "namespace": "shop-prod"}}
	for k, v := range more {
		f[k] = v
	}
	o, err := object.FromFields(f)
	if err != nil {
		panic(err)
	}
	return o
}

func config(name string, data fields) object.Object {
	return made("v1", "ConfigMap", name, fields{"data": data})
}

// hook is a Job that runs at a phase of each sync.
func hook(name, phase string, annotations fields) object.Object {
	all := fields{"argocd.argoproj.io/hook": phase}
	for k, v := range annotations {
		all[k] = v
	}
	return made("batch/v1", "Job", name, fields{"metadata": fields{"name": name, "namespace": "shop-prod", "annotations": all}})
}

// inWave puts an object into a wave.
func inWave(wave string, o object.Object) object.Object {
	f := o.Fields()
	f["metadata"].(fields)["annotations"] = fields{"argocd.argoproj.io/sync-wave": wave}
	out, err := object.FromFields(f)
	if err != nil {
		panic(err)
	}
	return out
}

// side is a live side under construction.
type side struct {
	seen      map[object.ID]plan.Seen
	inventory map[object.ID]cluster.Owned
}

func newSide() side {
	return side{seen: map[object.ID]plan.Seen{}, inventory: map[object.ID]cluster.Owned{}}
}

// has applies objects to the side, as if we had.
func (s side) has(objects ...object.Object) side {
	for i, o := range objects {
		uid := "uid-" + o.ID.Name
		s.seen[o.ID] = plan.Seen{
			Entry:  cluster.Entry{UID: uid, ResourceVersion: fmt.Sprint(100 + i), Unit: shop().String(), Applied: o.Digest, Clean: true, Managed: true},
			Before: &objects[i],
		}
		s.inventory[o.ID] = cluster.Owned{UID: uid}
	}
	return s
}

func (s side) change(o object.Object, change func(*plan.Seen)) side {
	seen := s.seen[o.ID]
	change(&seen)
	s.seen[o.ID] = seen
	return s
}

func (s side) live() plan.Live {
	return plan.Live{Objects: object.Known(s.seen), Inventory: object.Known(s.inventory)}
}

func byHand(o object.Object, live fields) func(*plan.Seen) {
	return func(s *plan.Seen) {
		s.Clean = false
		s.Live = &cluster.Live{
			ID: o.ID, Fields: live, Owned: o.Fields(),
			Others: []cluster.FieldOwner{{Field: ".data.a", Manager: "kubectl-edit", Time: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)}},
		}
	}
}

func edited(o object.Object, data fields) fields {
	f := o.Fields()
	f["data"] = data
	return f
}

type situation struct {
	name    string
	desired plan.Desired
	live    plan.Live
}

func wants(objects ...object.Object) plan.Desired {
	return plan.Desired{Unit: shop(), Revision: "c0ffee", Objects: objects}
}

func reporting(d plan.Desired) plan.Desired { d.Drift = catalog.Report; return d }

func removed(d plan.Desired) plan.Desired {
	d.Removed = "service checkout was removed from Git"
	return d
}

func many(n int) []object.Object {
	var out []object.Object
	for i := range n {
		out = append(out, config(fmt.Sprintf("c%02d", i), fields{"a": "1"}))
	}
	return out
}

func situations() []situation {
	a, a2, b := config("a", fields{"a": "1"}), config("a", fields{"a": "2", "b": "3"}), config("b", fields{"a": "1"})
	secret := func(v string) object.Object { return made("v1", "Secret", "s", fields{"data": fields{"key": v}}) }
	deploy, ingress := made("apps/v1", "Deployment", "web", nil), made("networking.k8s.io/v1", "Ingress", "web", nil)
	namespace := made("v1", "Namespace", "shop-prod", nil)
	job := hook("migrate", "PreSync", nil)
	once := hook("migrate", "Sync", fields{"fairway.dev/once": "true"})
	health := func(h cluster.HealthStatus) func(*plan.Seen) { return func(s *plan.Seen) { s.Health = h } }
	others := func(s *plan.Seen) { s.Unit = "prod/eu/other" }
	return []situation{
		{"create", wants(a, secret("HIDDEN")), newSide().live()},
		{"update", wants(a2, b), newSide().has(a, b).live()},
		{"update of a secret", wants(secret("HIDDEN2")), newSide().has(secret("HIDDEN1")).live()},
		{"nothing", wants(a), newSide().has(a).live()},
		{"heal", wants(a), newSide().has(a).change(a, byHand(a, edited(a, fields{"a": "9"}))).live()},
		{"heal a secret", wants(secret("HIDDEN1")), newSide().has(secret("HIDDEN1")).change(secret(""), byHand(secret("HIDDEN1"), edited(secret(""), fields{"key": "HIDDEN9"}))).live()},
		{"report", reporting(wants(a)), newSide().has(a).change(a, byHand(a, edited(a, fields{"a": "9"}))).live()},
		{"report a secret", reporting(wants(secret("HIDDEN1"))), newSide().has(secret("HIDDEN1")).change(secret(""), byHand(secret("HIDDEN1"), edited(secret(""), fields{"key": "HIDDEN9"}))).live()},
		{"not read", wants(a), newSide().has(a).change(a, func(s *plan.Seen) { s.Clean = false }).live()},
		{"fields of others", wants(a), newSide().has(a).change(a, byHand(a, func() fields { f := a.Fields(); f["immutable"] = true; return f }())).live()},
		{"deleted by hand", wants(a), func() plan.Live { s := newSide().has(a); delete(s.seen, a.ID); return s.live() }()},
		{"deleted by hand and reported", reporting(wants(a)), func() plan.Live { s := newSide().has(a); delete(s.seen, a.ID); return s.live() }()},
		{"prune", wants(a), newSide().has(a, b).live()},
		{"release what is gone", wants(a), func() plan.Live { s := newSide().has(a, b); delete(s.seen, b.ID); return s.live() }()},
		{"release what is another's", wants(a), newSide().has(a, b).change(b, others).live()},
		{"release what was made anew", wants(a), newSide().has(a, b).change(b, func(s *plan.Seen) { s.UID = "another" }).live()},
		{"conflict", wants(a), func() plan.Live { s := newSide().has(a).change(a, others); clear(s.inventory); return s.live() }()},
		{"conflict with nobody's", wants(a), func() plan.Live {
			s := newSide().has(a).change(a, func(s *plan.Seen) { s.Unit = "" })
			clear(s.inventory)
			return s.live()
		}()},
		{"lost record", wants(a), func() plan.Live { s := newSide().has(a); clear(s.inventory); return s.live() }()},
		{"copied annotations", wants(a), func() plan.Live {
			s := newSide().has(a).change(a, func(s *plan.Seen) { s.Managed = false })
			clear(s.inventory)
			return s.live()
		}()},
		{"being deleted", wants(a), newSide().has(a).change(a, func(s *plan.Seen) { s.Deleting = true }).live()},
		{"protected", wants(a), newSide().has(a, namespace).live()},
		{"budget", wants(a), newSide().has(append(many(6), a)...).live()},
		{"budget of a large unit", wants(append(many(30), a)[6:]...), newSide().has(append(many(30), a)...).live()},
		{"empty", wants(), newSide().has(a).live()},
		{"empty and nothing there", wants(), newSide().live()},
		{"invalid", plan.Desired{Unit: shop(), Invalid: diag.List{{
			Severity: diag.Error, Pos: diag.Position{File: "teams/shop/checkout/service.cue", Line: 3, Column: 9}, Message: "scale.max: 1200 is more than 200", Hint: "write 200 or less",
		}}}, newSide().has(a).live()},
		{"unknown inventory", wants(a), plan.Live{Objects: object.Known(map[object.ID]plan.Seen{}), Inventory: object.Unknown[object.ID, cluster.Owned](errors.New("no answer"))}},
		{"unknown objects", wants(a), plan.Live{Objects: object.Unknown[object.ID, plan.Seen](errors.New("no answer")), Inventory: object.Known(map[object.ID]cluster.Owned{a.ID: {UID: "1"}})}},
		{"removed", removed(wants(a)), newSide().has(append(many(8), a, deploy, ingress)...).live()},
		{"removed with what is protected", removed(wants()), newSide().has(a, namespace).live()},
		{"hooks", wants(a2, job, hook("notify", "PostSync", nil), hook("never", "Skip", nil)), newSide().has(a).live()},
		{"hooks of a sync that changes nothing", wants(a, job), newSide().has(a).live()},
		{"hook of another", wants(a2, job), newSide().has(a, job).change(job, others).live()},
		{"hook that ran once", wants(a2, once), newSide().has(a, once).live()},
		{"hook that runs once and failed", wants(a2, once), newSide().has(a, once).change(once, health(cluster.Degraded)).live()},
		{"hook that runs once and has not ended", wants(a2, once), newSide().has(a, once).change(once, health(cluster.Progressing)).live()},
		{"hook that ran once for something else", wants(a2, once), newSide().has(a, once).change(once, func(s *plan.Seen) { s.Applied = a.Digest }).live()},
		{"waves and kinds", wants(ingress, inWave("1", deploy), a, secret("HIDDEN"), inWave("-1", b), made("v1", "ServiceAccount", "web", nil)), newSide().live()},
	}
}

// TestPlans holds every situation to what is said of it, in all three forms.
func TestPlans(t *testing.T) {
	const file = "testdata/plans.txtar"
	golden, err := txtar.ParseFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := map[string]string{}
	if golden != nil {
		for _, f := range golden.Files {
			want[f.Name] = string(f.Data)
		}
	}
	var out txtar.Archive
	for _, s := range situations() {
		t.Run(s.name, func(t *testing.T) {
			got := printed(t, plan.Compute(s.desired, s.live))
			for _, form := range []string{"text", "markdown", "json"} {
				name := strings.ReplaceAll(s.name, " ", "-") + "." + form
				out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(got[form])})
				if diff := cmp.Diff(want[name], got[form]); diff != "" && !*update {
					t.Errorf("%s (-want +got)\n%s", name, diff)
				}
				if strings.Contains(got[form], "HIDDEN") {
					t.Errorf("%s shows a secret:\n%s", name, got[form])
				}
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(&out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func printed(t *testing.T, p plan.Plan) map[string]string {
	t.Helper()
	set := plan.Collect("", "c0ffee", []plan.Plan{p})
	var text, markdown, js bytes.Buffer
	if err := errors.Join(set.Text(&text, plan.Colors{}), set.Markdown(&markdown), set.JSON(&js)); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(js.Bytes()) {
		t.Errorf("not JSON: %s", js.String())
	}
	return map[string]string{"text": p.String() + "\n" + text.String(), "markdown": markdown.String(), "json": js.String()}
}

// What people and clusters wrote cannot speak to the terminal, nor be markup in
// a pull request.
func TestPrintersKeepTextHarmless(t *testing.T) {
	nasty := "x\x1b[31m\n```\n| <img> @all [a](b) \u009b"
	a, a2 := config("a", fields{"a": nasty}), config("a", fields{"a": nasty + "2"})
	d := wants(a2)
	held := plan.Plan{Unit: shop(), Hold: &plan.Hold{Message: nasty, Hint: nasty}}
	set := plan.Collect("", "c0ffee", []plan.Plan{plan.Compute(d, newSide().has(a).live()), held, {Unit: shop(), Removed: nasty, Steps: []plan.Step{{ID: a.ID, Action: plan.Prune, Reason: nasty}}}})
	var text, markdown bytes.Buffer
	if err := errors.Join(set.Text(&text, plan.Colors{}), set.Markdown(&markdown)); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"text": text.String(), "markdown": markdown.String()} {
		if strings.ContainsAny(out, "\x1b\u009b") {
			t.Errorf("%s has control characters: %q", name, out)
		}
	}
	// two fences for each unit's block, and not one more
	if got, want := strings.Count(markdown.String(), "```"), 2*2; got != want {
		t.Errorf("%d fences, want %d:\n%s", got, want, markdown.String())
	}
	table, _, _ := strings.Cut(markdown.String(), "<details>")
	for _, raw := range []string{"<img", "@all", " [a]", "| |"} {
		if strings.Contains(table, raw) {
			t.Errorf("%q comes through:\n%s", raw, table)
		}
	}
}

// An element of a list means something by being there, even if it says nothing:
// a network rule {} allows everything.
func TestEmptyListElementIsDrift(t *testing.T) {
	open := made("networking.k8s.io/v1", "NetworkPolicy", "open", fields{"spec": fields{"podSelector": fields{}, "ingress": []any{fields{}}}})
	closed := open.Fields()
	closed["spec"].(fields)["ingress"] = []any{}
	p := plan.Compute(wants(open), newSide().has(open).change(open, func(s *plan.Seen) {
		s.Clean, s.Live = false, &cluster.Live{ID: open.ID, Fields: closed, Owned: closed}
	}).live())
	if len(p.Steps) != 1 || p.Steps[0].Action != plan.Heal || p.Steps[0].Fields[0].String() != "+ .spec.ingress[0]: {}" {
		t.Errorf("got %+v", p.Steps)
	}
}

// Quantities, defaults and status are no drift.
func TestWhatIsNoDrift(t *testing.T) {
	d := made("apps/v1", "Deployment", "web", fields{"spec": fields{"cpu": "1000m", "empty": fields{}, "l": []any{fields{"name": "x", "v": int64(1)}}}})
	live := d.Fields()
	live["spec"] = fields{"cpu": "1", "defaulted": true, "l": []any{fields{"name": "sidecar"}, fields{"name": "x", "v": int64(1), "more": "y"}}}
	live["status"] = fields{"replicas": int64(1)}
	live["metadata"].(fields)["annotations"] = fields{object.AnnotationCommit: "c", object.AnnotationDigest: "d"}
	p := plan.Compute(wants(d), newSide().has(d).change(d, func(s *plan.Seen) { s.Clean, s.Live = false, &cluster.Live{ID: d.ID, Fields: live, Owned: d.Fields()} }).live())
	if !p.Empty() || p.Unchanged != 1 {
		t.Errorf("got %+v", p)
	}
}

// TestRecordOfAnother: where the inventory has another object of that name, what
// is there is ours only if we applied it, as after a crash right after it was made;
// somebody's copy with our marks on it stays a conflict.
func TestRecordOfAnother(t *testing.T) {
	a := config("a", fields{"a": "1"})
	s := newSide().has(a)
	s.inventory[a.ID] = cluster.Owned{UID: "uid-of-the-one-before"}
	p := plan.Compute(wants(a), s.live())
	if len(p.Steps) != 1 || p.Steps[0].Action != plan.Update || !p.Steps[0].Record || p.Steps[0].UID != "uid-a" {
		t.Errorf("applied by us: got %+v, want an update that records uid-a", p.Steps)
	}
	s.change(a, func(seen *plan.Seen) { seen.Managed = false })
	if p := plan.Compute(wants(a), s.live()); len(p.Steps) != 1 || p.Steps[0].Action != plan.Conflict {
		t.Errorf("somebody's copy: got %+v, want a conflict", p.Steps)
	}
}
