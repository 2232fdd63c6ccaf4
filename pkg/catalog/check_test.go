package catalog_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

func declared(name, source string, positions map[string]diag.Position) catalog.Declared {
	return catalog.Declared{Name: name, Source: source, Data: []byte("{}"), Positions: catalog.PackPositions(positions)}
}

func at(file string, line, column int) diag.Position {
	return diag.Position{File: file, Line: line, Column: column}
}

const (
	checkout = "teams/shop/checkout/service.cue"
	orders   = "teams/sales/orders/service.cue"
	prod     = "environments/prod/environment.cue"
	release  = "environments/prod/releases/shop/checkout.cue"
)

// company is a catalog with nothing wrong: checkout of shop needs orders of sales.
func company() *catalog.Catalog {
	c := catalog.New()
	for _, team := range []string{"shop", "sales"} {
		c.Teams[team] = &catalog.Team{Declared: declared(team, "teams/"+team+"/team.cue", nil)}
	}
	c.Clusters["eu"] = &catalog.Cluster{Declared: declared("eu", "platform/clusters/eu/cluster.cue", nil)}
	c.Clusters["us"] = &catalog.Cluster{Declared: declared("us", "platform/clusters/us/cluster.cue", nil)}
	for _, env := range []string{"dev", "prod"} {
		file := "environments/" + env + "/environment.cue"
		c.Environments[env] = &catalog.Environment{
			Declared: declared(env, file, map[string]diag.Position{"clusters": at(file, 9, 2), "clusters.1": at(file, 9, 20)}),
			Clusters: []string{"eu", "us"},
		}
	}
	c.Services["checkout"] = &catalog.Service{
		Declared: declared("checkout", checkout, map[string]diag.Position{
			"": at(checkout, 5, 1), "needs": at(checkout, 10, 2), "needs.orders.service": at(checkout, 11, 12), "environments.prod": at(checkout, 20, 16),
		}),
		Team: "shop", Path: "web", Needs: map[string]catalog.Need{"orders": {Service: "orders", Endpoint: "http"}},
	}
	c.Services["orders"] = &catalog.Service{
		Declared: declared("orders", orders, nil), Team: "sales", Path: "web",
		Endpoints: map[string]catalog.Endpoint{"http": {Port: 8080, Protocol: "http"}, "metrics": {Port: 9090, Protocol: "http"}},
	}
	c.Releases[catalog.ReleaseKey{Environment: "prod", Service: "checkout"}] = &catalog.Release{Declared: declared("checkout", release, nil), Environment: "prod", Team: "shop"}
	c.Releases[catalog.ReleaseKey{Environment: "prod", Service: "orders"}] = &catalog.Release{Declared: declared("orders", "x", nil), Environment: "prod", Team: "sales"}
	return c
}

// all is every check, of every declaration that tests touch.
func all(c *catalog.Catalog) diag.List {
	var list diag.List
	list = append(list, c.CheckService("checkout")...)
	list = append(list, c.CheckEnvironment("prod")...)
	list = append(list, c.CheckRelease(catalog.ReleaseKey{Environment: "prod", Service: "checkout"})...)
	if s := c.Services["checkout"]; s != nil {
		_, unmet := c.Resolve(s, "prod", "prod-eu")
		list = append(list, unmet...)
	}
	return list
}

func TestChecks(t *testing.T) {
	service := diag.Subject{Team: "shop", Service: "checkout"}
	inProd := diag.Subject{Team: "shop", Service: "checkout", Environment: "prod"}
	released := diag.Subject{Service: "checkout", Environment: "prod"}
	need := at(checkout, 11, 12)
	for _, test := range []struct {
		name   string
		change func(c *catalog.Catalog)
		want   []diag.Diag
	}{
		{"nothing", func(*catalog.Catalog) {}, nil},
		{"unknown team", func(c *catalog.Catalog) { delete(c.Teams, "shop") }, []diag.Diag{{
			Code: "unknown-team", Pos: at(checkout, 1, 1), Subject: service, Message: `team "shop" is not declared`,
			Hint: "add teams/shop/team.cue, or move the service to its team's folder",
		}}},
		{"unknown environment of an overlay", func(c *catalog.Catalog) {
			c.Services["checkout"].Overlays = map[string]rawMessage{"prdo": nil, "prod": nil}
		}, []diag.Diag{{
			Code: "unknown-environment", Pos: at(checkout, 1, 1), Subject: service,
			Message: `environments.prdo: there is no environment "prdo"`, Hint: "the environments are dev, prod",
		}}},
		{"unknown cluster", func(c *catalog.Catalog) { delete(c.Clusters, "us") }, []diag.Diag{{
			Code: "unknown-cluster", Pos: at(prod, 9, 20), Subject: diag.Subject{Environment: "prod", Cluster: "us"},
			Message: `clusters: there is no cluster "us"`, Hint: "the clusters are eu",
		}}},
		{"no cluster at all", func(c *catalog.Catalog) {
			clear(c.Clusters)
			c.Environments["prod"].Clusters = []string{"eu"}
		}, []diag.Diag{{
			Code: "unknown-cluster", Pos: at(prod, 9, 2), Subject: diag.Subject{Environment: "prod", Cluster: "eu"},
			Message: `clusters: there is no cluster "eu"`, Hint: "the clusters are none",
		}}},
		{"release in an unknown environment", func(c *catalog.Catalog) { delete(c.Environments, "prod") }, []diag.Diag{{
			Code: "unknown-environment", Pos: at(release, 1, 1), Subject: released, Message: `environment "prod" is not declared`,
			Hint: "add environments/prod/environment.cue, or remove the release",
		}}},
		{"release of a service that is gone", func(c *catalog.Catalog) { delete(c.Services, "checkout") }, []diag.Diag{{
			Code: "release-without-service", Pos: at(release, 1, 1), Subject: released, Message: `there is no service "checkout" to release`,
			Hint: "remove this file, or bring teams/shop/checkout back",
		}}},
		{"release under the wrong team", func(c *catalog.Catalog) { c.Services["checkout"].Team = "sales" }, []diag.Diag{{
			Code: "release-team", Pos: at(release, 1, 1), Subject: released, Message: `service "checkout" belongs to team sales, not shop`,
			Hint: "move this file to environments/prod/releases/sales/",
		}}},
		{"need of a missing service", func(c *catalog.Catalog) {
			c.Services["checkout"].Needs["orders"] = catalog.Need{Service: "ordres", Endpoint: "http"}
		}, []diag.Diag{{Code: "unmet-need", Pos: need, Subject: inProd, Message: `needs.orders: there is no service "ordres"`, Hint: `did you mean "orders"?`}}},
		{"need like nothing there is", func(c *catalog.Catalog) {
			c.Services["checkout"].Needs["orders"] = catalog.Need{Service: "zebra", Endpoint: "http"}
		}, []diag.Diag{{Code: "unmet-need", Pos: need, Subject: inProd, Message: `needs.orders: there is no service "zebra"`}}},
		{"need that is not released here", func(c *catalog.Catalog) {
			delete(c.Releases, catalog.ReleaseKey{Environment: "prod", Service: "orders"})
		}, []diag.Diag{{
			Code: "unmet-need", Pos: need, Subject: inProd, Message: `needs.orders: service "orders" is not released in prod`,
			Hint: "release it with environments/prod/releases/sales/orders.cue first",
		}}},
		{"need of a missing endpoint", func(c *catalog.Catalog) {
			c.Services["checkout"].Needs["orders"] = catalog.Need{Service: "orders", Endpoint: "grpc"}
		}, []diag.Diag{{Code: "unmet-need", Pos: need, Subject: inProd, Message: `needs.orders: service "orders" has no endpoint "grpc"`, Hint: "its endpoints are: http, metrics"}}},
		{"endpoint of a service without any", func(c *catalog.Catalog) { c.Services["orders"].Endpoints = nil },
			[]diag.Diag{{Code: "unmet-need", Pos: need, Subject: inProd, Message: `needs.orders: service "orders" has no endpoint "http"`, Hint: "its endpoints are: none"}}},
		{"need of a service that never was good", func(c *catalog.Catalog) { c.Services["orders"].Data = nil },
			[]diag.Diag{{Code: "unmet-need", Pos: need, Subject: inProd, Message: `needs.orders: service "orders" has a mistake of its own`, Hint: "see teams/sales/orders/service.cue"}}},
		{"need of a broken service is of its last good version", func(c *catalog.Catalog) {
			good := *c.Services["orders"]
			c.Services["orders"] = &catalog.Service{Declared: catalog.Declared{Name: "orders", Source: orders}, Team: "sales", LastGood: &good}
		}, nil},
		{"a broken service is not judged", func(c *catalog.Catalog) {
			c.Services["checkout"] = &catalog.Service{Declared: catalog.Declared{Name: "checkout", Source: checkout}, Team: "shop"}
			delete(c.Teams, "shop")
		}, nil},
		{"a broken environment is not judged", func(c *catalog.Catalog) {
			c.Environments["prod"].Data = nil
			delete(c.Clusters, "us")
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := company()
			test.change(c)
			var want diag.List
			for _, d := range test.want {
				d.Severity = diag.Error
				want = append(want, d)
			}
			if diff := cmp.Diff(want, all(c)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

type rawMessage = json.RawMessage

func TestResolve(t *testing.T) {
	c := company()
	got, unmet := c.Resolve(c.Services["checkout"], "prod", "prod-eu")
	want := map[string]catalog.Resolved{"orders": {Service: "orders", Team: "sales", Namespace: "sales-prod", Endpoint: catalog.Endpoint{Port: 8080, Protocol: "http"}}}
	if diff := cmp.Diff(want, got); diff != "" || len(unmet) > 0 {
		t.Errorf("%v (-want +got)\n%s", unmet, diff)
	}
}

func TestUnitKeys(t *testing.T) {
	for _, s := range []string{"prod/prod-eu/checkout", "prod/prod-eu/team.shop"} {
		var key catalog.UnitKey
		if err := key.UnmarshalText([]byte(s)); err != nil || key.String() != s {
			t.Errorf("%s: got %s, %v", s, key, err)
		}
	}
	for _, s := range []string{"", "prod", "prod/eu", "prod/eu/", "//", "prod/eu/a/b"} {
		if key, err := catalog.ParseUnitKey(s); err == nil {
			t.Errorf("%q was read as %+v", s, key)
		}
	}
	if team, ok := catalog.TeamUnit("prod", "eu", "shop").Team(); team != "shop" || !ok {
		t.Errorf("got %q, %v", team, ok)
	}
	if team, ok := (catalog.UnitKey{Service: "teamwork"}).Team(); ok {
		t.Errorf("a service is taken for team %q", team)
	}
}

func TestPositionOfAField(t *testing.T) {
	d := declared("x", "f.cue", map[string]diag.Position{"scale": at("f.cue", 3, 1), "scale.max": at("f.cue", 4, 2)})
	for field, want := range map[string]diag.Position{
		"scale.max": at("f.cue", 4, 2), "scale.min": at("f.cue", 3, 1), "scale.cpu.x": at("f.cue", 3, 1), "http": at("f.cue", 1, 1), "": at("f.cue", 1, 1),
	} {
		if got := d.At(field); got != want {
			t.Errorf("%q: got %v, want %v", field, got, want)
		}
	}
}
