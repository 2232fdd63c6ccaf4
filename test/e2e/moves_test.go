package e2e_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// uids are the UIDs of all objects on a cluster, by name.
func (w *world) uids(cluster string) map[string]types.UID {
	w.t.Helper()
	out := map[string]types.UID{}
	for name, o := range w.objects(cluster) {
		out[name] = o.GetUID()
	}
	return out
}

// renamedTo is checkout under another name, in a folder of that name.
func (w *world) renamedTo(name, more string) files {
	declared := w.web("shop", "checkout", "needs: pay: service: \"pay\"\n\t"+more)[w.servicePath("shop", "checkout")]
	return files{
		w.servicePath("shop", name): strings.Replace(declared, `"checkout"`, `"`+name+`"`, 1),
	}.and(w.release(w.dev(), "shop", name, "1.0.0")).and(w.release(w.prod(), "shop", name, "1.0.0")).and(w.removed("shop", "checkout"))
}

// mustBeOwnedBy holds that objects of a name name a unit, are in its inventory
// by UID, and carry no field of the unit they came from.
func (w *world) mustBeOwnedBy(cluster, suffix, unit, former string) {
	w.t.Helper()
	inventory, found := w.inventoryOf(cluster, unit), 0
	for name, o := range w.objects(cluster) {
		if !strings.HasSuffix(name, suffix) {
			continue
		}
		found++
		if got := o.GetAnnotations()["fairway.dev/unit"]; got != unit {
			w.t.Errorf("%s names %q, want %s", name, got, unit)
		}
		if !strings.Contains(inventory, string(o.GetUID())) {
			w.t.Errorf("%s is not in the inventory of %s", name, unit)
		}
		for _, f := range o.GetManagedFields() {
			if f.Manager == "fairway:"+former {
				w.t.Errorf("%s still has fields of %s", name, former)
			}
		}
	}
	if found == 0 {
		w.t.Errorf("no object is called %s", suffix)
	}
	if entry := w.inventoryOf(cluster, former); entry != "" {
		w.t.Errorf("the inventory of %s still has %s", former, entry)
	}
}

// TestRenameService: a service that says what it was called keeps every object,
// though its folder, its name and its releases are others in one commit.
func TestRenameService(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	before, from := w.uids("prod-eu"), w.lab.now(t)
	commit := w.push("checkout is till", w.renamedTo("till", `objectName: "checkout"`))
	w.settled(commit)
	mustEqual(t, "UIDs after the rename", before, w.uids("prod-eu"))
	w.mustDeleteNothing(from)
	w.mustBeOwnedBy("prod-eu", w.space("shop", w.prod())+"/checkout", w.inProd("till"), w.inProd("checkout"))
	units, err := w.units()
	if err != nil {
		t.Fatal(err)
	}
	if u, there := units[w.inProd("checkout")]; there {
		t.Errorf("status still has %s", describe(u))
	}
	from = w.lab.now(t)
	commit = w.push("and back", w.web("shop", "checkout", `needs: pay: service: "pay"`).
		and(w.release(w.dev(), "shop", "checkout", "1.0.0")).and(w.release(w.prod(), "shop", "checkout", "1.0.0")).and(w.removed("shop", "till")))
	w.settled(commit)
	mustEqual(t, "UIDs after the way back", before, w.uids("prod-eu"))
	w.mustDeleteNothing(from)
}

// TestBareRename: a service that is removed while its like comes was probably
// renamed. Neither goes before Git says which; the line that the hint names makes
// it a rename.
func TestBareRename(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	before, from := w.uids("prod-eu"), w.lab.now(t)
	commit := w.push("checkout is till", w.renamedTo("till", ""))
	old := w.waitHeld(w.inProd("checkout"), plan.HoldRenamed, commit)
	w.waitHeld(w.inProd("till"), plan.HoldRenamed, commit)
	mustEqual(t, "UIDs while both are held", before, w.uids("prod-eu"))
	w.mustDeleteNothing(from)
	hint := regexp.MustCompile(`add to (\S+):  (objectName: "checkout")`).FindStringSubmatch(old.Hint)
	if hint == nil || hint[1] != w.servicePath("shop", "till") {
		t.Fatalf("the hint names no line: %s", old.Hint)
	}
	_, consent := lineToAdd(t, old)
	commit = w.push("it was renamed", files{w.servicePath("shop", "till"): strings.Replace(w.read(w.servicePath("shop", "till")), "http:", hint[2]+"\n\thttp:", 1)})
	w.settled(commit)
	mustEqual(t, "UIDs after the rename", before, w.uids("prod-eu"))
	w.mustDeleteNothing(from)
	if !strings.Contains(consent, w.prodEu("checkout")) {
		t.Errorf("the other way out was %s", consent)
	}
}

func (w *world) prodEu(service string) string { return "prod-eu/" + service }

// TestBareRenameMeant: with consent the old service goes and the new one comes.
func TestBareRenameMeant(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	commit := w.push("till instead of checkout", w.renamedTo("till", ""))
	old := w.waitHeld(w.inProd("checkout"), plan.HoldRenamed, commit)
	_, line := lineToAdd(t, old)
	commit = w.push("it is meant", w.consenting(line))
	w.waitSync(w.inProd("till"), status.Synced)
	eventually(t, patience, "checkout is gone from prod", func() string { return w.inventoryOf("prod-eu", w.inProd("checkout")) })
	if w.live("prod-eu", "Deployment", w.space("shop", w.prod()), "till") == nil {
		t.Error("till did not come")
	}
	w.waitHeld(w.inDev("checkout"), plan.HoldRenamed, commit)
}

// TestRenameTeam: a team that says what its namespaces were called keeps them
// and everything in them.
func TestRenameTeam(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	before, from := w.uids("prod-eu"), w.lab.now(t)
	edits := files{
		"teams/" + w.team("shop") + "/team.cue":  gone,
		"teams/" + w.team("store") + "/team.cue": strings.Replace(w.teamFile("store")["teams/"+w.team("store")+"/team.cue"], "owners:", `namespace: "`+w.team("shop")+`"`+"\n\towners:", 1),
	}
	for _, name := range []string{"cart", "checkout"} {
		for _, env := range []string{w.dev(), w.prod()} {
			edits[w.releasePath(env, "store", name)] = w.read(w.releasePath(env, "shop", name))
		}
		edits[w.servicePath("store", name)] = w.read(w.servicePath("shop", name))
		edits.and(w.removed("shop", name))
	}
	commit := w.push("shop is store", edits)
	w.settled(commit)
	mustEqual(t, "UIDs after the rename", before, w.uids("prod-eu"))
	w.mustDeleteNothing(from)
	w.mustBeOwnedBy("prod-eu", w.space("shop", w.prod())+"/team", w.inProd("team."+w.team("store")), w.inProd("team."+w.team("shop")))

	from = w.lab.now(t)
	commit = w.push("store forgets what it was called", files{"teams/" + w.team("store") + "/team.cue": w.teamFile("store")["teams/"+w.team("store")+"/team.cue"]})
	u := w.waitHeld(w.inProd("checkout"), plan.HoldBudget, commit)
	if !strings.Contains(u.Hint, "namespace") {
		t.Errorf("the hint does not name the way to keep all: %s", u.Hint)
	}
	w.mustDeleteNothing(from)
}

// TestTakenNamespace: a team cannot move into another's namespace by saying so.
func TestTakenNamespace(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	before, from := w.uids("prod-eu"), w.lab.now(t)
	path := "teams/" + w.team("money") + "/team.cue"
	commit := w.push("money moves in", files{path: strings.Replace(w.read(path), "owners:", `namespace: "`+w.team("shop")+`"`+"\n\towners:", 1)})
	for _, unit := range []string{w.inProd("pay"), w.inProd("checkout"), w.inProd("team." + w.team("shop")), w.inProd("team." + w.team("money"))} {
		w.waitHeld(unit, plan.HoldInvalid, commit)
	}
	mustEqual(t, "UIDs while the claim stands", before, w.uids("prod-eu"))
	for _, r := range w.writes(from) {
		if r.Object.Namespace != w.system {
			t.Errorf("written: %s", r)
		}
	}
}

// TestAdoption: what was there before us is a conflict until the environment
// says that it is taken over; then it is the same object with our fields, and
// when it is not declared any more it stays, without our marks.
func TestAdoption(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return w.teamFile("shop").and(w.everywhere("shop", "cart", "")).and(w.web("shop", "checkout", "")).and(w.release(w.dev(), "shop", "checkout", "1.0.0"))
	})
	w.run()
	space, unit := w.space("shop", w.prod()), w.inProd("checkout")
	api := w.lab.admin["prod-eu"].Resource(kinds()["ConfigMap"]).Namespace(space)
	foreign, err := api.Create(context.Background(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "checkout"},
		"data": map[string]any{"LOG_LEVEL": "theirs", "OWN": "kept"},
	}}, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	w.push("checkout in prod", w.release(w.prod(), "shop", "checkout", "1.0.0"))
	w.waitUnit(unit, "in conflict", func(u status.Unit) bool { return u.Sync == status.Failed && strings.Contains(u.Message, "ConfigMap") })
	if o := w.live("prod-eu", "ConfigMap", space, "checkout"); o.GetResourceVersion() != foreign.GetResourceVersion() {
		t.Error("a foreign object was written without a word")
	}
	commit := w.push("take it over", w.consenting(`adopt: "prod-eu/checkout": ["ConfigMap/checkout"]`))
	w.settled(commit)
	o := w.live("prod-eu", "ConfigMap", space, "checkout")
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	if o.GetUID() != foreign.GetUID() || data["LOG_LEVEL"] != "info" || data["OWN"] != "kept" {
		t.Errorf("adopted: %s with %v, want the same object with our value and theirs", o.GetUID(), data)
	}
	from := w.lab.now(t)
	commit = w.push("checkout is not in prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	w.settled(commit)
	for _, r := range w.deleted(from) {
		if r.Object.Resource == "configmaps" {
			t.Errorf("deleted: %s", r)
		}
	}
	after := w.live("prod-eu", "ConfigMap", space, "checkout")
	if after == nil || after.GetUID() != foreign.GetUID() {
		t.Fatal("the adopted object is gone")
	}
	if data, _, _ := unstructured.NestedStringMap(after.Object, "data"); data["OWN"] != "kept" || data["LOG_LEVEL"] != "info" {
		t.Errorf("its values are %v", data)
	}
	raw, _ := json.Marshal(after.Object["metadata"])
	if text := string(raw); strings.Contains(text, "fairway.dev/unit") || strings.Contains(text, "fairway:"+unit) || strings.Contains(text, "managed-by") {
		t.Errorf("it still has our marks: %s", text)
	}
	if entry := w.inventoryOf("prod-eu", unit); entry != "" {
		t.Errorf("the inventory still has %s", entry)
	}
}

// TestCopiedMarks: an object that carries copies of all our labels and annotations
// is nobody's of ours: it outlives the service it was copied from.
func TestCopiedMarks(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	space := w.space("shop", w.prod())
	copied := w.live("prod-eu", "ConfigMap", space, "checkout")
	meta := map[string]any{"name": "copied", "labels": copied.Object["metadata"].(map[string]any)["labels"], "annotations": copied.Object["metadata"].(map[string]any)["annotations"]}
	_, err := w.lab.admin["prod-eu"].Resource(kinds()["ConfigMap"]).Namespace(space).Create(context.Background(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": copied.Object["data"],
	}}, metav1.CreateOptions{FieldManager: "copier"})
	if err != nil {
		t.Fatal(err)
	}
	commit := w.push("checkout is not in prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	w.settled(commit)
	if w.live("prod-eu", "ConfigMap", space, "copied") == nil {
		t.Error("the copy was deleted")
	}
	if w.live("prod-eu", "ConfigMap", space, "checkout") != nil {
		t.Error("the original is there")
	}
}

// TestForeignFinalizer: it holds only its object, the status names it, it is
// never taken off, and when it goes the unit goes.
func TestForeignFinalizer(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	space, unit := w.space("shop", w.prod()), w.inProd("checkout")
	w.alter("prod-eu", "ConfigMap", space, "checkout", "somebody", func(o *unstructured.Unstructured) { o.SetFinalizers([]string{"example.com/held"}) })
	w.push("checkout is not in prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	w.waitUnit(unit, "waiting for the finalizer", func(u status.Unit) bool {
		return u.Sync == status.Removing && strings.Contains(u.Message, "example.com/held")
	})
	if w.live("prod-eu", "Deployment", space, "checkout") != nil || w.live("prod-eu", "ServiceAccount", space, "checkout") != nil {
		t.Error("the unit's other objects are there")
	}
	if o := w.live("prod-eu", "ConfigMap", space, "checkout"); o == nil || len(o.GetFinalizers()) != 1 {
		t.Fatal("the finalizer was taken off")
	}
	w.alter("prod-eu", "ConfigMap", space, "checkout", "somebody", func(o *unstructured.Unstructured) { o.SetFinalizers(nil) })
	eventually(t, patience, "nothing is remembered of the unit", func() string {
		units, err := w.units()
		if err != nil {
			return err.Error()
		}
		if u, there := units[unit]; there {
			return describe(u)
		}
		return w.inventoryOf("prod-eu", unit)
	})
}

const plainDeployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
spec:
  selector:
    matchLabels: {part: NAME}
  template:
    metadata:
      labels: {part: NAME}
    spec:
      serviceAccountName: NAME
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: plain
        image: registry.example.com/test/plain
        resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 16Mi}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: ["ALL"]}}
`

// plainFiles is a service of plain manifests, some ConfigMaps of the given names.
func (w *world) plainFiles(name, more string, configs ...string) files {
	dir := strings.TrimSuffix(w.servicePath("shop", name), "service.cue")
	out := files{w.servicePath("shop", name): `package service

import "fairway.dev/platform/paths/manifests"

manifests.#Service & {
	name:        "` + name + `"
	description: "Plain files of a test."
	image:       "registry.example.com/test/plain"
	manifests: folder: "manifests"
	` + more + `
}
`}
	out[dir+"manifests/deployment.yaml"] = strings.ReplaceAll(plainDeployment, "NAME", name)
	for _, config := range configs {
		out[dir+"manifests/"+config+".yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + config + "\ndata:\n  of: " + config + "\n"
	}
	return out
}

// TestMoveToBroken: an object whose file moves to a service that is broken by the same
// commit waits for it where it is, while the rest goes on; mended, it moves. A broken
// service of another team keeps nothing from going, whatever it names.
func TestMoveToBroken(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return w.teamFile("shop").and(w.plainFiles("maps", "", "tiles", "styles", "fonts", "signs")).and(w.plainFiles("routes", "", "roads")).
			and(w.release(w.dev(), "shop", "maps", "1.0.0")).and(w.release(w.dev(), "shop", "routes", "1.0.0")).
			and(w.teamFile("money")).and(w.web("money", "decoy", "")).and(w.release(w.dev(), "money", "decoy", "1.0.0"))
	})
	w.run()
	before, from := w.uids("local"), w.lab.now(t)
	dir := "teams/" + w.team("shop") + "/maps/manifests/"
	w.push("styles moves to routes, which has a mistake", w.plainFiles("routes", "replicas: \"many\"", "roads", "styles").and(files{
		dir + "styles.yaml": gone, dir + "fonts.yaml": gone,
		dir + "tiles.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tiles\ndata:\n  of: new tiles\n",
	}).and(w.web("money", "decoy", `nonsense: "ConfigMap fonts"`)))
	w.waitSync(w.inDev("routes"), status.Held)
	w.waitSync(w.inDev("decoy"), status.Held)
	space := w.space("shop", w.dev())
	eventually(t, patience, "fonts is deleted, and tiles is new", func() string {
		if w.live("local", "ConfigMap", space, "fonts") != nil {
			return "fonts is there"
		}
		data, _, _ := unstructured.NestedString(w.live("local", "ConfigMap", space, "tiles").Object, "data", "of")
		return strings.TrimSuffix(data, "new tiles")
	})
	if styles := w.live("local", "ConfigMap", space, "styles"); styles == nil || styles.GetUID() != before["ConfigMap "+space+"/styles"] {
		t.Fatalf("styles was deleted while the service that it moved to could not be evaluated; it was %q", before["ConfigMap "+space+"/styles"])
	}
	w.settled(w.push("both are mended", w.plainFiles("routes", "", "roads", "styles").and(w.web("money", "decoy", ""))))
	if after := w.uids("local"); after["ConfigMap "+space+"/styles"] != before["ConfigMap "+space+"/styles"] || before["ConfigMap "+space+"/styles"] == "" {
		t.Errorf("styles was %q and is %q", before["ConfigMap "+space+"/styles"], after["ConfigMap "+space+"/styles"])
	}
	for _, r := range w.deleted(from) {
		if r.Object.Name != "fonts" {
			t.Errorf("deleted: %s", r)
		}
	}
}
