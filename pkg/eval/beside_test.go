package eval_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

const mapService = "package service\n\nimport \"fairway.dev/platform/paths/manifests\"\n\nmanifests.#Service & {\n\tname: \"map\"\n\tdescription: \"Shows a map of the town.\"\n\timage: \"registry.example.com/shop/map\"\n}\n"

// TestBeside: what stands beside a service is read with it, at each change; links
// are never followed, and more than can be looked at is refused.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	for _, root := range []string{"cue.mod", "schema", "platform"} {
		if err := os.CopyFS(filepath.Join(dir, root), os.DirFS(filepath.Join("../..", root))); err != nil {
			t.Fatal(err)
		}
	}
	here := filepath.Join(dir, "teams/shop/map")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(here, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(here, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(here, name)); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(name string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(here, name)); err != nil {
			t.Fatal(err)
		}
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	e, st := &eval.Evaluator{Pool: pool, Engine: "test"}, eval.NewState()
	// step advances to the folder as it is, and holds that a start from nothing sees the same.
	step := func(name, want string) {
		t.Helper()
		tree, err := folder.Open(dir, folder.Options{Roots: eval.Roots()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Advance(context.Background(), st, tree, nil); err != nil {
			t.Fatal(err)
		}
		fresh := eval.NewState()
		if _, err := e.Advance(context.Background(), fresh, tree, nil); err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprint(st.Diags()), fmt.Sprint(fresh.Diags()); a != b {
			t.Errorf("%s: step by step %s\nfrom nothing %s", name, a, b)
		}
		var got string
		for _, d := range st.Diags() {
			got += d.Pos.File + ": " + d.Message + "\n"
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	data := func() string { return string(st.Catalog.Services["map"].Data) }

	write("service.cue", mapService)
	step("no files", "")
	write("manifests/a.yaml", "kind: ConfigMap\nmetadata: {name: a}\n")
	step("a file", "")
	before := data()
	if !strings.Contains(before, "kind: ConfigMap") {
		t.Errorf("the file is not in %s", before)
	}
	write("manifests/a.yaml", "kind: ConfigMap\nmetadata: {name: b}\n")
	step("another file", "")
	if data() == before {
		t.Error("what the file says changed, and the service did not")
	}
	link("manifests/b.yaml", "/etc/hostname")
	step("a link", "teams/shop/map/manifests/b.yaml: b.yaml is a symlink")
	gone("manifests/b.yaml")
	link("manifests/more", "../../../../platform")
	step("a link to a folder", "teams/shop/map/manifests/more: more is a symlink")
	gone("manifests")
	link("manifests", "../../../platform")
	step("a link for the folder", "teams/shop/map/manifests: manifests is a symlink")
	gone("manifests")
	step("nothing", "")
	write("manifests/1/2/3/4/5/6/7/a.yaml", "a: 1\n")
	step("deep", "folders are nested more than 6 deep")
	gone("manifests")
	for i := range 501 {
		write(fmt.Sprintf("manifests/%d.txt", i), "x")
	}
	step("many", "501 files stand beside the service; 500 are the most")
	gone("manifests")
	write("manifests/a.txt", strings.Repeat("x", 1<<20-100))
	step("large", "the files of the declaration are larger than 1024 KiB together")
	write("manifests/a.txt", "\xff\xfe")
	step("no text", "the file is not valid UTF-8")
	gone("manifests")
	write("manifests/a.yaml", "a: 1\n")
	gone("service.cue")
	step("no service", "")
	if st.Catalog.Services["map"] != nil {
		t.Error("a folder of manifests is no service")
	}
}
