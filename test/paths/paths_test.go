// Package paths_test holds what golden paths make of services, and what they
// say of mistakes, against what is written down beside each path.
//
// platform/paths/<path>/testdata/*.txtar has cases. A case is some files below
// its name:
//
//	plain/service.cue   the service demo of the team shop
//	plain/<file>        any other file of the repository, added to the company or
//	                    in place of its own: plain/environments/prod/environment.cue
//	plain/show          which objects are wanted, one Kind or Kind/name a line; all
//	                    if there is none
//	plain/unit          the unit that is looked at; prod/prod-1/demo if there is none
//	plain/at            the moment, for environments that sleep; awake if there is none
//	plain/want          the objects as YAML, or the mistakes as people read them
//
// The company is in company.txtar. Run with -update to write what is wanted
// anew, and read it.
package paths_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/diag/format"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/git/folder"
	"github.com/fairway-dev/fairway/pkg/object"
)

var update = flag.Bool("update", false, "write the wanted outputs anew")

func TestMain(m *testing.M) {
	worker.Maybe()
	os.Exit(m.Run())
}

// TestPaths renders every case of every path.
func TestPaths(t *testing.T) {
	files, err := filepath.Glob("../../platform/*/*/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	b := newBench(t)
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(filepath.Dir(file)))
		t.Run(folder+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { b.testFile(t, file) })
	}
}

func (b *bench) testFile(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	cases := map[string]map[string]string{}
	for _, f := range archive.Files {
		name, rest, ok := strings.Cut(f.Name, "/")
		if !ok {
			t.Fatalf("%s: %s belongs to no case", file, f.Name)
		}
		if cases[name] == nil {
			names, cases[name] = append(names, name), map[string]string{}
		}
		cases[name][rest] = string(f.Data)
	}
	got := map[string]string{}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			got[name+"/want"] = b.render(t, cases[name])
			if diff := gocmp.Diff(cases[name]["want"], got[name+"/want"]); diff != "" && !*update {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if !*update {
		return
	}
	for name, text := range got {
		i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
		if i < 0 {
			i = slices.IndexFunc(archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, strings.TrimSuffix(name, "want")) })
			for i < len(archive.Files) && strings.HasPrefix(archive.Files[i].Name, strings.TrimSuffix(name, "want")) {
				i++
			}
			archive.Files = slices.Insert(archive.Files, i, txtar.File{Name: name})
		}
		archive.Files[i].Data = []byte(text)
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bench is what cases are rendered on: the company without any, and what was found
// of it, which is kept. So a case costs what is its own.
type bench struct {
	company *git.Tree
	eval    *eval.Evaluator
}

func newBench(t *testing.T) *bench {
	t.Helper()
	kept, err := cache.Open(filepath.Join(t.TempDir(), "results"))
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	t.Cleanup(func() { pool.Close(); kept.Close() })
	return &bench{opened(t, company(t, nil)), &eval.Evaluator{Pool: pool, Cache: kept, Engine: "test"}}
}

// opened is a folder as a tree.
func opened(t *testing.T, dir string) *git.Tree {
	t.Helper()
	tree, err := folder.Open(dir, folder.Options{Roots: eval.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// with is a tree with files put in, or in place of others.
func with(t *testing.T, tree *git.Tree, files map[string]string) *git.Tree {
	t.Helper()
	edits := map[string][]byte{}
	for name, text := range files {
		edits[name] = []byte(text)
	}
	tree, err := compose.With(tree, edits)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// filesOf are a case's files, where they are in the company.
func filesOf(given map[string]string) map[string]string {
	files := map[string]string{}
	for name, text := range given {
		switch name {
		case "service.cue":
			files["teams/shop/demo/service.cue"] = text
		case "want", "show", "unit", "at":
		default:
			files[name] = text
		}
	}
	return files
}

// company is the company with more files, as a folder.
func company(t *testing.T, more map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, root := range []string{"cue.mod", "schema", "platform"} {
		if err := os.CopyFS(filepath.Join(dir, root), os.DirFS(filepath.Join("../..", root))); err != nil {
			t.Fatal(err)
		}
	}
	for _, gone := range []string{"platform/clusters", "platform/exceptions", "platform/policies", "platform/approvals"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := txtar.ParseFile("company.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	maps.Copy(files, more)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render gives what becomes of a case: objects, or mistakes.
func (b *bench) render(t *testing.T, given map[string]string) string {
	t.Helper()
	tree := with(t, b.company, filesOf(given))
	fleet := fleet.New(b.eval)
	if at := strings.TrimSpace(given["at"]); at != "" {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		fleet.Now = func() time.Time { return moment }
	}
	if _, err := fleet.Advance(context.Background(), tree, nil); err != nil {
		t.Fatal(err)
	}
	if diags := fleet.Diags(); len(diags) > 0 {
		text := said(t, tree, diags)
		if diags.Errors() || given["show"] == "" {
			return text
		}
	}
	unit := cmp.Or(strings.TrimSpace(given["unit"]), "prod/prod-1/demo")
	key, err := catalog.ParseUnitKey(unit)
	if err != nil {
		t.Fatal(err)
	}
	u := fleet.Unit(key)
	if u == nil {
		t.Fatalf("there is no unit %s", unit)
	}
	bundle, err := fleet.Bundle(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, bundle.Objects)
	return written(t, bundle.Objects, strings.Fields(given["show"]))
}

// said is what people read of mistakes.
func said(t *testing.T, tree *git.Tree, list diag.List) string {
	t.Helper()
	var out bytes.Buffer
	if err := format.Text(&out, list, format.Options{Source: tree.ReadFile}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// written is objects as YAML, without the marks that every object has.
func written(t *testing.T, objects []object.Object, show []string) string {
	t.Helper()
	texts := map[string]string{}
	for _, o := range objects {
		name := o.ID.Kind + "/" + o.ID.Name
		if len(show) > 0 && !slices.Contains(show, name) && !slices.Contains(show, o.ID.Kind) {
			continue
		}
		fields, err := object.DecodeFields(o.Body)
		if err != nil {
			t.Fatal(err)
		}
		strip(fields)
		text, err := yaml.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		texts[name+" "+o.ID.Group] = string(text)
	}
	var out strings.Builder
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		if i > 0 {
			out.WriteString("---\n")
		}
		out.WriteString(texts[name])
	}
	if out.Len() == 0 {
		return fmt.Sprintf("nothing of %s\n", strings.Join(show, ", "))
	}
	return out.String()
}

// strip takes out of an object what all objects of the platform have alike.
func strip(fields map[string]any) {
	meta, _ := fields["metadata"].(map[string]any)
	for _, part := range []string{"labels", "annotations"} {
		m, _ := meta[part].(map[string]any)
		for _, name := range slices.Collect(maps.Keys(m)) {
			if strings.HasPrefix(name, "fairway.dev/") || strings.HasPrefix(name, "app.kubernetes.io/") {
				delete(m, name)
			}
		}
		if len(m) == 0 {
			delete(meta, part)
		}
	}
}
