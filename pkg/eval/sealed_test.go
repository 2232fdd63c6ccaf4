package eval_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
)

// A file of secrets belongs to the service beside which it stands: where it
// changes, the service did, whatever was kept.
func TestSecretsBelongToTheService(t *testing.T) {
	text, err := os.ReadFile("../secret/testdata/full.sops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const file = "teams/shop/basket/secrets.prod.sops.yaml"
	one := basket()
	one[file] = string(text)
	two := maps.Clone(one)
	two[file] = string(text) + "# more\n"
	pool := eval.NewPool("", 1)
	defer pool.Close()
	cached := openCache(t, filepath.Join(t.TempDir(), "results"))
	for range 2 { // the second time, all of it is kept
		e, st := &eval.Evaluator{Pool: pool, Cache: cached, Engine: "one"}, eval.NewState()
		for _, files := range []map[string]string{one, two, basket()} {
			delta, err := e.Advance(context.Background(), st, repository(t, files), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(delta.Services, "basket") {
				t.Errorf("the change is not seen: %v", delta)
			}
			if got := st.Catalog.Services["basket"].Sealed["secrets.prod.sops.yaml"]; got != files[file] {
				t.Errorf("got %d bytes, want %d", len(got), len(files[file]))
			}
		}
		e.KeepState(st, nil)
	}
	lone := map[string]string{file: string(text)}
	e, st := &eval.Evaluator{Pool: pool, Engine: "one"}, eval.NewState()
	if _, err := e.Advance(context.Background(), st, repository(t, lone), nil); err != nil || st.Catalog.Services["basket"] != nil {
		t.Errorf("a file of secrets alone declares a service: %v", err)
	}
	e, st = &eval.Evaluator{Pool: pool, Cache: cached, Engine: "one"}, eval.NewState()
	tree := repository(t, one)
	if _, err := e.Advance(context.Background(), st, tree, nil); err != nil {
		t.Fatal(err)
	}
	e.KeepState(st, nil)
	st, _, ok := e.Resume(context.Background(), tree)
	if !ok || st.Catalog.Services["basket"].Sealed["secrets.prod.sops.yaml"] != one[file] {
		t.Error("what was kept as a whole has lost the file")
	}
}
