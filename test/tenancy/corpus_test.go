// Package tenancy_test holds everything a unit must never get into a cluster
// against both layers that keep it out, each by itself: the Go that looks at
// objects, and the cluster with the rights and policies that are installed there.
package tenancy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/tenancy"
)

type fields = map[string]any

// escape is one thing that must be refused, and where it would be sent.
type escape struct {
	name string
	body []byte
	path string
}

// scope is the unit that all of it pretends to be a part of.
func scope() tenancy.Scope {
	return tenancy.Scope{
		Unit: "prod/local/checkout", Namespace: "shop-prod", Owner: "shop", Hosts: []string{"checkout.example.com"},
		Offered: tenancy.Offer{"fairway.test": {"Gadget": "gadgets"}},
	}
}

// allowed gives one object of each kind as it is allowed.
func allowed(t testing.TB) []fields {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "allowed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Pod     fields   `json:"pod"`
		Objects []fields `json:"objects"`
	}
	if err := yaml.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	for _, o := range data.Objects {
		o["metadata"] = fields{
			"name": "checkout", "namespace": "shop-prod",
			"labels":      fields{"app.kubernetes.io/managed-by": "fairway"},
			"annotations": fields{"fairway.dev/unit": "prod/local/checkout"},
		}
		if at := template(o); at != "" {
			restart := "Always"
			if strings.Contains("Job CronJob AnalysisTemplate", o["kind"].(string)) {
				restart = "Never"
			}
			pod := copied(data.Pod)
			pod["spec"].(fields)["restartPolicy"] = restart
			change(t, o, at+"="+string(encoded(t, pod)))
		}
	}
	return data.Objects
}

// template is where an object has its pod template; "" for one that has none.
func template(o fields) string {
	switch o["kind"] {
	case "Deployment", "StatefulSet", "Job", "Rollout":
		return "spec.template"
	case "CronJob":
		return "spec.jobTemplate.spec.template"
	case "AnalysisTemplate":
		return "spec.metrics.0.provider.job.spec.template"
	}
	return ""
}

func copied(o fields) fields {
	var out fields
	raw, _ := json.Marshal(o)
	_ = json.Unmarshal(raw, &out)
	return out
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// corpus puts together all that must be refused.
func corpus(t testing.TB) []escape {
	t.Helper()
	var out []escape
	bases := allowed(t)
	for _, line := range lines(t, "escapes.txt") {
		part := strings.SplitN(line, " | ", 3)
		if len(part) != 3 {
			t.Fatalf("escapes.txt: %q has not three parts", line)
		}
		out = append(out, expand(t, bases, part[0], part[1], part[2])...)
	}
	for _, line := range lines(t, "kinds.txt") {
		out = append(out, foreign(t, line))
	}
	out = append(out, oddBytes(t, bases)...)
	slices.SortFunc(out, func(a, b escape) int { return strings.Compare(a.name, b.name) })
	return out
}

func lines(t testing.TB, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// expand makes one escape of each object that a line's base stands for.
func expand(t testing.TB, bases []fields, name, base, changes string) []escape {
	t.Helper()
	var out []escape
	for _, b := range bases {
		kind, at := b["kind"].(string), template(b)
		var prefixes []string
		switch {
		case base == "any" || base == kind:
			prefixes = []string{""}
		case at == "":
		case base == "template":
			prefixes = []string{at + "."}
		case base == "pod":
			prefixes = []string{at + ".spec."}
		case base == "container":
			prefixes = []string{at + ".spec.containers.0.", at + ".spec.initContainers.0."}
		}
		for _, prefix := range prefixes {
			o := copied(b)
			for _, c := range strings.Split(changes, " ; ") {
				change(t, o, prefix+c)
			}
			label := fmt.Sprintf("%s: %s %s", name, kind, b["apiVersion"])
			if strings.HasSuffix(prefix, "initContainers.0.") {
				label += ", first container"
			}
			out = append(out, escape{label, encoded(t, o), pathOf(b, o)})
		}
	}
	if len(out) == 0 {
		t.Fatalf("escapes.txt: there is no base %q", base)
	}
	return out
}

// change puts a value at a path, or takes away what is there. A dot inside a
// name is written ~1.
func change(t testing.TB, o fields, c string) {
	t.Helper()
	path, text, set := strings.Cut(c, "=")
	if !set {
		path = strings.TrimSuffix(path, " -")
	}
	var value any
	if set {
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
	put(o, strings.Split(path, "."), value, set)
}

// put gives the container with the value at the path.
func put(v any, path []string, value any, set bool) any {
	key := strings.ReplaceAll(path[0], "~1", ".")
	if list, ok := v.([]any); ok {
		if key == "+" {
			return append(list, value)
		}
		i, _ := strconv.Atoi(key)
		list[i] = value
		return list
	}
	m, ok := v.(fields)
	if !ok {
		m = fields{}
	}
	switch {
	case len(path) > 1:
		m[key] = putIn(m[key], path[1:], value, set)
	case set:
		m[key] = value
	default:
		delete(m, key)
	}
	return m
}

func putIn(v any, path []string, value any, set bool) any {
	list, ok := v.([]any)
	if !ok || path[0] == "+" || len(path) == 1 {
		return put(v, path, value, set)
	}
	i, _ := strconv.Atoi(path[0])
	list[i] = putIn(list[i], path[1:], value, set)
	return list
}

// pathOf is where an object would be sent: by its base's resource, with the
// name and namespace it has now.
func pathOf(base, o fields) string {
	resource := ""
	group, _, _ := strings.Cut(base["apiVersion"].(string), "/")
	if base["apiVersion"] == "v1" {
		group = ""
	}
	for _, k := range tenancy.Kinds() {
		if k.Kind == base["kind"] && k.Group == group {
			resource = k.Resource
		}
	}
	meta, _ := o["metadata"].(fields)
	namespace, _ := meta["namespace"].(string)
	name, _ := meta["name"].(string)
	if namespace == "" || strings.ContainsAny(namespace, "/ ") || strings.ToLower(namespace) != namespace {
		namespace = "shop-prod"
	}
	if name == "" || strings.Contains(name, "/") {
		name = "checkout"
	}
	return apiPath(base["apiVersion"].(string)) + "/namespaces/" + namespace + "/" + resource + "/" + name
}

func apiPath(version string) string {
	if version == "v1" {
		return "/api/v1"
	}
	return "/apis/" + version
}

// foreign is an object of a kind that no service may hold.
func foreign(t testing.TB, line string) escape {
	part := strings.Fields(line)
	meta := fields{
		"name":        "checkout",
		"labels":      fields{"app.kubernetes.io/managed-by": "fairway"},
		"annotations": fields{"fairway.dev/unit": "prod/local/checkout"},
	}
	path := apiPath(part[0])
	if len(part) == 3 {
		meta["namespace"] = "shop-prod"
		path += "/namespaces/shop-prod"
	}
	o := fields{"apiVersion": part[0], "kind": part[1], "metadata": meta}
	return escape{"kind: " + part[1] + " " + part[0], encoded(t, o), path + "/" + part[2] + "/checkout"}
}

// oddBytes are texts of which two readers could make two things.
func oddBytes(t testing.TB, bases []fields) []escape {
	t.Helper()
	i := slices.IndexFunc(bases, func(b fields) bool { return b["kind"] == "ConfigMap" })
	good := encoded(t, bases[i])
	path := pathOf(bases[i], bases[i])
	edit := func(old, with string) []byte { return bytes.Replace(good, []byte(old), []byte(with), 1) }
	texts := map[string][]byte{
		"namespace twice, the other last":  edit(`"namespace":"shop-prod"`, `"namespace":"shop-prod","namespace":"money-prod"`),
		"kind twice, the other last":       edit(`"kind":"ConfigMap"`, `"kind":"ConfigMap","kind":"Pod"`),
		"metadata twice, the other last":   edit(`"metadata":{`, `"metadata":{"name":"checkout","namespace":"shop-prod"},"metadata":{"finalizers":["a/b"],`),
		"something after the object":       append(slices.Clone(good), `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}}`...),
		"a list of objects":                slices.Concat([]byte("["), good, []byte("]")),
		"a text":                           []byte(`"x"`),
		"nothing":                          {},
		"cut short":                        good[:len(good)-2],
		"null":                             []byte("null"),
		"a kind with a NUL":                edit(`"kind":"ConfigMap"`, `"kind":"ConfigMap\u0000"`),
		"a namespace with a look-alike":    edit(`"namespace":"shop-prod"`, `"namespace":"shор-prod"`),
		"a name of several lines":          edit(`"name":"checkout"`, `"name":"checkout\n---\nkind: Namespace"`),
		"more than a mebibyte":             edit(`"data":{`, `"data":{"big":"`+strings.Repeat("x", 1<<20)+`",`),
		"metadata that is a list":          edit(`"metadata":{`, `"metadata":[],"x":{`),
		"annotations that are a list":      edit(`"annotations":{"fairway.dev/unit":"prod/local/checkout"}`, `"annotations":["fairway.dev/unit"]`),
		"an API group where there is none": edit(`"apiVersion":"v1"`, `"apiVersion":"core/v1"`),
	}
	var out []escape
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		out = append(out, escape{"bytes: " + name, texts[name], path})
	}
	return out
}
