package catalog_test

import (
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// trial is the company with an environment that stands on prod and has checkout only.
func trial() *catalog.Catalog {
	c := company()
	const file = "environments/trial/environment.cue"
	c.Environments["trial"] = &catalog.Environment{Declared: declared("trial", file, nil), Clusters: []string{"eu"}, Base: "prod"}
	c.Releases[catalog.ReleaseKey{Environment: "trial", Service: "checkout"}] = &catalog.Release{Declared: declared("checkout", file, nil), Environment: "trial", Team: "shop"}
	return c
}

// TestNeedsAreMetInTheBase: what is not released in an environment is called in its base,
// and what is, there; who may call follows from the same.
func TestNeedsAreMetInTheBase(t *testing.T) {
	orders := catalog.ReleaseKey{Environment: "trial", Service: "orders"}
	for _, test := range []struct {
		name      string
		change    func(c *catalog.Catalog)
		namespace string
		says      string
	}{
		{"not released", func(*catalog.Catalog) {}, "sales-prod", ""},
		{"released", func(c *catalog.Catalog) { c.Releases[orders] = &catalog.Release{Environment: "trial", Team: "sales"} }, "sales-trial", ""},
		{"nowhere", func(c *catalog.Catalog) {
			delete(c.Releases, catalog.ReleaseKey{Environment: "prod", Service: "orders"})
		}, "", `service "orders" is not released in trial, and not in prod either, on which it stands`},
		{"base is elsewhere", func(c *catalog.Catalog) { c.Environments["prod"].Clusters = []string{"us"} }, "", `is called in prod, which is not on eu`},
		{"no base", func(c *catalog.Catalog) { c.Environments["trial"].Base = "" }, "", `service "orders" is not released in trial`},
		{"base is gone", func(c *catalog.Catalog) { delete(c.Environments, "prod") }, "", `service "orders" is not released in trial`},
	} {
		c := trial()
		test.change(c)
		needs, list := c.Resolve(c.Services["checkout"], "trial", "eu")
		if got := needs["orders"].Namespace; got != test.namespace || len(list) > 0 != (test.says != "") || len(list) > 0 && !strings.Contains(list[0].Message, test.says) {
			t.Errorf("%s: %q and %v; want %q and %q", test.name, got, list, test.namespace, test.says)
		}
		if in := c.In("trial", "orders"); test.says == "" && in != strings.TrimPrefix(test.namespace, "sales-") {
			t.Errorf("%s: it is called in %s", test.name, in)
		}
	}
}

func TestStandingOn(t *testing.T) {
	c := trial()
	if got := c.StandingOn("prod", "eu"); len(got) != 1 || got[0] != "trial" {
		t.Errorf("on eu %v stand on prod", got)
	}
	c.Environments["dev"].Base = "dev"
	if got := append(c.StandingOn("prod", "us"), c.StandingOn("dev", "eu")...); len(got) != 0 {
		t.Errorf("%v stand where they do not", got)
	}
}

func TestCheckBase(t *testing.T) {
	for base, says := range map[string]string{
		"prod": "", "": "", "prd": `there is no environment "prd"`, "trial": "does not stand on itself", "other": "other stands on dev, and only one that stands on its own",
	} {
		c := trial()
		c.Environments["other"] = &catalog.Environment{Declared: declared("other", "x", nil), Clusters: []string{"eu"}, Base: "dev"}
		c.Environments["trial"].Base = base
		list := c.CheckEnvironment("trial")
		if len(list) > 0 != (says != "") || len(list) > 0 && !strings.Contains(list[0].Message, says) {
			t.Errorf("base %q: %v, want %q", base, list, says)
		}
	}
}

// TestBaseSaysWhatTheEnvironmentDoesNot: the regions of a service in an environment are
// those of its base where it says nothing of itself.
func TestBaseSaysWhatTheEnvironmentDoesNot(t *testing.T) {
	c := trial()
	s := c.Services["checkout"]
	s.Regions = map[string][]string{"prod": {"eu-west"}, "": {"us-east"}}
	if got := c.RegionsOf(s, "trial"); len(got) != 1 || got[0] != "eu-west" {
		t.Errorf("its regions are %v", got)
	}
	s.Regions["trial"] = []string{"eu-north"}
	if got := c.RegionsOf(s, "trial"); len(got) != 1 || got[0] != "eu-north" {
		t.Errorf("its own regions are %v", got)
	}
	// The environment has fewer clusters than its base: what is left of the regions counts.
	c.Clusters["eu"].Region = "eu-north"
	delete(s.Regions, "trial")
	s.Regions["prod"] = []string{"eu-west", "eu-north"}
	if got := c.RegionsOf(s, "trial"); len(got) != 1 || got[0] != "eu-north" {
		t.Errorf("the regions that are left are %v", got)
	}
	if list := c.CheckPlace("checkout", "trial"); len(list) > 0 {
		t.Errorf("regions of the base are held against it: %v", list)
	}
	s.Regions["prod"] = []string{"eu-west"} // none is left: what holds everywhere counts, and is looked at
	if got, list := c.RegionsOf(s, "trial"), c.CheckPlace("checkout", "trial"); len(got) != 1 || got[0] != "us-east" || len(list) != 1 {
		t.Errorf("the regions are %v, and of them is said %v", got, list)
	}
	if got := c.RegionsOf(s, "dev"); len(got) != 1 || got[0] != "us-east" {
		t.Errorf("the regions in dev are %v", got)
	}
}
