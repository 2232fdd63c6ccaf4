package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/filters/patchjson6902"
	"sigs.k8s.io/kustomize/api/filters/patchstrategicmerge"
	"sigs.k8s.io/kustomize/kyaml/kio"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Object is one object on its way, and where it comes from.
type Object struct {
	Fields map[string]any
	// Origin is what protocol.Output tells of it.
	Origin string
}

// patch is a #Patch of the schema.
type patch struct {
	Target struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"target"`
	Merge json.RawMessage   `json:"merge"`
	JSON  []json.RawMessage `json:"json"`
}

// Patch puts patches over objects, one after the other. A patch that finds
// nothing, makes another object of one, or touches what the network and the engine
// know objects by, is a Fault at its field.
func Patch(objects []Object, patches []protocol.Patch) []protocol.Fault {
	if len(patches) > protocol.MaxPatches {
		return []protocol.Fault{patchFault(patches[0], "", "too-many", fmt.Sprintf("there are %d patches; %d are the most", len(patches), protocol.MaxPatches), "ask the platform's owners for a field that says it")}
	}
	for _, p := range patches {
		if f := patchAll(objects, p); f != nil {
			return []protocol.Fault{*f}
		}
	}
	return nil
}

func patchAll(objects []Object, p protocol.Patch) *protocol.Fault {
	var spec patch
	if err := json.Unmarshal(p.Data, &spec); err != nil {
		f := patchFault(p, "", "patch", fmt.Sprintf("cannot be read: %v", err), "")
		return &f
	}
	if (spec.Merge == nil) == (spec.JSON == nil) {
		f := patchFault(p, "", "patch", "has to have merge or json, and one of them only", "write merge: {...} for fields, or json: [...] for single steps")
		return &f
	}
	found := false
	for i := range objects {
		kind, name := known(objects[i].Fields)
		if kind != spec.Target.Kind || spec.Target.Name != "" && name != spec.Target.Name {
			continue
		}
		found = true
		next, f := patchOne(objects[i].Fields, p, spec)
		if f != nil {
			return f
		}
		objects[i] = Object{Fields: next, Origin: p.Field}
	}
	if found {
		return nil
	}
	f := patchFault(p, "target", "no-target", "there is no "+strings.TrimSuffix(spec.Target.Kind+" "+spec.Target.Name, " ")+" to patch", "what there is: "+strings.Join(listed(objects), ", "))
	return &f
}

// patchOne patches one object and holds it against what it was.
func patchOne(fields map[string]any, p protocol.Patch, spec patch) (map[string]any, *protocol.Fault) {
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, said(p, "", err)
	}
	n, err := node(body)
	if err != nil {
		return nil, said(p, "", err)
	}
	if spec.Merge != nil {
		n, err = merged(n, spec.Merge)
		if err != nil {
			return nil, said(p, "merge", err)
		}
	}
	for i, op := range spec.JSON {
		if _, err := (patchjson6902.Filter{Patch: "[" + string(op) + "]"}).Filter([]*yaml.RNode{n}); err != nil {
			return nil, said(p, fmt.Sprintf("json.%d", i), err)
		}
	}
	if n == nil {
		f := patchFault(p, "merge", "patch-deletes", "takes the "+title(fields)+" away", "a patch changes objects and removes none; say it by a field of the service")
		return nil, &f
	}
	next, err := decoded(n)
	if err != nil {
		return nil, said(p, "", err)
	}
	if f := same(p, fields, next); f != nil {
		return nil, f
	}
	return next, nil
}

// merged puts a strategic merge patch over an object; nil where it deletes it.
func merged(n *yaml.RNode, merge []byte) (*yaml.RNode, error) {
	over, err := node(merge)
	if err != nil {
		return nil, err
	}
	// kustomize finds lists' keys by the kind the patch names.
	for _, name := range []string{"apiVersion", "kind"} {
		if v := n.Field(name); v != nil && over.Field(name) == nil {
			if err := over.PipeE(yaml.SetField(name, v.Value.Copy())); err != nil {
				return nil, err
			}
		}
	}
	out, err := kio.Filter(patchstrategicmerge.Filter{Patch: over}).Filter([]*yaml.RNode{n})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out[0], nil
}

// node reads JSON, which is YAML; kustomize's own conversion makes floats of whole
// numbers.
func node(body []byte) (*yaml.RNode, error) { return yaml.Parse(string(body)) }

func decoded(n *yaml.RNode) (map[string]any, error) {
	body, err := n.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return object.DecodeFields(body)
}

// same refuses a patch that makes another object of one, or changes the marks that
// the network and the engine know it by.
func same(p protocol.Patch, before, after map[string]any) *protocol.Fault {
	where := "merge"
	var spec patch
	if _ = json.Unmarshal(p.Data, &spec); spec.Merge == nil {
		where = "json"
	}
	for _, what := range [][]string{{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "namespace"}} {
		if was, is := at(before, what), at(after, what); was != is {
			f := patchFault(p, where, "patch-identity", fmt.Sprintf("changes %s of the %s from %v to %v", strings.Join(what, "."), title(before), was, orNothing(is)), "a patch changes what an object says, and not which object it is")
			return &f
		}
	}
	was, is := map[string]string{}, map[string]string{}
	marks(was, "", before)
	marks(is, "", after)
	if maps.Equal(was, is) {
		return nil
	}
	for _, label := range slices.Sorted(maps.Keys(both(was, is))) {
		if was[label] != is[label] {
			f := patchFault(p, where, "patch-marks", fmt.Sprintf("changes %s of the %s", label, title(before)), "the network and the engine know objects by these labels; they follow from the service")
			return &f
		}
	}
	return nil
}

// marks collects the labels that the platform gives an object, its pods and its
// selectors. What stands in lists, such as spreading, is nothing it is known by.
func marks(out map[string]string, at string, v any) {
	m, _ := v.(map[string]any)
	for k, e := range m {
		if s, ok := e.(string); ok && platforms(k) && !strings.HasSuffix(at, ".annotations") {
			out[at+"."+k] = s
		}
		marks(out, at+"."+k, e)
	}
}

func platforms(label string) bool {
	return strings.HasPrefix(label, "app.kubernetes.io/") || strings.HasPrefix(label, "fairway.dev/")
}

func both(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func at(v any, path []string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func orNothing(v any) any {
	if v == nil {
		return "nothing"
	}
	return v
}

func known(fields map[string]any) (kind, name string) {
	kind, _ = fields["kind"].(string)
	name, _ = at(fields, []string{"metadata", "name"}).(string)
	return kind, name
}

func title(fields map[string]any) string {
	kind, name := known(fields)
	return kind + " " + name
}

func listed(objects []Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, title(o.Fields))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// said is for what kustomize says.
func said(p protocol.Patch, field string, err error) *protocol.Fault {
	f := patchFault(p, field, "patch", "cannot be applied: "+err.Error(), "reconciler render shows the objects as they are")
	return &f
}

func patchFault(p protocol.Patch, field, code, message, hint string) protocol.Fault {
	at := "in.service." + p.Field
	if field != "" {
		at += "." + field
	}
	return protocol.Fault{Field: at, Code: code, Message: at + ": " + message, Hint: hint}
}
