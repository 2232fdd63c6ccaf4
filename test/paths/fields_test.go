package paths_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/object"
)

// fieldCase says one field.
type fieldCase struct {
	// field is what is said, as the reference spells it; what follows a slash tells
	// cases of one field apart.
	field string
	// text says it, in CUE. Of a path that says it otherwise, own has the text.
	text string
	own  map[string]string
	// over is the case it is compared with, for fields that mean something only beside
	// others. Empty: the service that says nothing.
	over string
	// refused is what is said where it may not be said, by path.
	refused map[string]string
}

// TestEveryFieldDoesSomething says every field there is on every path that has it. It
// must change an object, or whether the unit sleeps, or be a mistake: what is
// written and does nothing misleads whoever wrote it.
func TestEveryFieldDoesSomething(t *testing.T) {
	if testing.Short() {
		t.Skip("renders some hundred services")
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	c := newFieldCompany(t, pool)
	cases := c.cases(t)
	results := map[string]map[string]string{"": c.look(t, nil)}
	for _, step := range fieldCases() {
		texts := map[string]string{}
		for path := range cases {
			if slices.Contains(cases[path], fieldOf(step.field)) {
				texts[path] = strings.ReplaceAll(cmp.Or(step.own[path], step.text), "NAME", path)
			}
		}
		results[step.field] = c.look(t, texts)
		for _, path := range slices.Sorted(maps.Keys(texts)) {
			got, before := results[step.field][path], results[step.over][path]
			mistake, isMistake := strings.CutPrefix(got, "mistake: ")
			switch want, refused := step.refusal(path); {
			case refused && !strings.Contains(mistake, want):
				t.Errorf("%s: %s: want it refused with %q, got %.300s", path, step.field, want, got)
			case isMistake && !refused:
				t.Errorf("%s: %s: %s", path, step.field, mistake)
			case !refused && got == before:
				t.Errorf("%s: %s: it is taken, and does nothing", path, step.field)
			}
		}
	}
	t.Run("what add-ons ship takes it", func(t *testing.T) { addonsTake(t, c.made) })
}

// fieldOf is the field of a case.
func fieldOf(name string) string {
	field, _, _ := strings.Cut(name, "/")
	return field
}

// fieldCompany is a company with a service of each path, whose files change.
type fieldCompany struct {
	tree  *git.Tree
	base  map[string]string
	fleet *fleet.Fleet
	eval  *eval.Evaluator
	// made are all objects that came of what was said, each once.
	made map[string]object.Object
}

func newFieldCompany(t *testing.T, pool *eval.Pool) *fieldCompany {
	t.Helper()
	archive, err := txtar.ParseFile("fields.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c := &fieldCompany{base: map[string]string{}, made: map[string]object.Object{}, eval: &eval.Evaluator{Pool: pool, Engine: "test"}}
	for _, f := range archive.Files {
		path, ok := strings.CutSuffix(strings.TrimPrefix(f.Name, "teams/shop/"), "/service.cue")
		if ok && path != "orders" {
			c.base[path] = string(f.Data)
		}
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		if !strings.Contains(f.Name, "NAME") {
			files[f.Name] = string(f.Data)
			continue
		}
		for path := range c.base {
			files[strings.ReplaceAll(f.Name, "NAME", path)] = strings.ReplaceAll(string(f.Data), "NAME", path)
		}
	}
	dir := company(t, files)
	for _, gone := range []string{"teams/shop/demo", "environments/prod/releases/shop/demo.cue", "platform/clusters/prod-1"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	c.tree, c.fleet = opened(t, dir), fleet.New(c.eval)
	c.fleet.Now = func() time.Time { return time.Date(2026, 12, 1, 22, 0, 0, 0, time.UTC) }
	return c
}

// cases lists the fields of each path that services may say, and fails for those of
// which no case speaks.
func (c *fieldCompany) cases(t *testing.T) map[string][]string {
	t.Helper()
	docs, err := c.eval.Reference(t.Context(), c.tree)
	if err != nil {
		t.Fatal(err)
	}
	spoken := map[string]bool{}
	for _, step := range fieldCases() {
		spoken[fieldOf(step.field)] = true
	}
	out := map[string][]string{}
	for i, d := range docs {
		path, field, _ := strings.Cut(d.Path, ".")
		field, _, _ = strings.Cut(field, ".<name>")
		group := i+1 < len(docs) && strings.HasPrefix(docs[i+1].Path, d.Path+".") && !strings.Contains(docs[i+1].Path, "<name>")
		if _, ok := c.base[path]; !ok || field == "" || d.Kind == "_|_" || group && !spoken[field] {
			continue
		}
		if why := quiet()[strings.Split(field, ".")[0]]; why != "" {
			continue
		}
		if !spoken[field] {
			t.Errorf("no case says %s, which may be said on the path %s", field, path)
		}
		out[path] = append(out[path], field)
	}
	// What only tells that it may not be said is a field of the path all the same.
	for _, path := range []string{"manifests", "chart"} {
		out[path] = append(out[path], "args", "resources.cpu", "resources.memory", "resources.recommend")
	}
	return out
}

// quiet are the fields that change no object, and why that is as it should be.
func quiet() map[string]string {
	return map[string]string{
		"name":         "a service of another name is another one",
		"path":         "the type sets it",
		"endpoints":    "the type sets it",
		"description":  "is for people",
		"links":        "is for people, and of policies and alerts",
		"oncall":       "is of policies and alerts",
		"environments": "says the others again",
		"regions":      "decides on which clusters there are units",
	}
}

// look gives what becomes of each path's service when it says a text.
func (c *fieldCompany) look(t *testing.T, texts map[string]string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path, base := range c.base {
		text := strings.TrimSuffix(base, "}\n") + "\t" + texts[path] + "\n}\n"
		if old, with, ok := strings.Cut(texts[path], " => "); ok {
			text = strings.Replace(base, old, with, 1)
		}
		files["teams/shop/"+path+"/service.cue"] = text
	}
	if _, err := c.fleet.Advance(context.Background(), with(t, c.tree, files), nil); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range c.fleet.Diags() {
		at := strings.Split(d.Pos.File, "/")
		if len(at) < 4 || at[0] != "teams" {
			t.Errorf("with %q: %s: %s", texts["web"], d.Pos, d.Message)
			continue
		}
		out[at[2]] = "mistake: " + d.Message
	}
	for path := range c.base {
		if out[path] != "" {
			continue
		}
		for _, environment := range []string{"prod", "night"} {
			u := c.fleet.Unit(catalog.UnitKey{Environment: environment, Cluster: "full", Service: path})
			if u == nil {
				t.Fatalf("there is no unit of %s in %s", path, environment)
			}
			b, err := c.fleet.Bundle(context.Background(), u)
			if err != nil {
				t.Fatal(err)
			}
			out[path] += fmt.Sprintln(environment, u.Asleep)
			for _, o := range b.Objects {
				out[path] += string(o.Body) + "\n"
				c.made[string(o.Body)] = o
			}
		}
	}
	return out
}
