package manifest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

func isKustomization(name string) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, path.Base(name))
}

// allowed are the fields a kustomization may have. What is not here can fetch, run
// or make secrets, changes what kustomize knows of kinds, or is for the platform.
func allowed() []string {
	return []string{
		"apiVersion", "kind", "metadata", "resources", "components", "patches", "images", "replicas", "labels",
		"commonAnnotations", "namePrefix", "nameSuffix", "configMapGenerator", "generatorOptions", "replacements", "namespace",
	}
}

// instead says what to do in place of a field that is not allowed.
func instead(name string) string {
	switch name {
	case "secretGenerator":
		return "a secret never stands in Git: let the service name it, and have it filled in the cluster"
	case "helmCharts", "helmGlobals", "helmChartInflationGenerator":
		return "put the rendered objects here, or the chart into a service on the path chart"
	case "generators", "transformers", "validators":
		return "nothing runs here but kustomize itself; use patches, replacements or configMapGenerator"
	case "patchesStrategicMerge", "patchesJson6902":
		return "write patches"
	case "bases":
		return "write resources"
	case "commonLabels":
		return "write labels"
	case "imageTags":
		return "write images"
	case "vars":
		return "write replacements"
	}
	return "what can stand here: " + strings.Join(allowed()[3:], ", ")
}

// checkKustomization holds a kustomization to what needs nothing but the files
// beside the service.
func checkKustomization(dir, name string, docs []Document, files map[string]string) []protocol.Fault {
	file := path.Join(dir, name)
	if len(docs) != 1 || docs[0].node.Kind != yaml.MappingNode {
		return []protocol.Fault{*fault(file, &yaml.Node{}, "kustomization", "the file holds no single kustomization", "write one, as in: resources: [deployment.yaml]")}
	}
	c := &checker{file: file, dir: dir, at: path.Dir(name), files: files}
	top := docs[0].node
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		switch {
		case !slices.Contains(allowed(), key.Value):
			c.say(key, "kustomization", "%s is not allowed in a kustomization here", instead(key.Value), key.Value)
		case key.Value == "resources" || key.Value == "components":
			for _, n := range value.Content {
				c.local(key.Value, n, text(n), true)
				c.readable(key.Value, n)
			}
		case key.Value == "patches" || key.Value == "replacements":
			for _, n := range value.Content {
				c.exact(n, "path", "patch")
				if p := field(n, "path"); p != nil {
					c.local(key.Value, p, text(p), false)
					c.readable(key.Value, p)
				}
				c.inline(key.Value, n)
			}
		case key.Value == "configMapGenerator":
			for _, n := range value.Content {
				c.exact(n, "files", "envs", "env", "literals")
				c.sources(n)
			}
		}
	}
	return c.faults
}

// checker looks at one kustomization.
type checker struct {
	file, dir, at string
	files         map[string]string
	faults        []protocol.Fault
}

func (c *checker) say(n *yaml.Node, code, message, hint string, args ...any) {
	c.faults = append(c.faults, *fault(c.file, n, code, message, hint, args...))
}

// exact refuses names of fields that are not written as here they are: kustomize takes
// "Path" for path.
func (c *checker) exact(n *yaml.Node, names ...string) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		for _, name := range names {
			if key.Value != name && strings.EqualFold(key.Value, name) {
				c.say(key, "kustomization", "there is no field %s", "write "+name, key.Value)
			}
		}
	}
}

// sources holds a generator to files that are here.
func (c *checker) sources(n *yaml.Node) {
	for _, list := range []string{"files", "envs"} {
		value := field(n, list)
		if value == nil {
			continue
		}
		for _, e := range value.Content {
			name := text(e)
			if _, rest, named := strings.Cut(name, "="); named && list == "files" {
				name = rest
			}
			c.local("configMapGenerator."+list, e, name, false)
		}
	}
	if e := field(n, "env"); e != nil {
		c.local("configMapGenerator.env", e, text(e), false)
	}
}

// local refuses a name that leads anywhere but to a file, or where folders are
// allowed a folder, beside the service.
func (c *checker) local(what string, n *yaml.Node, name string, folders bool) {
	target := path.Join(c.at, name)
	root, _, _ := strings.Cut(c.at, "/")
	_, isFile := c.files[target]
	switch {
	case strings.Contains(name, "://") || strings.Contains(name, "?") || strings.Contains(name, "@") || strings.HasPrefix(name, "github.com") || strings.Contains(name, ".git/") || strings.HasSuffix(name, ".git"):
		c.say(n, "remote", "%s: %s is not in this repository, and nothing is fetched", fmt.Sprintf("copy it to %s and name it by its path there", path.Join(c.dir, root)), what, name)
	case name == "" || path.IsAbs(name) || target != root && !strings.HasPrefix(target, root+"/"):
		c.say(n, "outside", "%s: %q leads out of %s", "name a file below that folder", what, name, path.Join(c.dir, root))
	case isFile:
	case folders && (c.at == target || strings.HasPrefix(c.at, target+"/")):
		c.say(n, "cycle", "%s: %s is a folder this kustomization stands in", "put what several build on into a folder beside them, such as "+path.Join(root, "base"), what, path.Join(c.dir, target))
	case folders && c.folder(target):
	case folders:
		c.say(n, "not-found", "%s: there is no file %s, and no folder with a kustomization", "name a file or folder that is there", what, path.Join(c.dir, target))
	default:
		c.say(n, "not-found", "%s: there is no file %s", "name a file that is there", what, path.Join(c.dir, target))
	}
}

// readable refuses a file that kustomize reads as YAML and nobody here did, as its name
// does not say that it is.
func (c *checker) readable(what string, n *yaml.Node) {
	target := path.Join(c.at, text(n))
	if _, isFile := c.files[target]; isFile && !isYAML(target) {
		c.say(n, "yaml", "%s: %s does not look like YAML by its name", "call it "+strings.TrimSuffix(text(n), path.Ext(text(n)))+".yaml", what, text(n))
	}
}

// inline holds a patch that is written in the kustomization to what holds for files.
func (c *checker) inline(what string, n *yaml.Node) {
	p := field(n, "patch")
	if p == nil {
		return
	}
	if _, f := Read(c.file, text(p)); f != nil {
		c.say(p, f.Code, "%s: %s", f.Hint, what, f.Message)
	}
}

// folder reports whether a folder holds a kustomization.
func (c *checker) folder(name string) bool {
	for file := range c.files {
		if path.Dir(file) == name && isKustomization(file) {
			return true
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
