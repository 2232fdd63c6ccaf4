package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template/parse"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Chart is what a golden path says of the chart in a folder.
type Chart struct {
	// Release is what the chart takes for its release's name.
	Release string `json:"release"`
	// Values go over the chart's own.
	Values json.RawMessage `json:"values"`
	// KubeVersion is the version of Kubernetes the chart is told of, and APIVersions
	// what it may count on beside Kubernetes' own.
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions"`
}

// unsteady are the functions whose result is another each time. Nothing would ever
// be as it should, and each render a change.
func unsteady() []string {
	return []string{
		"now", "ago", "date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone", "randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt",
		"shuffle", "uuidv4", "genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
		"derivePassword", "htpasswd", "bcrypt", "encryptAES", "lookup", "getHostByName",
	}
}

// renderChart renders a chart to files of YAML, under the names of its templates.
func renderChart(dir string, files map[string]string, spec Spec) (map[string]string, *protocol.Fault) {
	at := func(message string, args ...any) *protocol.Fault {
		return &protocol.Fault{
			Field: "in.service." + spec.Field, Code: "chart", Pos: diag.Position{File: path.Join(dir, spec.Folder, "Chart.yaml"), Line: 1, Column: 1},
			Message: fmt.Sprintf(message, args...), Hint: "helm template shows the same",
		}
	}
	var buffered []*loader.BufferedFile
	for _, name := range sorted(files) {
		if below, ok := strings.CutPrefix(name, spec.Folder+"/"); ok {
			buffered = append(buffered, &loader.BufferedFile{Name: below, Data: []byte(files[name])})
		}
	}
	if _, ok := files[path.Join(spec.Folder, "Chart.yaml")]; !ok {
		return nil, &protocol.Fault{
			Field: "in.service." + spec.Field, Code: "no-chart", Message: fmt.Sprintf("in.service.%s: there is no chart in %s", spec.Field, path.Join(dir, spec.Folder)),
			Hint: "unpack one there, its dependencies under charts/: helm pull --untar",
		}
	}
	c, err := loader.LoadFiles(buffered)
	if err != nil {
		return nil, at("the chart cannot be read: %v", err)
	}
	if f := chartFault(dir, spec, c); f != nil {
		return nil, f
	}
	values, err := chartValues(c, spec)
	if err != nil {
		said := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", " ")), " ")
		return nil, &protocol.Fault{Field: "in.service.values", Code: "values", Message: "in.service.values: the chart does not take them: " + said, Hint: "the chart's values.schema.json says what it takes"}
	}
	rendered, err := engine.Render(c, values)
	if err != nil {
		return nil, templateFault(dir, spec, c, err)
	}
	again, err := engine.Render(c, values)
	if err != nil || !maps.Equal(rendered, again) {
		return nil, at("the chart renders to something else each time")
	}
	return renamed(dir, spec, c, rendered)
}

func chartValues(c *chart.Chart, spec Spec) (chartutil.Values, error) {
	given, err := object.DecodeFields(spec.Chart.Values)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(c, given); err != nil {
		return nil, err
	}
	caps := chartutil.DefaultCapabilities.Copy()
	if v := spec.Chart.KubeVersion; v != "" {
		parsed, err := chartutil.ParseKubeVersion(v)
		if err != nil {
			return nil, err
		}
		caps.KubeVersion = *parsed
	}
	caps.APIVersions = slices.Concat(caps.APIVersions, spec.Chart.APIVersions)
	return chartutil.ToRenderValues(c, given, chartutil.ReleaseOptions{Name: spec.Chart.Release, Namespace: spec.Namespace, Revision: 1, IsInstall: true}, caps)
}

// chartFault says what a chart has that cannot be rendered here.
func chartFault(dir string, spec Spec, c *chart.Chart) *protocol.Fault {
	say := func(name string, line int, code, hint, message string, args ...any) *protocol.Fault {
		return &protocol.Fault{
			Field: "in.service." + spec.Field, Code: code, Pos: diag.Position{File: path.Join(dir, spec.Folder, name), Line: line, Column: 1},
			Message: fmt.Sprintf(message, args...), Hint: hint,
		}
	}
	if crds := c.CRDObjects(); len(crds) > 0 {
		return say(inFolder(c, crds[0].Filename), 1, "crd", "ask the cluster's owners for it, and delete it here", "the chart defines kinds, which is for the whole cluster")
	}
	if want := c.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, spec.Chart.KubeVersion) {
		return say("Chart.yaml", 1, "version", "take a version of the chart that is for it", "the chart is for Kubernetes %s, and the platform has %s", want, spec.Chart.KubeVersion)
	}
	for _, want := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(d *chart.Chart) bool { return d.Name() == want.Name }) {
			return say("Chart.yaml", 1, "dependency", "unpack it there; nothing is fetched", "the chart needs %s, which is not in charts/", want.Name)
		}
	}
	for _, t := range allTemplates(c, "") {
		if line, name := calls(t.name, t.text); name != "" {
			return say(t.name, line, "unsteady", "take the value from values instead", "%s gives something else at each render", name)
		}
	}
	return nil
}

// templateFile is one template of a chart or of a chart in it, by its file.
type templateFile struct{ name, text string }

func allTemplates(c *chart.Chart, below string) []templateFile {
	var out []templateFile
	for _, t := range c.Templates {
		out = append(out, templateFile{path.Join(below, t.Name), string(t.Data)})
	}
	for _, d := range c.Dependencies() {
		out = append(out, allTemplates(d, path.Join(below, "charts", d.Name()))...)
	}
	return out
}

// calls finds the first unsteady function a template calls, and its line; "" if
// there is none. What does not parse is told of when it is rendered.
func calls(name, text string) (line int, function string) {
	t := parse.New(name)
	t.Mode = parse.SkipFuncCheck
	trees := map[string]*parse.Tree{}
	if _, err := t.Parse(text, "", "", trees); err != nil {
		return 0, ""
	}
	first := len(text)
	for _, tree := range trees {
		walk(tree.Root, func(id *parse.IdentifierNode) {
			if int(id.Pos) < first && slices.Contains(unsteady(), id.Ident) {
				first, function = int(id.Pos), id.Ident
			}
		})
	}
	return 1 + strings.Count(text[:first], "\n"), function
}

func walk(n parse.Node, visit func(*parse.IdentifierNode)) {
	branch := func(b parse.BranchNode) {
		walk(b.Pipe, visit)
		walk(b.List, visit)
		if b.ElseList != nil {
			walk(b.ElseList, visit)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, c := range n.Nodes {
			walk(c, visit)
		}
	case *parse.ActionNode:
		walk(n.Pipe, visit)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, c := range n.Cmds {
			walk(c, visit)
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			walk(a, visit)
		}
	case *parse.ChainNode:
		walk(n.Node, visit)
	case *parse.TemplateNode:
		walk(n.Pipe, visit)
	case *parse.IfNode:
		branch(n.BranchNode)
	case *parse.RangeNode:
		branch(n.BranchNode)
	case *parse.WithNode:
		branch(n.BranchNode)
	case *parse.IdentifierNode:
		visit(n)
	}
}

// inFolder is a file of the chart by its path in the chart's folder: Helm puts the
// chart's name before it.
func inFolder(c *chart.Chart, name string) string { return strings.TrimPrefix(name, c.Name()+"/") }

// templateFault is for what Helm says, at the template it names.
func templateFault(dir string, spec Spec, c *chart.Chart, err error) *protocol.Fault {
	f := &protocol.Fault{
		Field: "in.service." + spec.Field, Code: "chart", Message: "the chart cannot be rendered: " + err.Error(), Hint: "helm template shows the same",
		Pos: diag.Position{File: path.Join(dir, spec.Folder, "Chart.yaml"), Line: 1, Column: 1},
	}
	for _, t := range allTemplates(c, "") {
		var line int
		_, rest, ok := strings.Cut(err.Error(), path.Join(c.Name(), t.name)+":")
		if !ok {
			continue
		}
		if _, err := fmt.Sscanf(rest, "%d", &line); err == nil {
			f.Pos = diag.Position{File: path.Join(dir, spec.Folder, t.name), Line: line, Column: 1}
			break
		}
	}
	return f
}

// renamed are the rendered files by the paths of their templates, without those
// that came to nothing, notes, and Helm's tests.
func renamed(dir string, spec Spec, c *chart.Chart, rendered map[string]string) (map[string]string, *protocol.Fault) {
	out := map[string]string{}
	for _, name := range sorted(rendered) {
		if !isYAML(name) || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		below := path.Join(spec.Folder, inFolder(c, name))
		docs, f := Read(path.Join(dir, below), rendered[name])
		if f != nil {
			f.Message += fmt.Sprintf(" (line %d of what the template renders to)", f.Pos.Line)
			f.Field, f.Pos.Line, f.Pos.Column = "in.service."+spec.Field, 1, 1
			return nil, f
		}
		if len(docs) > 0 && !test(docs) {
			out[below] = rendered[name]
		}
	}
	return out, nil
}

// test reports whether a file is one of Helm's tests, which are run by hand.
func test(docs []Document) bool {
	return slices.ContainsFunc(docs, func(d Document) bool {
		return strings.HasPrefix(text(field(field(field(d.node, "metadata"), "annotations"), "helm.sh/hook")), "test")
	})
}
