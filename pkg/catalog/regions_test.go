package catalog_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// TestRegions: where a service runs, and that what cannot be said, or is a mistake,
// takes nothing away.
func TestRegions(t *testing.T) {
	const field = "environments.prod.regions.1"
	tests := map[string]struct {
		edit func(c *catalog.Catalog, s *catalog.Service)
		want []string // of the clusters of prod
		diag string
		held bool
	}{
		"says nothing": {edit: func(*catalog.Catalog, *catalog.Service) {}, want: []string{"eu", "us"}},
		"one for all":  {edit: func(_ *catalog.Catalog, s *catalog.Service) { s.Regions = map[string][]string{"": {"europe"}} }, want: []string{"eu"}},
		"another in this environment": {
			edit: func(_ *catalog.Catalog, s *catalog.Service) {
				s.Regions = map[string][]string{"": {"europe"}, "prod": {"america"}}
			},
			want: []string{"us"},
		},
		"another in another environment": {
			edit: func(_ *catalog.Catalog, s *catalog.Service) { s.Regions = map[string][]string{"dev": {"america"}} },
			want: []string{"eu", "us"},
		},
		"what the environment says": {edit: func(c *catalog.Catalog, _ *catalog.Service) { c.Environments["prod"].Regions = []string{"europe"} }, want: []string{"eu"}},
		"more than the environment says": {
			edit: func(c *catalog.Catalog, s *catalog.Service) {
				c.Environments["prod"].Regions = []string{"europe"}
				s.Regions = map[string][]string{"": {"america", "europe"}}
			},
			want: []string{"eu", "us"},
		},
		"a region without cluster": {
			edit: func(_ *catalog.Catalog, s *catalog.Service) {
				s.Regions = map[string][]string{"prod": {"europe", "amerika"}}
			},
			want: []string{"eu", "us"}, held: true,
			diag: `environments.prod.regions: prod has no cluster in the region "amerika"`,
		},
		"the environment's region without cluster": {
			edit: func(c *catalog.Catalog, _ *catalog.Service) { c.Environments["prod"].Regions = []string{"asia"} },
			want: []string{"eu", "us"}, held: true,
		},
		"a cluster that may be anywhere": {
			edit: func(c *catalog.Catalog, s *catalog.Service) {
				c.Clusters["us"].Region = ""
				s.Regions = map[string][]string{"": {"asia"}}
			},
			want: []string{"us"},
		},
		"a broken service runs where its last good version does": {
			edit: func(_ *catalog.Catalog, s *catalog.Service) {
				s.Data, s.LastGood = nil, &catalog.Service{Regions: map[string][]string{"": {"america"}}}
			},
			want: []string{"us"},
		},
		"a service that was never well": {edit: func(_ *catalog.Catalog, s *catalog.Service) { s.Data = nil }, want: []string{"eu", "us"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := company()
			c.Clusters["eu"].Region, c.Clusters["us"].Region = "europe", "america"
			s := c.Services["checkout"]
			s.Positions = catalog.PackPositions(map[string]diag.Position{field: at(checkout, 22, 30)})
			test.edit(c, s)
			got := slices.DeleteFunc([]string{"eu", "us"}, func(cluster string) bool { return !c.Runs(s, "prod", cluster) })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if held := c.CheckPlace("checkout", "prod").Errors(); held != test.held {
				t.Errorf("held: %v", held)
			}
			list := c.CheckService("checkout")
			switch {
			case test.diag == "" && len(list) > 0:
				t.Errorf("said of the service: %v", list)
			case test.diag != "" && (len(list) != 1 || list[0].Message != test.diag || list[0].Pos != at(checkout, 22, 30)):
				t.Errorf("want %q at line 22, got %v", test.diag, list)
			}
		})
	}
}

// TestNeedsInAnotherRegion: names inside a cluster lead nowhere outside of it.
func TestNeedsInAnotherRegion(t *testing.T) {
	c := company()
	c.Clusters["eu"].Region, c.Clusters["us"].Region = "europe", "america"
	c.Services["orders"].Regions = map[string][]string{"": {"europe"}}
	if _, unmet := c.Resolve(c.Services["checkout"], "prod", "eu"); len(unmet) > 0 {
		t.Errorf("where both run: %v", unmet)
	}
	_, unmet := c.Resolve(c.Services["checkout"], "prod", "us")
	if len(unmet) != 1 || unmet[0].Message != `needs.orders: service "orders" does not run on us: in prod it has its place in europe` || unmet[0].Pos != at(checkout, 11, 12) {
		t.Errorf("got %v", unmet)
	}
}
