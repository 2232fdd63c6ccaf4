package render_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/git/folder"
	"github.com/fairway-dev/fairway/pkg/render"
)

func TestMain(m *testing.M) {
	maybeLiar()
	worker.Maybe()
	os.Exit(m.Run())
}

func TestCompany(t *testing.T) {
	tree, err := folder.Open("../..", folder.Options{Roots: eval.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	e := &eval.Evaluator{Pool: pool, Engine: "test"}
	es, st := eval.NewState(), render.NewState()
	start := time.Now()
	declared, err := e.Advance(context.Background(), es, tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start), declared.Evaluations, len(es.Catalog.Services), len(es.Catalog.Releases))
	r := &render.Renderer{Evaluator: e}
	start = time.Now()
	delta, err := r.Advance(context.Background(), st, es, declared)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start), delta.Evaluations, len(delta.Changed))
	for _, d := range append(es.Diags(), st.Diags()...) {
		t.Errorf("%s: %s (%s) [%s]", d.Pos, d.Message, d.Hint, d.Subject)
	}
	n := 0
	for _, u := range st.Units {
		n += u.Objects
	}
	t.Log(n, "objects")
}
