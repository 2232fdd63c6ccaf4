// Package policies_test holds the company's own policies to their examples, to
// what they say, to what they cost, and to a real API server.
package policies_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

var update = flag.Bool("update", false, "write what policies say anew")

func TestMain(m *testing.M) {
	worker.Maybe()
	os.Exit(m.Run())
}

func company(t *testing.T) (*git.Tree, *eval.Evaluator) {
	t.Helper()
	tree, err := folder.Open("../..", folder.Options{Roots: eval.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 1)
	t.Cleanup(pool.Close)
	return tree, &eval.Evaluator{Pool: pool, Engine: "test"}
}

func guardrails(t *testing.T) *catalog.Catalog {
	t.Helper()
	tree, e := company(t)
	cat, diags, err := e.Guardrails(context.Background(), tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diags {
		t.Errorf("%s: %s", d.Pos, d.Message)
	}
	return cat
}

// TestExamples: every policy lets through the examples that keep it and none of
// those that break it, and says of these what is in testdata/says.txt.
func TestExamples(t *testing.T) {
	cat := guardrails(t)
	if len(cat.Policies) < 25 {
		t.Errorf("there are %d policies", len(cat.Policies))
	}
	var said strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cat.Policies)) {
		p := cat.Policies[name]
		fmt.Fprintf(&said, "%s: %s\n", name, p.Title)
		for _, example := range slices.Sorted(maps.Keys(p.Fails)) {
			for _, s := range p.Says[example] {
				fmt.Fprintf(&said, "  %s: %s\n", example, s)
			}
		}
	}
	const golden = "testdata/says.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(said.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), said.String()); diff != "" {
		t.Errorf("run with -update and read it (-want +got)\n%s", diff)
	}
}

// TestCost: no policy takes as long as all the others together, so that none makes
// judging twice as dear.
func TestCost(t *testing.T) {
	tree, e := company(t)
	f := fleet.New(e)
	if _, err := f.Advance(context.Background(), tree, nil); err != nil {
		t.Fatal(err)
	}
	costs, err := f.PolicyCosts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) < 25 {
		t.Errorf("%d policies were measured", len(costs))
	}
	for _, c := range costs {
		if c.Dear() {
			t.Errorf("%s takes %.0f %% of judging by all", c.Policy, 100*c.Share)
		}
	}
}
