package owned

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	apply "k8s.io/client-go/applyconfigurations/apps/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/fairway-dev/fairway/pkg/object"
)

const by = "fairway:prod/prod-eu/checkout"

// deployment is what a cluster gave for a Deployment that was applied by us,
// scaled by hand and given one more variable by kubectl.
func deployment(t testing.TB) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("testdata/deployment.json")
	if err != nil {
		t.Fatal(err)
	}
	fields, err := object.DecodeFields(raw)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// The projection is what Kubernetes' own extraction, which knows the schema,
// gives for the same manager.
func TestProjectAgreesWithExtract(t *testing.T) {
	raw, err := os.ReadFile("testdata/deployment.json")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	extracted, err := apply.ExtractDeployment(&d, by)
	if err != nil {
		t.Fatal(err)
	}
	raw, err = json.Marshal(extracted)
	if err != nil {
		t.Fatal(err)
	}
	want, err := object.DecodeFields(raw)
	if err != nil {
		t.Fatal(err)
	}
	notes := want["metadata"].(map[string]any)["annotations"].(map[string]any)
	delete(notes, object.AnnotationCommit)
	delete(notes, object.AnnotationDigest)
	if diff := cmp.Diff(want, Project(deployment(t), by)); diff != "" {
		t.Errorf("projection (-extracted +ours):\n%s", diff)
	}
}

func TestProjectOfStranger(t *testing.T) {
	if got := Project(deployment(t), "fairway:prod/prod-eu/other"); got != nil {
		t.Errorf("project for a manager that owns nothing: got %v, want nil", got)
	}
	var h Hasher
	if mark, ok := h.Mark(deployment(t), "other"); ok {
		t.Errorf("mark for a manager that owns nothing: got %x", mark)
	}
}

func TestMarkIgnoresWhatOthersOwn(t *testing.T) {
	var h Hasher
	before, ok := h.Mark(deployment(t), by)
	if !ok {
		t.Fatal("no mark")
	}
	quiet := map[string]func(map[string]any){
		"status":   func(f map[string]any) { f["status"].(map[string]any)["replicas"] = int64(99) },
		"replicas": func(f map[string]any) { f["spec"].(map[string]any)["replicas"] = int64(1) },
		"commit": func(f map[string]any) {
			f["metadata"].(map[string]any)["annotations"].(map[string]any)[object.AnnotationCommit] = "zzz"
		},
		"default": func(f map[string]any) { f["spec"].(map[string]any)["progressDeadlineSeconds"] = int64(7) },
	}
	for name, change := range quiet {
		fields := deployment(t)
		change(fields)
		if after, _ := h.Mark(fields, by); after != before {
			t.Errorf("%s changed the mark, though we do not own it", name)
		}
	}
	fields := deployment(t)
	container(fields)["image"] = "evil"
	if after, _ := h.Mark(fields, by); after == before {
		t.Error("a changed image left the mark as it was")
	}
}

func container(fields map[string]any) map[string]any {
	template := fields["spec"].(map[string]any)["template"].(map[string]any)
	return template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
}

func TestOthers(t *testing.T) {
	got := map[string]string{}
	for _, o := range Others(deployment(t), by) {
		got[o.Field] = o.Manager
	}
	want := map[string]string{
		".spec.replicas":         "kubectl",
		".metadata.labels.extra": "kubectl-label",
		".spec.template.spec.containers[checkout].env[EXTRA].name":  "kubectl-set",
		".spec.template.spec.containers[checkout].env[EXTRA].value": "kubectl-set",
		".metadata.finalizers[0]":                                   "kubectl-patch",
		".metadata.finalizers[1]":                                   "kubectl-patch",
		`.metadata.annotations."deployment.kubernetes.io/revision"`: "kube-controller-manager",
	}
	// The controller's revision is written with the status subresource.
	delete(want, `.metadata.annotations."deployment.kubernetes.io/revision"`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("others (-want +got):\n%s", diff)
	}
}

// Every leaf is spelled as object.Diff spells it, so that a reader can look up
// who made the change that a plan shows.
func TestLeavesSpelledAsDiff(t *testing.T) {
	fields := deployment(t)
	var l leaves
	l.value("", fields)
	got := map[string]bool{}
	for _, o := range l.out {
		got[o.Field] = true
	}
	for _, change := range object.Diff(nil, fields) {
		if !got[change.Path] {
			t.Errorf("object.Diff spells %s, and no leaf does", change.Path)
		}
	}
}

func TestConflict(t *testing.T) {
	desired := deployment(t)
	for _, tt := range []struct{ path, sentence, field, manager, at string }{
		{".spec.replicas", `conflict with "kubectl" with subresource "scale" using apps/v1`, ".spec.replicas", "kubectl", ""},
		{`.spec.template.spec.containers[name="checkout"].image`, `conflict with "kubectl-set" using apps/v1 at 2026-11-23T12:37:32Z`,
			".spec.template.spec.containers[checkout].image", "kubectl-set", "2026-11-23T12:37:32Z"},
		{`.spec.template.spec.containers[name="checkout"].ports[containerPort=8080,protocol="TCP"].name`, `conflict with "fairway:a/b/c"`,
			".spec.template.spec.containers[checkout].ports[http].name", "fairway:a/b/c", ""},
		{".metadata.annotations.fairway.dev/unit", `conflict with "x"`, `.metadata.annotations."fairway.dev/unit"`, "x", ""},
		{`.metadata.finalizers[="x.io/b"]`, `odd`, `.metadata.finalizers[1]`, "odd", ""},
		{`.no.such[name="x"].field`, `conflict with "x"`, `.no.such[x].field`, "x", ""},
		{`.broken[name="x`, `conflict with "x`, `.broken[name="x`, `conflict with "x`, ""},
	} {
		got := Conflict(desired, tt.path, tt.sentence)
		at := ""
		if !got.Time.IsZero() {
			at = got.Time.Format("2006-01-02T15:04:05Z07:00")
		}
		if got.Field != tt.field || got.Manager != tt.manager || at != tt.at {
			t.Errorf("conflict %s %s:\n got %s %s %s\nwant %s %s %s", tt.path, tt.sentence,
				got.Field, got.Manager, at, tt.field, tt.manager, tt.at)
		}
	}
}

// world draws an object of maps and scalars with the set of its leaves that we
// own, so that structured-merge-diff, which without a schema takes lists for
// atomic, can be asked the same.
func world(t *rapid.T) (fields map[string]any, set *fieldpath.Set) {
	set = fieldpath.NewSet()
	fields = map[string]any{"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": "a"}}
	fields["spec"] = node(t, 0, fieldpath.MakePathOrDie("spec"), set)
	return fields, set
}

func node(t *rapid.T, depth int, path fieldpath.Path, set *fieldpath.Set) any {
	if depth < 3 && rapid.IntRange(0, 3).Draw(t, "shape") > 0 {
		out := map[string]any{}
		for i := range rapid.IntRange(1, 4).Draw(t, "width") {
			name := fmt.Sprintf("f%d", i)
			below := append(path.Copy(), fieldpath.PathElement{FieldName: &name})
			out[name] = node(t, depth+1, below, set)
		}
		return out
	}
	if rapid.Bool().Draw(t, "owned") {
		set.Insert(path)
	}
	return rapid.OneOf(
		rapid.Map(rapid.StringN(0, 4, -1), func(s string) any { return s }),
		rapid.Map(rapid.Int64Range(-9, 9), func(i int64) any { return i }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.SliceOfN(rapid.Int64Range(0, 3), 0, 3), func(l []int64) any {
			out := []any{}
			for _, i := range l {
				out = append(out, i)
			}
			return out
		}),
	).Draw(t, "leaf")
}

// manage writes managedFields as a cluster would.
func manage(t *rapid.T, fields map[string]any, set *fieldpath.Set) {
	raw, err := set.ToJSON()
	if err != nil {
		t.Fatal(err)
	}
	v1, err := object.DecodeFields(raw)
	if err != nil {
		t.Fatal(err)
	}
	fields["metadata"].(map[string]any)["managedFields"] = []any{
		map[string]any{"manager": by, "operation": "Apply", "fieldsV1": v1},
	}
}

func TestProjectAgreesWithExtractItems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields, set := world(t)
		value, err := typed.DeducedParseableType.FromUnstructured(fields)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := value.ExtractItems(set).AsValue().Unstructured().(map[string]any)
		manage(t, fields, set)
		got := Project(fields, by)
		if diff := cmp.Diff(prune(want["spec"]), prune(got["spec"])); diff != "" {
			t.Fatalf("set:\n%s\nprojection (-structured-merge-diff +ours):\n%s", set, diff)
		}
	})
}

// prune drops empty maps: whether the way to nothing is there does not matter.
func prune(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range m {
		if e := prune(e); e != nil {
			out[k] = e
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Marks are equal exactly if projections are.
func TestMarkEqualIfProjectionEqual(t *testing.T) {
	var h Hasher
	rapid.Check(t, func(t *rapid.T) {
		a, set := world(t)
		b, other := world(t)
		if rapid.Bool().Draw(t, "same shape") {
			raw, _ := object.Encode(a)
			b, _ = object.DecodeFields(raw)
			other = set
			scramble(t, b)
		}
		manage(t, a, set)
		manage(t, b, other)
		ma, _ := h.Mark(a, by)
		mb, _ := h.Mark(b, by)
		pa, _ := object.Encode(Project(a, by)["spec"])
		pb, _ := object.Encode(Project(b, by)["spec"])
		if (ma == mb) != bytes.Equal(pa, pb) {
			t.Fatalf("marks %x and %x for\n%s\n%s", ma, mb, pa, pb)
		}
	})
}

// scramble changes one scalar somewhere, or none.
func scramble(t *rapid.T, fields map[string]any) {
	var at []func()
	var walk func(m map[string]any)
	walk = func(m map[string]any) {
		for k, v := range m {
			if sub, ok := v.(map[string]any); ok {
				walk(sub)
				continue
			}
			at = append(at, func() { m[k] = "scrambled" })
		}
	}
	if spec, ok := fields["spec"].(map[string]any); ok {
		walk(spec)
	}
	if len(at) > 0 && rapid.Bool().Draw(t, "scramble") {
		at[rapid.IntRange(0, len(at)-1).Draw(t, "where")]()
	}
}

func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"metadata":{"managedFields":[{"manager":"m","operation":"Apply","fieldsV1":{"f:a":{"k:{\"n\":1}":{".":{}}}}}]},"a":[{"n":1}]}`))
	f.Add([]byte(`{"metadata":{"managedFields":[{"manager":"m","operation":"Apply","fieldsV1":{"f:a":{"v:\"x\"":{},"i:9":{},"i:-1":{},"k:{":{},"q":3}}}]},"a":["x"]}`))
	f.Add([]byte(`{"metadata":[],"spec":null}`))
	var h Hasher
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, err := object.DecodeFields(raw)
		if err != nil {
			t.Skip()
		}
		h.Mark(fields, "m")
		Project(fields, "m")
		Others(fields, "")
		Conflict(fields, string(raw), string(raw))
	})
}

func BenchmarkMark(b *testing.B) {
	fields := deployment(b)
	var h Hasher
	b.ReportAllocs()
	for b.Loop() {
		h.Mark(fields, by)
	}
}
