package manifest

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/object"
)

const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"n","labels":{"app.kubernetes.io/name":"a"}},
"spec":{"replicas":9007199254740993,"selector":{"matchLabels":{"app.kubernetes.io/name":"a"}},"template":{"metadata":{"labels":{"app.kubernetes.io/name":"a"}},
"spec":{"containers":[{"name":"a","image":"i:1","args":["yes","1e3","<&>","null"]},{"name":"b","image":"j:1"}]}}}}`

func objects(t *testing.T, texts ...string) []Object {
	t.Helper()
	var out []Object
	for _, text := range texts {
		fields, err := object.DecodeFields([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Object{Fields: fields})
	}
	return out
}

func patchOf(text string) []protocol.Patch {
	return []protocol.Patch{{Field: "patches.0", Data: json.RawMessage(text)}}
}

// What a patch does not name keeps its bytes: numbers that no float holds, and
// texts that YAML could take for something else.
func TestPatchKeepsTheRest(t *testing.T) {
	list := objects(t, deployment)
	patches := patchOf(`{"target":{"kind":"Deployment"},"merge":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"i:2"}]}}}}}`)
	if faults := Patch(list, patches); len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := object.Encode(list[0].Fields)
	if err != nil {
		t.Fatal(err)
	}
	want, err := object.Encode(objects(t, strings.Replace(deployment, "i:1", "i:2", 1))[0].Fields)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if list[0].Origin != "patches.0" {
		t.Errorf("origin %q", list[0].Origin)
	}
}

// TestPatchGuards: what a patch may not do, each by either kind of patch.
func TestPatchGuards(t *testing.T) {
	for name, c := range map[string]struct{ patch, code, field string }{
		"nothing":         {`{"target":{"kind":"Job"},"merge":{"spec":{}}}`, "no-target", "target"},
		"no such name":    {`{"target":{"kind":"Deployment","name":"b"},"merge":{"spec":{}}}`, "no-target", "target"},
		"both":            {`{"target":{"kind":"Deployment"},"merge":{},"json":[{"op":"remove","path":"/spec"}]}`, "patch", ""},
		"neither":         {`{"target":{"kind":"Deployment"}}`, "patch", ""},
		"name":            {`{"target":{"kind":"Deployment"},"json":[{"op":"replace","path":"/metadata/name","value":"b"}]}`, "patch-identity", "json"},
		"no name":         {`{"target":{"kind":"Deployment"},"merge":{"metadata":{"name":null}}}`, "patch-identity", "merge"},
		"kind":            {`{"target":{"kind":"Deployment"},"merge":{"kind":"Job"}}`, "patch-identity", "merge"},
		"version":         {`{"target":{"kind":"Deployment"},"json":[{"op":"replace","path":"/apiVersion","value":"v1"}]}`, "patch-identity", "json"},
		"namespace":       {`{"target":{"kind":"Deployment"},"merge":{"metadata":{"namespace":"m"}}}`, "patch-identity", "merge"},
		"deletes":         {`{"target":{"kind":"Deployment"},"merge":{"$patch":"delete"}}`, "patch-deletes", "merge"},
		"pod label":       {`{"target":{"kind":"Deployment"},"merge":{"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/name":"b"}}}}}}`, "patch-marks", "merge"},
		"pod label gone":  {`{"target":{"kind":"Deployment"},"json":[{"op":"remove","path":"/spec/template/metadata/labels/app.kubernetes.io~1name"}]}`, "patch-marks", "json"},
		"mark added":      {`{"target":{"kind":"Deployment"},"merge":{"metadata":{"labels":{"fairway.dev/service":"b"}}}}`, "patch-marks", "merge"},
		"labels replaced": {`{"target":{"kind":"Deployment"},"merge":{"spec":{"template":{"metadata":{"labels":{"$patch":"replace","x":"y"}}}}}}`, "patch-marks", "merge"},
		"step":            {`{"target":{"kind":"Deployment"},"json":[{"op":"test","path":"/kind","value":"Job"}]}`, "patch", "json.0"},
		"whole":           {`{"target":{"kind":"Deployment"},"json":[{"op":"replace","path":"","value":[]}]}`, "patch", ""},
	} {
		t.Run(name, func(t *testing.T) {
			list := objects(t, deployment)
			faults := Patch(list, patchOf(c.patch))
			if len(faults) != 1 || faults[0].Code != c.code || !strings.HasPrefix(faults[0].Field, strings.TrimSuffix("in.service.patches.0."+c.field, ".")) {
				t.Errorf("got %+v, want %s at %q; the object is %v", faults, c.code, c.field, list[0].Fields)
			}
		})
	}
}

// TestRead: YAML that means more than it shows is refused at its line.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct{ text, code, at string }{
		"anchor":           {"a: 1\nb: &x 2\n", "alias", "f:2:4"},
		"alias":            {"a: *x\n", "yaml", "f:1:1"},
		"merge key":        {"a:\n  <<: {b: 1}\n", "alias", "f:2:3"},
		"tag":              {"a: !env HOME\n", "tag", "f:1:4"},
		"binary":           {"a: !!binary aGFsbG8=\n", "tag", "f:1:4"},
		"twice":            {"a: 1\nb: 2\na: 3\n", "twice", "f:3:1"},
		"map key":          {"? {a: 1}\n: 2\n", "key", "f:1:3"},
		"no yaml":          {"a: 1\n\tb: 2\n", "yaml", "f:2:1"},
		"deep":             {strings.Repeat("[", 100) + strings.Repeat("]", 100), "too-deep", "f:1:65"},
		"documents":        {strings.Repeat("a: 1\n---\n", maxDocuments+1), "too-large", "f:1001:1"},
		"values":           {"a: [" + strings.Repeat("1,", maxNodes) + "]", "too-large", ""},
		"unfinished":       {"a: [1, 2\n", "yaml", "f:1:1"},
		"mark with more":   {"a: 1\n---#: |\n  b: &a {x: *a}\n", "alias", "f:3:6"},
		"mark and a blank": {"a: 1\n---\u00a0#: |\n  b: &a {x: *a}\n", "alias", "f:3:6"},
		"mark goes on":     {"a: 1\n--- {b: 2}\n", "yaml", "f:2:1"},
		"ends early":       {"a: 1\n---\nb: 1\nc: 1\n...\nd: 2\n", "yaml", "f:6:1"},
		"line ends":        {"a: 1\r---\rb: 2\n", "yaml", "f:2:1"},
		"one } too many":   {"{\n\"a\": 1\n}\n}\n", "yaml", "f:4:1"},
		"indented first":   {"  a: 1\n  b: 2\nc: 3\n", "yaml", "f:3:1"},
		"second":           {"a: 1\n--- # of two\nb: 2\nc: !x 1\n", "tag", "f:4:4"},
	} {
		t.Run(name, func(t *testing.T) {
			docs, f := Read("f", c.text)
			if f == nil || f.Code != c.code || c.at != "" && f.Pos.String() != c.at {
				t.Errorf("got %d documents, %+v; want %s at %s", len(docs), f, c.code, c.at)
			}
		})
	}
	docs, f := Read("f", "---\n# nothing\n---\na: on\n---\nnull\n")
	if f != nil || len(docs) != 1 {
		t.Errorf("got %d documents, %v", len(docs), f)
	}
}

// TestKustomizeReadsWhatWasRead: kustomize, which some YAML throws out of its memory, takes
// no file for objects, patches or a kustomization that was not looked at, and no text for
// a document that was taken for part of another.
func TestKustomizeReadsWhatWasRead(t *testing.T) {
	const endless = "a: &a [*a, *a]\nb: *a\n"
	for name, c := range map[string]struct{ kustomization, code, says string }{
		"resource":    {"resources: [b.txt]", "yaml", "call it b.yaml"},
		"no name":     {"resources: [b]", "yaml", "call it b.yaml"},
		"patch":       {"patches: [{path: b.txt, target: {kind: ConfigMap}}]", "yaml", "call it b.yaml"},
		"replacement": {"replacements: [{path: b.txt}]", "yaml", "call it b.yaml"},
		"Path":        {"patches: [{Path: b.txt, target: {kind: ConfigMap}}]", "kustomization", "write path"},
		"Patch":       {"patches: [{Patch: 'a: &a [*a, *a]', target: {kind: ConfigMap}}]", "kustomization", "write patch"},
		"long s":      {"configMapGenerator: [{name: b, fileſ: ['x=https://example.com/x']}]", "kustomization", "write files"},
		"PATH":        {"replacements: [{PATH: b.txt}]", "kustomization", "write path"},
		"envs":        {"configMapGenerator: [{name: b, envs: ['http://example.com/x?x=b.txt']}]", "remote", "copy it to teams/a/b/manifests and name it by its path there"},
		"inline":      {"patches: [{patch: 'a: &a [*a, *a]', target: {kind: ConfigMap}}]", "alias", "leave it out, and write out what stands for it"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"manifests/kustomization.yaml": c.kustomization + "\n", "manifests/b.txt": endless, "manifests/b": endless}
			faults := Check("teams/a/b", files, map[string]diag.Position{})
			if len(faults) != 1 || faults[0].Code != c.code || faults[0].Hint != c.says || faults[0].Pos.Line != 1 {
				t.Errorf("got %+v, want %s and %q", faults, c.code, c.says)
			}
		})
	}
	given := map[string]string{"manifests/kustomization.yaml": "configMapGenerator: [{name: a, files: [b.txt]}]\n", "manifests/b.txt": endless}
	if faults := Check("teams/a/b", given, map[string]diag.Position{}); len(faults) > 0 {
		t.Errorf("a file that is handed on as it is may be any: %+v", faults)
	}
}

// FuzzRead reads any text as a file beside a service and builds it: nothing panics,
// every place told of is in the file, and no object comes of it that the path does
// not let be written.
func FuzzRead(f *testing.F) {
	f.Add("manifests/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {a: \"1\"}\n---\nkind: List\n")
	f.Add("manifests/kustomization.yaml", "resources: [a.yaml, https://example.com/b]\nconfigMapGenerator: [{name: a, files: [a=b]}]\n")
	f.Add("manifests/a.yaml", "a: &a [*a, *a]\n<<: *a\n")
	f.Add("manifests/Kustomization", "resources: [..]\npatches: [{path: ../a, target: {kind: .*}}]\nnamePrefix: a-\n")
	spec := Spec{Folder: "manifests", Field: "manifests", Namespace: "n", Kinds: []string{"ConfigMap"}, Labels: map[string]string{"a": "b"}}
	f.Fuzz(func(t *testing.T, name, text string) {
		if path.Clean(name) != name || !strings.HasPrefix(name, "manifests/") || len(text) > 1<<12 {
			return
		}
		files := map[string]string{name: text, "manifests/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"}
		positions := map[string]diag.Position{}
		faults := Check("teams/a/b", files, positions)
		lines := strings.Count(text, "\n") + 3
		for at, pos := range positions {
			if pos.Line > lines {
				t.Errorf("%s stands at line %d of %d", at, pos.Line, lines)
			}
		}
		for _, x := range faults {
			if x.Message == "" || x.Pos.Line > lines {
				t.Errorf("a mistake that says nothing, or stands nowhere: %+v", x)
			}
		}
		if len(faults) > 0 {
			return
		}
		built, _ := Build("teams/a/b", files, spec)
		for _, o := range built {
			if kind, _ := known(o.Fields); kind != "ConfigMap" || at(o.Fields, []string{"metadata", "namespace"}) != "n" {
				t.Errorf("built %v", o.Fields)
			}
		}
	})
}

// BenchmarkPatch is what patches cost a unit that has one, after the first of the
// process, which reads kustomize's table of kinds.
func BenchmarkPatch(b *testing.B) {
	for name, text := range map[string]string{
		"merge": `{"target":{"kind":"Deployment"},"merge":{"spec":{"template":{"spec":{"containers":[{"name":"b","image":"j:2"}]}}}}}`,
		"json":  `{"target":{"kind":"Deployment"},"json":[{"op":"replace","path":"/spec/template/spec/containers/1/image","value":"j:2"}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				fields, err := object.DecodeFields([]byte(deployment))
				if err != nil {
					b.Fatal(err)
				}
				if faults := Patch([]Object{{Fields: fields}}, patchOf(text)); len(faults) > 0 {
					b.Fatal(fmt.Sprint(faults))
				}
			}
		})
	}
}

// TestKustomizations: what a kustomization may not say, at the line that says it.
func TestKustomizations(t *testing.T) {
	for text, code := range map[string]string{
		"resources: [https://example.com/a.yaml]":                "remote",
		"resources: ['git@example.com:a/b']":                     "remote",
		"resources: [github.com/a/b]":                            "remote",
		"resources: ['a?ref=main']":                              "remote",
		"components: [https://example.com/a]":                    "remote",
		"resources: [/etc]":                                      "outside",
		"resources: [../../other/manifests]":                     "outside",
		"resources: [..]":                                        "outside",
		"resources: [.]":                                         "cycle",
		"patches: [{path: /etc/passwd}]":                         "outside",
		"replacements: [{path: ../service.cue}]":                 "outside",
		"configMapGenerator: [{name: a, files: [x=/etc/hosts]}]": "outside",
		"configMapGenerator: [{name: a, envs: [../../a]}]":       "outside",
		"configMapGenerator: [{name: a, env: ../a}]":             "outside",
		"resources: [b.yaml]":                                    "not-found",
		"secretGenerator: [{name: a, literals: [a=b]}]":          "kustomization",
		"generators: [a.yaml]":                                   "kustomization",
		"transformers: [a.yaml]":                                 "kustomization",
		"validators: [a.yaml]":                                   "kustomization",
		"helmCharts: [{name: a}]":                                "kustomization",
		"openapi: {path: a.yaml}":                                "kustomization",
		"crds: [a.yaml]":                                         "kustomization",
		"configurations: [a.yaml]":                               "kustomization",
		"buildMetadata: [managedByLabel]":                        "kustomization",
		"[]":                                                     "kustomization",
		"resources: [a.yaml]\n---\nresources: []":                "kustomization",
	} {
		files := map[string]string{"manifests/a.yaml": deployment, "manifests/kustomization.yaml": text + "\n"}
		faults := Check("teams/a/b", files, map[string]diag.Position{})
		if len(faults) != 1 || faults[0].Code != code || faults[0].Pos.File != "teams/a/b/manifests/kustomization.yaml" || faults[0].Pos.Line != 1 {
			t.Errorf("%s: got %+v, want %s", text, faults, code)
		}
	}
}

// TestBuild: objects are put where the path says, and only those it lets be written.
func TestBuild(t *testing.T) {
	spec := Spec{
		Folder: "manifests", Field: "manifests", Namespace: "shop-prod", Labels: map[string]string{"team": "shop"},
		Selectors: map[string]string{"app.kubernetes.io/name": "demo"}, Kinds: []string{"Deployment"}, Image: &Image{Name: "i", Tag: "2", Digest: "sha256:ab"},
	}
	built, faults := Build("teams/a/b", map[string]string{"manifests/a.yaml": deployment}, spec)
	if len(faults) > 0 || len(built) != 1 {
		t.Fatalf("got %d objects, %+v", len(built), faults)
	}
	for path, want := range map[string]any{
		"metadata.namespace": "shop-prod", "metadata.labels.team": "shop", "spec.template.metadata.labels.app.kubernetes.io/name": nil,
		"metadata.annotations": map[string]any{object.AnnotationSource: "teams/a/b/manifests/a.yaml"},
	} {
		if got := at(built[0].Fields, strings.Split(path, ".")); want != nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	for _, path := range [][]string{{"spec", "selector", "matchLabels", "app.kubernetes.io/name"}, {"spec", "template", "metadata", "labels", "app.kubernetes.io/name"}} {
		if got := at(built[0].Fields, path); got != "demo" {
			t.Errorf("%v is %v", path, got)
		}
	}
	containers, _ := at(built[0].Fields, []string{"spec", "template", "spec", "containers"}).([]any)
	if got := at(containers[0], []string{"image"}); got != "i:2@sha256:ab" {
		t.Errorf("the image is %v", got)
	}
	if got := at(containers[1], []string{"image"}); got != "j:1" {
		t.Errorf("another image became %v", got)
	}
	if built[0].Origin != "manifests/a.yaml#Deployment/a" {
		t.Errorf("origin %q", built[0].Origin)
	}
	_, faults = Build("teams/a/b", map[string]string{"manifests/a.yaml": deployment + "\n---\n{apiVersion: v1, kind: Secret, metadata: {name: a}}\n"}, spec)
	if len(faults) != 1 || faults[0].Code != "kind" || faults[0].Pos.Line != 5 {
		t.Errorf("got %+v", faults)
	}
}
