package render_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/render"
)

// files is a tree by path.
type files map[string]string

// realPlatform is this repository's schema and platform.
func realPlatform(t testing.TB) files {
	t.Helper()
	out := files{}
	for _, root := range []string{"cue.mod", "schema", "platform"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".cue") {
				return err
			}
			text, err := os.ReadFile(name)
			rel, _ := filepath.Rel("../..", name)
			out[filepath.ToSlash(rel)] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// world is an evaluator, a repository and the fleet brought along its history.
type world struct {
	t      testing.TB
	store  *git.Store
	eval   *eval.Evaluator
	head   git.Hash
	now    files
	es     *eval.State
	st     *render.State
	commit int
	today  string
	asleep map[string]bool // the environments that sleep
}

func newEvaluator(t testing.TB) *eval.Evaluator {
	t.Helper()
	c, err := cache.Open(filepath.Join(t.TempDir(), "results"))
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	t.Cleanup(func() { pool.Close(); c.Close() })
	return &eval.Evaluator{Pool: pool, Cache: c, Engine: "test"}
}

// founding is what most tests begin with, made once: results of the company as it is
// at first, and workers that have its platform.
type founding struct {
	once    sync.Once
	pool    *eval.Pool
	results []byte
}

var shared founding

// evaluator has the workers that others have too, and results of its own: those of the
// company as it is at first.
func (f *founding) evaluator(t testing.TB) *eval.Evaluator {
	t.Helper()
	f.once.Do(func() { f.make(t) })
	file := filepath.Join(t.TempDir(), "results")
	if err := os.WriteFile(file, f.results, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &eval.Evaluator{Pool: f.pool, Cache: c, Engine: "test"}
}

func (f *founding) make(t testing.TB) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results")
	c, err := cache.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	f.pool = eval.NewPool("", 2)
	w := newWorld(t, &eval.Evaluator{Pool: f.pool, Cache: c, Engine: "test"}, t.TempDir())
	w.advance(newCompany().write(realPlatform(t)))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if f.results, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, e *eval.Evaluator, dir string) *world {
	t.Helper()
	store, err := git.OpenStore(dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &world{t: t, store: store, eval: e, now: files{}, es: eval.NewState(), st: render.NewState()}
}

// push commits what differs from the tree before.
func (w *world) push(next files) {
	w.t.Helper()
	edit := git.Edit{
		Base: w.head, Files: map[string][]byte{}, Message: "edit", Author: "Test <test@example.com>",
		Time: time.Unix(1_700_000_000+int64(w.commit), 0),
	}
	for name, text := range next {
		if w.now[name] != text || w.head.IsZero() {
			edit.Files[name] = []byte(text)
		}
	}
	for name := range w.now {
		if _, ok := next[name]; !ok {
			edit.Files[name] = nil
		}
	}
	head, err := w.store.Commit(context.Background(), edit)
	if err != nil {
		w.t.Fatal(err)
	}
	w.head, w.now, w.commit = head, maps.Clone(next), w.commit+1
}

func (w *world) history() eval.History {
	head := w.head
	return func(dir string, visit func(*git.Tree) bool) error { return w.store.Versions(head, dir, visit) }
}

// advance brings the fleet to the head.
func (w *world) advance(next files) (eval.Delta, render.Delta) {
	w.t.Helper()
	w.push(next)
	return w.step(w.es, w.st)
}

func (w *world) step(es *eval.State, st *render.State) (eval.Delta, render.Delta) {
	w.t.Helper()
	tree, err := w.store.Tree(w.head)
	if err != nil {
		w.t.Fatal(err)
	}
	declared, err := w.eval.Advance(context.Background(), es, tree, w.history())
	if err != nil {
		w.t.Fatal(err)
	}
	declared.Environments = append(declared.Environments, st.Sleep(w.asleep)...)
	r := &render.Renderer{Evaluator: w.eval, Today: w.today}
	delta, err := r.Advance(context.Background(), st, es, declared)
	if err != nil {
		w.t.Fatal(err)
	}
	return declared, delta
}

// view is a fleet as it can be compared.
type view struct {
	Units   map[string]unitView
	Unknown map[string]bool
	Diags   diag.List
	Verdict string
}

type unitView struct {
	Team, Source, Digest string
	Objects              int
	Asleep               bool
	Demand               []capacity.Demand
	Diags                diag.List
}

func look(es *eval.State, st *render.State) view {
	v := view{
		Units: map[string]unitView{}, Unknown: st.Unknown,
		Diags: append(es.Diags(), st.Diags()...).Sorted(), Verdict: render.Verdict(es, st).String(),
	}
	for key, u := range st.Units {
		v.Units[key.String()] = unitView{Team: u.Team, Source: u.Source, Digest: u.Digest.String(), Objects: u.Objects, Asleep: u.Asleep, Demand: u.Demand(), Diags: u.Diags.Sorted()}
	}
	return v
}

// unit gives one unit of the fleet brought along, which must be there.
func (w *world) unit(key string) *render.Unit {
	w.t.Helper()
	k, err := catalog.ParseUnitKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	u := w.st.Units[k]
	if u == nil {
		w.t.Fatalf("there is no unit %s; there are %v", key, slices.Sorted(maps.Keys(look(w.es, w.st).Units)))
	}
	return u
}

func (w *world) digests() map[string]object.Digest {
	out := map[string]object.Digest{}
	for key, u := range w.st.Units {
		out[key.String()] = u.Digest
	}
	return out
}

// company is a small platform that can be edited.
type company struct {
	Teams        map[string]string // by name: "", or how it is broken
	Services     map[string]service
	Releases     map[string]release
	Environments map[string]environment
	Clusters     map[string]string // by name: region; "broken" breaks it
	Asleep       map[string]bool
	Platform     platformEdit
	Stray        bool
	Policies     map[string]string // by path, as text
	Previews     map[int]preview   // by pull request
}

// preview is what a pull request was made into.
type preview struct {
	Tag      string
	Released []service // as the base has them where they are in Services, too
	Changed  []service // as the pull request has them
}

type service struct {
	Team, Name string
	Path       string // web or worker
	ObjectName string
	Port       int
	Public     bool
	Host       string
	Metrics    bool
	Needs      map[string]string // by service: endpoint
	Overlay    string            // environment that is spoken of
	Regions    string            // a list as it is written; "" for none
	RegionsIn  string            // the same, of the environment that is spoken of
	Comment    int
	Broken     string
}

type release struct {
	Environment, Team, Service, Tag string
	Broken                          bool
}

type environment struct {
	Clusters []string
	Domain   string
	Regions  string // a list as it is written; "" for none
	Base     string
	Consent  string // lines of what is for the engine alone
	Broken   bool
}

type platformEdit struct {
	Comment, Period, Timeout int
	Broken                   bool
}

func (s service) key() string { return s.Team + "/" + s.Name }

func (r release) key() string { return r.Environment + "/" + r.Team + "/" + r.Service }

func newCompany() company {
	c := company{
		Teams: map[string]string{"alpha": "", "beta": ""}, Services: map[string]service{}, Releases: map[string]release{},
		Environments: map[string]environment{
			"dev":  {Clusters: []string{"one"}, Domain: "dev.example.com"},
			"prod": {Clusters: []string{"one", "two"}, Domain: "example.com"},
		},
		Clusters: map[string]string{"one": "here", "two": "there"}, Platform: platformEdit{Period: 10, Timeout: 30},
	}
	for _, s := range []service{
		{Team: "alpha", Name: "front", Path: "web", Port: 8080, Public: true, Needs: map[string]string{"stock": "http"}},
		{Team: "beta", Name: "stock", Path: "web", Port: 8081, Metrics: true, Needs: map[string]string{}},
	} {
		c.Services[s.key()] = s
		for _, env := range []string{"dev", "prod"} {
			r := release{Environment: env, Team: s.Team, Service: s.Name, Tag: "1.0.0"}
			c.Releases[r.key()] = r
		}
	}
	return c
}

// write gives the company's files, on a platform.
func (c company) write(base files) files {
	out := files{}
	for name, text := range base {
		if !strings.HasPrefix(name, "platform/clusters/") && !strings.HasPrefix(name, "platform/policies/") && !strings.HasPrefix(name, "platform/exceptions/") && !strings.HasPrefix(name, "platform/approvals/") {
			out[name] = text
		}
	}
	c.Platform.on(out)
	for name, broken := range c.Teams {
		out["teams/"+name+"/team.cue"] = fmt.Sprintf("package team\n\nimport \"fairway.dev/schema\"\n\nschema.#Team & {\n\tname: %q\n\tdescription: \"The team called %s.\"\n\towners: [\"leads\"]\n%s}\n", name, name, broken)
	}
	for _, s := range c.Services {
		out["teams/"+s.key()+"/service.cue"] = s.text()
	}
	for _, r := range c.Releases {
		tag := r.Tag
		if r.Broken {
			tag = "not a tag"
		}
		out["environments/"+r.Environment+"/releases/"+r.Team+"/"+r.Service+".cue"] = fmt.Sprintf("package releases\n\nimport \"fairway.dev/schema\"\n\n%q: schema.#Release & {image: tag: %q}\n", r.Service, tag)
	}
	for name, e := range c.Environments {
		out["environments/"+name+"/environment.cue"] = e.text(name)
	}
	for name, region := range c.Clusters {
		extra := ""
		switch region {
		case "broken":
			extra = "\tnonsense: 1\n"
		case "crowded":
			extra = "\tnodes: general: {cpu: \"1\", memory: \"1Gi\", count: 1}\n"
		case "own":
			extra = "\tbaseline: {}\n"
		}
		out["platform/clusters/"+name+"/cluster.cue"] = fmt.Sprintf("package cluster\n\nimport \"fairway.dev/schema\"\n\nschema.#Cluster & {\n\tname: %q\n\tdescription: \"A cluster called %s.\"\n\tregion: %q\n\tzones: [\"a\"]\n\tconnection: context: %q\n\tingress: {class: \"public\", namespace: \"ingress\"}\n\tmonitoring: namespace: \"monitoring\"\n%s}\n", name, name, region, name, extra)
	}
	const previews = "platform/previews/previews.cue"
	out[previews] = strings.Replace(out[previews], `"local"`, `"one"`, 1)
	for number, p := range c.Previews {
		p.on(out, fmt.Sprintf("previews/pr-%d/", number), number)
	}
	maps.Copy(out, c.Policies)
	if c.Stray {
		out["teams/alpha/notes.cue"] = "package notes\n"
	}
	return out
}

func (p preview) on(out files, dir string, number int) {
	out[dir+"environment.cue"] = fmt.Sprintf("package environment\n\nimport \"fairway.dev/platform/previews\"\n\npreviews.previews.#environment & {name: \"pr-%d\"}\n", number)
	for _, s := range p.Released {
		out[dir+"releases/"+s.key()+".cue"] = fmt.Sprintf("package releases\n\nimport \"fairway.dev/schema\"\n\n%q: schema.#Release & {image: tag: %q}\n", s.Name, p.Tag)
	}
	for _, s := range p.Changed {
		out[dir+"services/"+s.key()+"/service.cue"] = s.text()
	}
}

func (p platformEdit) on(out files) {
	const objects, kind = "platform/paths/web/objects.cue", "platform/paths/web/type.cue"
	out[objects] = strings.Replace(out[objects], "periodSeconds:    10", fmt.Sprintf("periodSeconds:    %d", p.Period), 1)
	out[kind] = strings.Replace(out[kind], "(*30 | _)", fmt.Sprintf("(*%d | _)", p.Timeout), 1)
	if p.Comment > 0 {
		out[objects] += fmt.Sprintf("\n// edit %d\n", p.Comment)
	}
	if p.Broken {
		out[objects] += "\n#Unit: out: objects: service: metadata: name: 1\n"
	}
}

func (e environment) text(name string) string {
	clusters := make([]string, len(e.Clusters))
	for i, c := range e.Clusters {
		clusters[i] = fmt.Sprintf("%q", c)
	}
	extra := e.Consent
	if e.Regions != "" {
		extra += "\tregions: [" + e.Regions + "]\n"
	}
	if e.Base != "" {
		extra += fmt.Sprintf("\tbase: %q\n", e.Base)
	}
	if e.Broken {
		extra += "\tdrift: \"sometimes\"\n"
	}
	return fmt.Sprintf("package environment\n\nimport \"fairway.dev/schema\"\n\nschema.#Environment & {\n\tname: %q\n\tdescription: \"An environment called %s.\"\n\trank: 10\n\tclusters: [%s]\n\tdomain: %q\n\tquota: {cpu: \"8\", memory: \"16Gi\", pods: 40}\n%s}\n",
		name, name, strings.Join(clusters, ", "), e.Domain, extra)
}

func (s service) text() string {
	var b bytes.Buffer
	name := s.Name
	if s.Broken == "name" {
		name = "other-name"
	}
	fmt.Fprintf(&b, "package service\n\nimport \"fairway.dev/platform/paths/%s\"\n\n", s.Path)
	for range s.Comment {
		b.WriteString("// a remark\n")
	}
	fmt.Fprintf(&b, "%s.#Service & {\n\tname: %q\n\tdescription: \"The service called %s.\"\n\timage: \"registry.example.com/%s\"\n", s.Path, name, s.Name, s.Name)
	if s.ObjectName != "" {
		fmt.Fprintf(&b, "\tobjectName: %q\n", s.ObjectName)
	}
	if s.Path == "web" {
		fmt.Fprintf(&b, "\thttp: {port: %d, public: %v", s.Port, s.Public)
		if s.Host != "" {
			fmt.Fprintf(&b, ", host: %q", s.Host)
		}
		b.WriteString("}\n")
	}
	if s.Metrics {
		b.WriteString("\tmetrics: port: 9090\n")
	}
	for _, need := range slices.Sorted(maps.Keys(s.Needs)) {
		fmt.Fprintf(&b, "\tneeds: %q: {service: %q, endpoint: %q}\n", need, need, s.Needs[need])
	}
	if s.Regions != "" {
		fmt.Fprintf(&b, "\tregions: [%s]\n", s.Regions)
	}
	if s.Overlay != "" {
		fmt.Fprintf(&b, "\tenvironments: %q: config: WHERE: \"there\"\n", s.Overlay)
	}
	if s.Overlay != "" && s.RegionsIn != "" {
		fmt.Fprintf(&b, "\tenvironments: %q: regions: [%s]\n", s.Overlay, s.RegionsIn)
	}
	switch s.Broken {
	case "bound":
		b.WriteString("\tscale: min: 1000\n")
	case "syntax":
		b.WriteString("\tscale: {{{ min\n")
	case "field":
		b.WriteString("\tnonsense: 1\n")
	}
	b.WriteString("}\n")
	return b.String()
}
