package pulls_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/git/folder"
	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/render"
)

func TestMain(m *testing.M) {
	worker.Maybe()
	os.Exit(m.Run())
}

// TestBaseMoved: a fleet that is not at a proposal's base says nothing of the proposal.
func TestBaseMoved(t *testing.T) {
	tree, err := compose.With(nil, map[string][]byte{"README.md": []byte("nothing declared")})
	if err != nil {
		t.Fatal(err)
	}
	r := &pulls.Reviewer{InForce: fleet.New(&eval.Evaluator{}), Trial: fleet.New(&eval.Evaluator{})}
	_, err = r.Review(context.Background(), pulls.Proposal{BaseTree: tree, HeadTree: tree, AncestorTree: tree})
	if err == nil || !strings.Contains(err.Error(), "the base moved meanwhile") {
		t.Errorf("it says %v", err)
	}
}

// TestTrialIsNotKept: no later process starts from what a proposal would have made, as
// what was there before decides what becomes of what is broken.
func TestTrialIsNotKept(t *testing.T) {
	if testing.Short() {
		t.Skip("evaluates the platform")
	}
	whole, err := folder.Open("../..", folder.Options{Roots: eval.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	base, err := whole.Only("cue.mod", "schema", "platform")
	if err != nil {
		t.Fatal(err)
	}
	head, err := compose.With(base, map[string][]byte{"schema/proposed.cue": []byte("package schema\n\n// #Proposed is proposed.\n#Proposed: string\n")})
	if err != nil {
		t.Fatal(err)
	}
	results, err := cache.Open(filepath.Join(t.TempDir(), "results"))
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	t.Cleanup(func() { pool.Close(); _ = results.Close() })
	e := &eval.Evaluator{Pool: pool, Cache: results, Engine: "test"}
	r := &pulls.Reviewer{InForce: fleet.New(e), Trial: fleet.New(e)}
	if _, err := r.InForce.Advance(t.Context(), base, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Review(t.Context(), pulls.Proposal{BaseTree: base, HeadTree: head, AncestorTree: base}); err != nil {
		t.Fatal(err)
	}
	resumes := func() bool {
		_, _, ok := (&render.Renderer{Evaluator: e}).Resume(t.Context(), head)
		return ok
	}
	if resumes() {
		t.Error("what a proposal would have made was kept")
	}
	if _, err := r.InForce.Advance(t.Context(), head, nil); err != nil {
		t.Fatal(err)
	}
	if !resumes() {
		t.Error("what came into force was not kept: this test would notice nothing")
	}
}
