package reconcile

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// witness takes down who writes what. What is written without being asked as
// whom has no cluster to go to, and panics.
type witness struct {
	Live
	wrote []string
}

func (w *witness) As(user string) cluster.Writer { return &pen{w, user} }

type pen struct {
	*witness
	user string
}

func (p *pen) write(verb, what string) error {
	p.wrote = append(p.wrote, fmt.Sprintf("%s %s as %s", verb, what, p.user))
	return nil
}

func (p *pen) Apply(_ context.Context, r cluster.ApplyRequest) (cluster.Applied, error) {
	return cluster.Applied{}, p.write("apply", r.Object.ID.Name)
}

func (p *pen) Delete(_ context.Context, id object.ID, _, _ string) error {
	return p.write("delete", id.Name)
}

func (p *pen) Yield(_ context.Context, id object.ID, _, _ string) error {
	return p.write("yield", id.Name)
}

func (p *pen) Release(_ context.Context, id object.ID, _, _ string) error {
	return p.write("release", id.Name)
}

// Every write of a service is in the name of an account: an apply in that of the
// service's team, whatever the object says, and what goes in that of the place
// it is in. Without one, nothing is written.
func TestActing(t *testing.T) {
	w := &witness{}
	key := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "checkout"}
	a := &acting{Live: w, unit: key, namespace: "shop-prod"}
	ctx := t.Context()
	there := object.ID{Kind: "ConfigMap", Namespace: "money-prod", Name: "there"}
	_, applied := a.Apply(ctx, cluster.ApplyRequest{Object: object.Object{ID: there}})
	for _, err := range []error{applied, a.Delete(ctx, there, "u", "1"), a.Yield(ctx, there, "u", "x"), a.Release(ctx, there, "u", "x")} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"apply there as system:serviceaccount:shop-prod:fairway-deployer", "delete there as system:serviceaccount:money-prod:fairway-deployer",
		"yield there as system:serviceaccount:money-prod:fairway-deployer", "release there as system:serviceaccount:money-prod:fairway-deployer",
	}
	if !slices.Equal(w.wrote, want) {
		t.Errorf("got %q, want %q", w.wrote, want)
	}
	w.wrote = nil
	for _, nowhere := range []string{"", "kube-system"} {
		lost := &acting{Live: w, unit: key, namespace: nowhere}
		id := object.ID{Kind: "ConfigMap", Namespace: nowhere, Name: "x"}
		if _, err := lost.Apply(ctx, cluster.ApplyRequest{}); err == nil {
			t.Errorf("applied for namespace %q", nowhere)
		}
		if lost.Delete(ctx, id, "u", "1") == nil || lost.Yield(ctx, id, "u", "x") == nil || lost.Release(ctx, id, "u", "x") == nil {
			t.Errorf("something went from namespace %q", nowhere)
		}
	}
	if len(w.wrote) > 0 {
		t.Errorf("written: %q", w.wrote)
	}
	if got := Acting(w, catalog.TeamUnit("prod", "eu", "shop"), nil); got != Live(w) {
		t.Error("a team's own unit is not the daemon's to write")
	}
}
