package eval_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

func TestMain(m *testing.M) {
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
	st := eval.NewState()
	start := time.Now()
	delta, err := e.Advance(context.Background(), st, tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start), delta.Evaluations, len(st.Catalog.Services), len(st.Catalog.Releases))
	for _, d := range st.Diags() {
		t.Error(d.Pos, d.Message)
	}
}
