package paths_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestCompanyIsAdmitted asks real API servers about every object of the example
// company, each on a plane of its cluster's name: a dry run, with fields looked at
// strictly. What they refuse, and what they warn of, fails. Kinds they do not serve
// are named and counted.
func TestCompanyIsAdmitted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane for each cluster")
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	clusters := map[string][]unit{}
	for _, u := range example(t, pool) {
		clusters[u.Cluster] = append(clusters[u.Cluster], u)
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		t.Run(name, func(t *testing.T) {
			asker{labtest.Start(t, labtest.Options{Name: name}).Asker(t)}.all(t, clusters[name])
		})
	}
}

// asker asks one API server.
type asker struct{ *labtest.Asker }

// all asks about the units of a cluster: teams' own first, whose namespaces are
// made for good, as nothing is admitted into one that is not there, and with the
// cluster's own policies in force.
func (a asker) all(t *testing.T, units []unit) {
	t.Helper()
	slices.SortFunc(units, func(x, y unit) int { return cmp.Compare(x.Name, y.Name) })
	for _, u := range units {
		for _, o := range u.Objects {
			if o.ID.Kind == "Namespace" {
				if err := a.Apply(t.Context(), o); err != nil {
					t.Fatalf("%s: make %s: %v", u.Name, o.ID, err)
				}
			}
		}
	}
	a.guarded(t, units)
	a.Warned() // of what is refused
	asked, absent := 0, map[string]int{}
	for _, u := range units {
		for _, o := range u.Objects {
			err := a.Ask(t.Context(), o)
			switch {
			case meta.IsNoMatchError(err) && strings.Contains(o.ID.Group, "."):
				absent[o.APIVersion+" "+o.ID.Kind]++
			case err != nil:
				t.Errorf("%s: %s: %v", u.Name, o.ID, err)
			default:
				asked++
			}
		}
	}
	for _, text := range a.Warned() {
		t.Errorf("the server warns: %s", text)
	}
	t.Logf("%d objects of %d units are admitted", asked, len(units))
	for _, kind := range slices.Sorted(maps.Keys(absent)) {
		t.Logf("not asked about, as the plane does not serve it: %s, %d objects", kind, absent[kind])
	}
	if asked == 0 {
		t.Error("nothing was asked about")
	}
}
