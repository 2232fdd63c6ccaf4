package manifest

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Spec is what a golden path says of the files beside a service: the manifests of
// #UnitOutput.
type Spec struct {
	// Folder holds a kustomization, or files of objects.
	Folder string `json:"folder"`
	// Field is the field of the service that names the folder.
	Field string `json:"field"`
	// Namespace, Labels and Image are set in all objects and pods, Selectors in what
	// finds pods too.
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	Selectors map[string]string `json:"selectors"`
	Image     *Image            `json:"image"`
	// Kinds are what the team may write.
	Kinds []string `json:"kinds"`
	// Ports are what others may call, by the endpoint's name: there has to be a
	// Service called Name that has them.
	Name  string         `json:"name"`
	Ports map[string]int `json:"ports"`
	// Chart is the chart in Folder, which is rendered first; nil where it holds
	// objects.
	Chart *Chart `json:"chart"`
	// Asleep has what runs pods run none.
	Asleep bool `json:"asleep"`
}

// Image is the image that a release decides on.
type Image struct {
	Name   string `json:"name"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// originKey is where kustomize tells from which file an object comes.
const originKey = "config.kubernetes.io/origin"

// Build makes the objects of the files beside a service. dir is the service's
// folder.
func Build(dir string, files map[string]string, spec Spec) ([]Object, []protocol.Fault) {
	field := "in.service." + spec.Field
	if spec.Chart != nil {
		rendered, f := renderChart(dir, files, spec)
		if f != nil {
			return nil, []protocol.Fault{*f}
		}
		files = rendered
	}
	fs, ok := disk(files, spec)
	if !ok {
		return nil, []protocol.Fault{{
			Field: field, Code: "no-manifests", Message: fmt.Sprintf("%s: there are no objects in %s", field, path.Join(dir, spec.Folder)),
			Hint: "put .yaml files there, with a kustomization.yaml where they need one",
		}}
	}
	m, err := kustomize(fs)
	if err != nil {
		return nil, []protocol.Fault{refused(dir, files, spec, err)}
	}
	return objectsOf(dir, files, spec, m)
}

// kustomize builds what is on the disk. That it panics on some input is that input's
// mistake, and it has a place to be told at.
func kustomize(fs filesys.FileSystem) (m resmap.ResMap, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("kustomize cannot make sense of these files and gave up: %v", p)
		}
	}()
	return krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/")
}

// disk is all that kustomize sees: the files, and on top of them what the path
// sets. It reports false where there is nothing to build.
func disk(files map[string]string, spec Spec) (filesys.FileSystem, bool) {
	fs := filesys.MakeFsInMemory()
	whole := false
	var plain []string
	for _, name := range sorted(files) {
		_ = fs.WriteFile("/"+name, []byte(files[name])) // in memory
		below, ok := strings.CutPrefix(name, spec.Folder+"/")
		if !ok || spec.Chart == nil && strings.Contains(below, "/") {
			continue
		}
		whole = whole || isKustomization(name)
		if isYAML(name) && !isKustomization(name) {
			plain = append(plain, below)
		}
	}
	if !whole {
		if len(plain) == 0 {
			return nil, false
		}
		_ = fs.WriteFile(path.Join("/", spec.Folder, "kustomization.yaml"), encoded(types.Kustomization{Resources: plain}))
	}
	top := types.Kustomization{Resources: []string{spec.Folder}, Namespace: spec.Namespace, BuildMetadata: []string{types.OriginAnnotations}}
	if len(spec.Labels) > 0 {
		top.Labels = append(top.Labels, types.Label{Pairs: spec.Labels, IncludeTemplates: true})
	}
	if len(spec.Selectors) > 0 {
		top.Labels = append(top.Labels, types.Label{Pairs: spec.Selectors, IncludeSelectors: true})
	}
	if spec.Image != nil {
		// kustomize reads the name as a pattern.
		top.Images = []types.Image{{Name: strings.ReplaceAll(spec.Image.Name, ".", "[.]"), NewName: spec.Image.Name, NewTag: spec.Image.Tag, Digest: spec.Image.Digest}}
	}
	_ = fs.WriteFile("/kustomization.yaml", encoded(top))
	return fs, true
}

func encoded(k types.Kustomization) []byte {
	raw, err := json.Marshal(k) // JSON is YAML
	if err != nil {
		return nil // unreachable: it is texts
	}
	return raw
}

// refused is for what kustomize says: at the file it names, where it names one.
func refused(dir string, files map[string]string, spec Spec, err error) protocol.Fault {
	message := err.Error()
	if i := strings.LastIndex(message, "recursed accumulation of path "); i >= 0 { // what is before says where it looked first
		_, message, _ = strings.Cut(message[i:], ": ")
	}
	f := protocol.Fault{Field: "in.service." + spec.Field, Code: "kustomize", Hint: "kustomize build shows the same"}
	for _, name := range sorted(files) {
		if strings.Contains(message, "'"+name+"'") || strings.Contains(message, path.Base(name)) {
			f.Pos = diag.Position{File: path.Join(dir, name), Line: 1, Column: 1}
			break
		}
	}
	for _, name := range sorted(files) {
		if f.Pos.File == "" && path.Dir(name) == spec.Folder && isKustomization(name) {
			f.Pos = diag.Position{File: path.Join(dir, name), Line: 1, Column: 1}
		}
	}
	f.Message = "kustomize cannot build " + path.Join(dir, spec.Folder) + ": " + message
	return f
}

// objectsOf takes what kustomize built, and holds it against what the path lets a
// team write by hand.
func objectsOf(dir string, files map[string]string, spec Spec, m resmap.ResMap) ([]Object, []protocol.Fault) {
	var objects []Object
	var faults []protocol.Fault
	if n := m.Size(); n > protocol.MaxObjects {
		return nil, []protocol.Fault{{Field: "in.service." + spec.Field, Code: "too-much", Message: fmt.Sprintf("in.service.%s: there are %d objects; %d are the most", spec.Field, n, protocol.MaxObjects)}}
	}
	docs := documents(dir, files)
	released := spec.Image == nil
	for _, r := range m.Resources() {
		raw, err := r.MarshalJSON()
		if err != nil {
			return nil, []protocol.Fault{refused(dir, files, spec, err)}
		}
		fields, err := object.DecodeFields(raw)
		if err != nil {
			return nil, []protocol.Fault{refused(dir, files, spec, err)}
		}
		from, pos := origin(fields, docs)
		if !strings.HasPrefix(pos.File, dir) {
			pos.File = path.Join(dir, pos.File)
		}
		kind, _ := known(fields)
		if !slices.Contains(spec.Kinds, kind) {
			faults = append(faults, protocol.Fault{
				Field: "in.service." + spec.Field, Code: "kind", Pos: pos, Message: fmt.Sprintf("the %s cannot be written by hand", title(fields)),
				Hint: "what can be: " + strings.Join(spec.Kinds, ", "),
			})
			continue
		}
		released = released || runs(fields, *spec.Image)
		source(fields, pos.File)
		if spec.Asleep {
			lull(fields)
		}
		objects = append(objects, Object{Fields: fields, Origin: from})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return objects, slices.Concat(unreleased(dir, spec, released), unserved(spec, objects), confused(objects, docs))
}

// unreleased is for folders that run nothing of the service's image.
func unreleased(dir string, spec Spec, released bool) []protocol.Fault {
	if released {
		return nil
	}
	return []protocol.Fault{{
		Field: "in.service.image", Code: "image-unused", Message: fmt.Sprintf("in.service.image: no container in %s runs %s, so that a release would change nothing", path.Join(dir, spec.Folder), spec.Image.Name),
		Hint: "name the image of the container that is released",
	}}
}

// unserved is for endpoints that no Service has.
func unserved(spec Spec, objects []Object) []protocol.Fault {
	var faults []protocol.Fault
	for _, name := range sorted(spec.Ports) {
		if slices.ContainsFunc(objects, func(o Object) bool { return serves(o.Fields, spec.Name, spec.Ports[name]) }) {
			continue
		}
		field := "in.service.ports." + name
		faults = append(faults, protocol.Fault{
			Field: field, Code: "no-service", Message: fmt.Sprintf("%s: no Service %s has the port %d", field, spec.Name, spec.Ports[name]),
			Hint: "others reach the service under its own name: call one Service so, and give it the port",
		})
	}
	return faults
}

func serves(fields map[string]any, name string, port int) bool {
	if title(fields) != "Service "+name {
		return false
	}
	ports, _ := at(fields, []string{"spec", "ports"}).([]any)
	return slices.ContainsFunc(ports, func(p any) bool { return at(p, []string{"port"}) == int64(port) })
}

// confused is for objects whose selectors, with the platform's labels in them, find
// the same pods.
func confused(objects []Object, docs map[string][]Document) []protocol.Fault {
	var faults []protocol.Fault
	seen := map[string]string{}
	for _, o := range objects {
		labels, ok := at(o.Fields, []string{"spec", "selector", "matchLabels"}).(map[string]any)
		if !ok || !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet"}, fmt.Sprint(o.Fields["kind"])) {
			continue
		}
		raw, err := object.Encode(labels)
		if err != nil {
			continue
		}
		if other := seen[string(raw)]; other != "" {
			_, pos := position(o.Fields, strings.SplitN(o.Origin, "#", 2)[0], docs)
			faults = append(faults, protocol.Fault{
				Field: "in.service.path", Code: "selector", Pos: pos, Message: fmt.Sprintf("%s and %s would select the same pods: app.kubernetes.io/name and instance are the service's here", title(o.Fields), other),
				Hint: "tell their pods apart by a label of your own, such as component",
			})
		}
		seen[string(raw)] = title(o.Fields)
	}
	return faults
}

// documents are all objects in the files, by file.
func documents(dir string, files map[string]string) map[string][]Document {
	out := map[string][]Document{}
	for name, text := range files {
		if isYAML(name) && !isKustomization(name) {
			out[name], _ = Read(path.Join(dir, name), text) // read before, when it was declared
		}
	}
	return out
}

// origin takes kustomize's word on where an object comes from out of its fields,
// and finds the place. The origin of what is generated is the kustomization.
func origin(fields map[string]any, docs map[string][]Document) (string, diag.Position) {
	meta, _ := fields["metadata"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	told, _ := annotations[originKey].(string)
	delete(annotations, originKey)
	if len(annotations) == 0 {
		delete(meta, "annotations")
	}
	var by struct {
		Path         string `yaml:"path"`
		ConfiguredIn string `yaml:"configuredIn"`
	}
	_ = yaml.Unmarshal([]byte(told), &by)
	if by.Path == "" {
		return by.ConfiguredIn, diag.Position{File: by.ConfiguredIn, Line: 1, Column: 1}
	}
	return position(fields, by.Path, docs)
}

// position finds an object in a file: kustomize may have put something before and
// after its name.
func position(fields map[string]any, file string, docs map[string][]Document) (string, diag.Position) {
	kind, name := known(fields)
	for _, d := range docs[file] {
		if d.kind() == kind && strings.Contains(name, d.name()) {
			return file + "#" + kind + "/" + d.name(), diag.Position{File: d.File, Line: d.node.Line, Column: d.node.Column}
		}
	}
	return file, diag.Position{File: file, Line: 1, Column: 1}
}

// source notes the file an object comes from, for whoever looks at it in a cluster.
func source(fields map[string]any, file string) {
	meta, _ := fields["metadata"].(map[string]any)
	annotations, ok := meta["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
		meta["annotations"] = annotations
	}
	annotations[object.AnnotationSource] = file
}

// runs reports whether something in the object runs the image of the release.
func runs(v any, image Image) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok && k == "image" && strings.HasPrefix(s, image.Name+":"+image.Tag) {
				return true
			}
			if runs(e, image) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if runs(e, image) {
				return true
			}
		}
	}
	return false
}
