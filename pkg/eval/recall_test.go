package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
)

// A service whose every version is a bomb does not make everybody wait for each
// of them: two that use their budget up are tried, and no more.
func TestRecallOfBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("sets off several bombs")
	}
	bomb := func(version int) map[string]string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s\tconfig: X: _a30\n}\n\n// version %d\n_a0: \"0123456789abcdef\"\n", service, version)
		for i := range 30 {
			fmt.Fprintf(&b, "_a%d: _a%d+_a%d\n", i+1, i, i)
		}
		return map[string]string{"teams/shop/basket/service.cue": b.String()}
	}
	pool := eval.NewPool("", 1)
	defer pool.Close()
	e := &eval.Evaluator{Pool: pool, Engine: "test"}
	visits := map[string]int{}
	history := func(dir string, visit func(*git.Tree) bool) error {
		for i := range 5 {
			visits[dir]++
			if !visit(repository(t, bomb(i))) {
				break
			}
		}
		return nil
	}
	st := eval.NewState()
	if _, err := e.Advance(context.Background(), st, repository(t, bomb(9)), history); err != nil {
		t.Fatal(err)
	}
	if visits["teams/shop/basket"] != 2 || visits["platform"] > 2 || visits["schema"] > 2 {
		t.Errorf("earlier versions tried: %v; want 2 of each at most", visits)
	}
	if diags := st.Diags(); len(diags) != 1 || !strings.HasPrefix(diags[0].Message, "evaluation ") {
		t.Errorf("got %v", diags)
	}
}
