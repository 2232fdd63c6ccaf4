package paths_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
)

const overlays = "overlays.txtar"

// TestOverlays holds what is said of each field that may differ by environment when
// it is wrong there, and that no such field is without a case. All cases are services
// of one company, evaluated at once.
func TestOverlays(t *testing.T) {
	archive, err := txtar.ParseFile(overlays)
	if err != nil {
		t.Fatal(err)
	}
	texts, services, names := map[string]string{}, map[string]string{}, []string{}
	for _, f := range archive.Files {
		if path, ok := strings.CutSuffix(f.Name, "/service.cue"); ok {
			services[path] = string(f.Data)
		} else if !strings.HasSuffix(f.Name, "/want") {
			names = append(names, f.Name)
		}
		texts[f.Name] = string(f.Data)
	}
	files := map[string]string{}
	for i, name := range names {
		path, _, _ := strings.Cut(name, "/")
		files[overlayFile(i)] = strings.NewReplacer("NAME", fmt.Sprintf("case-%d", i), "OVERLAY", strings.TrimSpace(texts[name])).Replace(services[path])
	}
	tree := opened(t, company(t, files))
	pool := eval.NewPool("", 2)
	defer pool.Close()
	evaluator := &eval.Evaluator{Pool: pool, Engine: "test"}
	everyOverlayField(t, evaluator, tree, names)
	fleet := fleet.New(evaluator)
	if _, err := fleet.Advance(t.Context(), tree, nil); err != nil {
		t.Fatal(err)
	}
	told := map[string]diag.List{}
	for _, d := range fleet.Diags() {
		told[d.Pos.File] = append(told[d.Pos.File], d)
	}
	got := map[string]string{}
	for i, name := range names {
		text := strings.ReplaceAll(said(t, tree, told[overlayFile(i)]), fmt.Sprintf("case-%d/", i), "it/")
		got[name+"/want"] = text
		_, field, _ := strings.Cut(name, "/")
		if spelled := strings.Split(field, ".")[0]; !strings.Contains(text, "environments.prod."+spelled) {
			t.Errorf("%s: it is not told at its field:\n%s", name, text)
		}
		if diff := gocmp.Diff(texts[name+"/want"], text); diff != "" && !*update {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if !*update {
		return
	}
	for i, f := range archive.Files {
		if text, ok := got[f.Name]; ok {
			archive.Files[i].Data = []byte(text)
		}
	}
	if err := os.WriteFile(overlays, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// overlayFile is the file of a case, by its number.
func overlayFile(i int) string { return fmt.Sprintf("teams/shop/case-%d/service.cue", i) }

// everyOverlayField fails for each field of an overlay of which no case speaks. Where
// paths have a field in common, a case of one of them will do.
func everyOverlayField(t *testing.T, evaluator *eval.Evaluator, tree *git.Tree, names []string) {
	t.Helper()
	docs, err := evaluator.Reference(t.Context(), tree)
	if err != nil {
		t.Fatal(err)
	}
	const below = ".environments.<name>."
	spoken, fields := map[string]bool{}, map[string]string{}
	for i, d := range docs {
		path, field, ok := strings.Cut(d.Path, below)
		if !ok || i+1 < len(docs) && strings.HasPrefix(docs[i+1].Path, d.Path+".") {
			continue // a group of fields, each of which is looked at
		}
		meaning := field + ": " + d.Doc
		fields[path+"/"+field] = meaning
		spoken[meaning] = spoken[meaning] || slices.Contains(names, path+"/"+field)
	}
	for _, name := range names {
		if fields[name] == "" {
			t.Errorf("%s is no field of an overlay, and has a case", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !spoken[fields[name]] {
			t.Errorf("%s: no case says what is told when it is wrong", name)
		}
	}
	if len(fields) == 0 {
		t.Error("overlays have no fields")
	}
}
