// Command floor does with bare CUE what `reconciler vet` does, and nothing
// else: it parses, unifies and validates every declaration of a generated
// platform repository, and renders every unit once. There is no Git, no cache,
// no worker process, no diagnostics: a validator in CUE cannot be much faster.
//
//	floor validate|render DIR
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	cuejson "cuelang.org/go/encoding/json"
)

func main() {
	debug.SetGCPercent(400) // as the workers have it
	if len(os.Args) != 3 {
		fatal(fmt.Errorf("usage: floor validate|render DIR"))
	}
	worlds := make([]*world, runtime.GOMAXPROCS(0))
	for i := range worlds {
		worlds[i] = newWorld(os.Args[2])
	}
	c := read(worlds, os.Args[2])
	units, bytes := 0, 0
	if os.Args[1] == "render" {
		inputs := c.inputs()
		units = len(inputs)
		var mu sync.Mutex
		each(worlds, inputs, func(w *world, in input) {
			n := len(w.render(in.pkg, in.data))
			mu.Lock()
			bytes += n
			mu.Unlock()
		})
	}
	fmt.Printf("%d declarations, %d units, %d bytes\n", c.declarations, units, bytes)
}

func must[T any](v T, err error) T {
	if err != nil {
		fatal(err)
	}
	return v
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, errors.Details(err, nil))
	os.Exit(1)
}

// each shares items out between the worlds, one goroutine for each.
func each[T any](worlds []*world, items []T, do func(*world, T)) {
	work := make(chan T, len(items))
	for _, item := range items {
		work <- item
	}
	close(work)
	var wg sync.WaitGroup
	for _, w := range worlds {
		wg.Go(func() {
			for item := range work {
				do(w, item)
			}
		})
	}
	wg.Wait()
}

// world is one CUE context with the platform's packages compiled once.
type world struct {
	root  string
	ctx   *cue.Context
	build *build.Context
	insts map[string]*build.Instance
	units map[string]cue.Value
}

func newWorld(root string) *world {
	w := &world{root: root, ctx: cuecontext.New(), insts: map[string]*build.Instance{}, units: map[string]cue.Value{}}
	w.build = build.NewContext(build.Loader(w.load))
	return w
}

func (w *world) load(_ token.Pos, path string) *build.Instance {
	dir, ours := strings.CutPrefix(path, "fairway.dev/")
	if !ours {
		return nil
	}
	if i := w.insts[path]; i != nil {
		return i
	}
	i := w.build.NewInstance(dir, w.load)
	for _, name := range must(filepath.Glob(filepath.Join(w.root, dir, "*.cue"))) {
		w.add(i, name)
	}
	i.ImportPath = path
	w.insts[path] = i
	return i
}

func (w *world) add(i *build.Instance, name string) {
	f := must(parser.ParseFile(name, nil, parser.ParseComments))
	if err := i.AddSyntax(f); err != nil {
		fatal(err)
	}
	i.PkgName = f.PackageName()
}

// declare evaluates one file to data, whole or one field of it.
func (w *world) declare(name, field string) json.RawMessage {
	i := w.build.NewInstance(filepath.Dir(name), w.load)
	w.add(i, name)
	v := w.ctx.BuildInstance(i)
	if field != "" {
		v = v.LookupPath(cue.MakePath(cue.Str(field)))
	}
	if err := v.Validate(cue.Concrete(true), cue.Final()); err != nil {
		fatal(err)
	}
	return must(v.MarshalJSON())
}

func (w *world) unit(pkg string) cue.Value {
	if v, ok := w.units[pkg]; ok {
		return v
	}
	v := w.ctx.BuildInstance(w.load(token.NoPos, "fairway.dev/"+pkg)).LookupPath(cue.ParsePath("#Unit"))
	w.units[pkg] = v
	return v
}

func (w *world) render(pkg string, in []byte) []byte {
	var expr ast.Expr = must(cuejson.Extract("in", in))
	u := w.unit(pkg).FillPath(cue.ParsePath("in"), w.ctx.BuildExpr(expr))
	if err := u.Validate(cue.Concrete(true), cue.Final()); err != nil {
		fatal(err)
	}
	return must(u.LookupPath(cue.ParsePath("out")).MarshalJSON())
}

// company is what the declarations say.
type company struct {
	mu           sync.Mutex
	declarations int
	environments map[string]json.RawMessage
	clusters     map[string]json.RawMessage
	teams        map[string]json.RawMessage
	services     map[string]*service
	releases     map[string]map[string]json.RawMessage // by environment and service
}

type service struct {
	dir, team string
	data      map[string]json.RawMessage
	needs     map[string]struct {
		Service  string `json:"service"`
		Endpoint string `json:"endpoint"`
	}
	endpoints map[string]json.RawMessage
}

// read evaluates every declaration of the repository.
func read(worlds []*world, root string) *company {
	c := &company{
		environments: map[string]json.RawMessage{}, clusters: map[string]json.RawMessage{}, teams: map[string]json.RawMessage{},
		services: map[string]*service{}, releases: map[string]map[string]json.RawMessage{},
	}
	var files []string
	for _, glob := range []string{"environments/*/environment.cue", "platform/clusters/*/cluster.cue", "teams/*/team.cue", "teams/*/*/service.cue", "environments/*/releases/*/*.cue"} {
		files = append(files, must(filepath.Glob(filepath.Join(root, glob)))...)
	}
	c.declarations = len(files)
	each(worlds, files, func(w *world, file string) {
		parts := strings.Split(must(filepath.Rel(root, file)), string(filepath.Separator))
		field := ""
		if len(parts) == 5 {
			field = strings.TrimSuffix(parts[4], ".cue")
		}
		c.put(parts, field, w.declare(file, field))
	})
	return c
}

func (c *company) put(parts []string, field string, data json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case field != "":
		if c.releases[parts[1]] == nil {
			c.releases[parts[1]] = map[string]json.RawMessage{}
		}
		c.releases[parts[1]][field] = data
	case parts[0] == "environments":
		c.environments[parts[1]] = data
	case parts[0] == "platform":
		c.clusters[parts[2]] = data
	case parts[2] == "team.cue":
		c.teams[parts[1]] = data
	default:
		s := &service{dir: strings.Join(parts[:3], "/"), team: parts[1]}
		unmarshal(data, &s.data)
		unmarshal(s.data["needs"], &s.needs)
		unmarshal(s.data["endpoints"], &s.endpoints)
		c.services[parts[2]] = s
	}
}

func unmarshal(data []byte, v any) {
	if len(data) == 0 {
		return
	}
	if err := json.Unmarshal(data, v); err != nil {
		fatal(err)
	}
}

type input struct {
	pkg  string
	data []byte
}

// inputs puts together what each unit is rendered from.
func (c *company) inputs() []input {
	var out []input
	for env, data := range c.environments {
		var fields struct {
			Clusters []string `json:"clusters"`
		}
		unmarshal(data, &fields)
		callers := c.callers(env)
		for _, cluster := range fields.Clusters {
			teams := map[string]bool{}
			for name := range c.releases[env] {
				s := c.services[name]
				teams[s.team] = true
				out = append(out, c.serviceInput(env, cluster, name, s, callers[name]))
			}
			for team := range teams {
				out = append(out, input{"platform/baseline/team", encode(map[string]any{
					"unit": env + "/" + cluster + "/team-" + team, "namespace": team + "-" + env,
					"team": c.teams[team], "environment": data, "cluster": c.clusters[cluster],
				})})
			}
		}
	}
	return out
}

func encode(v any) []byte { return must(json.Marshal(v)) }

type place struct {
	Service   string `json:"service"`
	Object    string `json:"objectName"`
	Team      string `json:"team"`
	Namespace string `json:"namespace"`
}

func (c *company) callers(env string) map[string][]place {
	out := map[string][]place{}
	for name := range c.releases[env] {
		s := c.services[name]
		for _, need := range s.needs {
			out[need.Service] = append(out[need.Service], place{name, name, s.team, s.team + "-" + env})
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b place) int { return strings.Compare(a.Service, b.Service) })
	}
	return out
}

func (c *company) serviceInput(env, cluster, name string, s *service, callers []place) input {
	needs := map[string]any{}
	for alias, need := range s.needs {
		t := c.services[need.Service]
		needs[alias] = map[string]any{"service": need.Service, "objectName": need.Service, "team": t.team, "namespace": t.team + "-" + env, "endpoint": t.endpoints[need.Endpoint]}
	}
	if callers == nil {
		callers = []place{}
	}
	var path string
	unmarshal(s.data["path"], &path)
	return input{"platform/paths/" + path, encode(map[string]any{
		"unit": env + "/" + cluster + "/" + name, "source": s.dir + "/service.cue", "namespace": s.team + "-" + env,
		"service": s.in(env), "team": c.teams[s.team], "environment": c.environments[env],
		"cluster": c.clusters[cluster], "release": c.releases[env][name], "needs": needs, "callers": callers, "phase": "awake",
	})}
}

// in is the service as it is in an environment.
func (s *service) in(env string) any {
	var all map[string]any
	unmarshal(encode(s.data), &all)
	overlays, _ := all["environments"].(map[string]any)
	delete(all, "environments")
	overlay, _ := overlays[env].(map[string]any)
	merge(all, overlay)
	return all
}

func merge(base, patch map[string]any) {
	for k, v := range patch {
		b, ok := base[k].(map[string]any)
		p, both := v.(map[string]any)
		if ok && both {
			merge(b, p)
			continue
		}
		base[k] = v
	}
}
