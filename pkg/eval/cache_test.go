package eval_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
)

func basket() map[string]string {
	return map[string]string{
		"teams/shop/basket/service.cue": "package service\n\nimport \"fairway.dev/platform/paths/web\"\n\nweb.#Service & {\n\tname: \"basket\"\n\tdescription: \"Holds what is bought.\"\n\timage: \"registry.example.com/shop/basket\"\n\thttp: port: 8080\n}\n",
		"teams/shop/team.cue":           "package team\n\nimport \"fairway.dev/schema\"\n\nschema.#Team & {name: \"shop\", description: \"Sells things.\", owners: [\"leads\"]}\n",
	}
}

func openCache(t *testing.T, file string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Results outlive the process, and belong to one engine; a damaged file is
// evaluated over again and never believed.
func TestResultsAreKept(t *testing.T) {
	tree, file := repository(t, basket()), filepath.Join(t.TempDir(), "results")
	pool := eval.NewPool("", 1)
	defer pool.Close()
	advance := func(engine string) (int, map[string]string) {
		t.Helper()
		c := openCache(t, file)
		defer c.Close()
		e, st := &eval.Evaluator{Pool: pool, Cache: c, Engine: engine}, eval.NewState()
		delta, err := e.Advance(context.Background(), st, tree, nil)
		if err != nil {
			t.Fatal(err)
		}
		data := map[string]string{}
		for name, s := range st.Catalog.Services {
			data[name] = string(s.Data)
		}
		for _, d := range st.Diags() {
			t.Error(d.Pos, d.Message)
		}
		return delta.Evaluations, data
	}
	n, want := advance("one")
	if n != 5 { // the service, its team, and the platform's two clusters and previews
		t.Errorf("first: %d evaluations, want 5", n)
	}
	if n, got := advance("one"); n != 0 || !cmp.Equal(got, want) {
		t.Errorf("again: %d evaluations, want none; %s", n, cmp.Diff(want, got))
	}
	if n, _ := advance("two"); n != 5 {
		t.Errorf("another engine: %d evaluations, want 5", n)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{3, len(raw) / 3, len(raw) / 2, len(raw) - 3} {
		damaged := append([]byte{}, raw...)
		for i := at; i < len(damaged); i += 97 {
			damaged[i] ^= 0x55
		}
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got := advance("one"); !cmp.Equal(got, want) {
			t.Errorf("damaged from %d: %s", at, cmp.Diff(want, got))
		}
	}
}
