package pulls_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/reconcile"
)

// TestBaseMoved: a fleet that is not at a proposal's base says nothing of the proposal.
func TestBaseMoved(t *testing.T) {
	tree, err := compose.With(nil, map[string][]byte{"README.md": []byte("nothing declared")})
	if err != nil {
		t.Fatal(err)
	}
	r := &pulls.Reviewer{InForce: reconcile.NewFleet(&eval.Evaluator{}), Trial: reconcile.NewFleet(&eval.Evaluator{})}
	_, err = r.Review(context.Background(), pulls.Proposal{BaseTree: tree, HeadTree: tree, AncestorTree: tree})
	if err == nil || !strings.Contains(err.Error(), "the base moved meanwhile") {
		t.Errorf("it says %v", err)
	}
}
