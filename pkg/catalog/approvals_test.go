package catalog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// TestCheckApproval: a rule that could never be satisfied, or never asks, is a
// mistake at its own line.
func TestCheckApproval(t *testing.T) {
	const file = "platform/approvals/prod.cue"
	rule := func(when catalog.Touching, by ...catalog.Approvers) *catalog.Catalog {
		c := company()
		c.Approvals["prod"] = &catalog.Approval{
			Declared: declared("prod", file, map[string]diag.Position{
				"": at(file, 5, 1), "when": at(file, 7, 2), "by.0": at(file, 9, 3), "by.1": at(file, 10, 3), "by.1.team": at(file, 10, 10), "when.teams.0": at(file, 7, 9),
			}), When: when, By: by,
		}
		return c
	}
	shop := catalog.Approvers{Team: "shop"}
	for name, c := range map[string]struct {
		in   *catalog.Catalog
		want []string
	}{
		"sound":          {rule(catalog.Touching{Environments: []string{"prod"}, Teams: []string{"sales"}, Kinds: []string{"Job.batch"}}, shop, catalog.Approvers{Handles: []string{"x"}}), nil},
		"sound, touched": {rule(catalog.Touching{}, catalog.Approvers{Touched: true, Otherwise: "sales"}), nil},
		"no environment": {rule(catalog.Touching{Environments: []string{"dev", "pord"}}, shop), []string{file + `:7:2: when.environments: there is no environment "pord"`}},
		"no team":        {rule(catalog.Touching{Teams: []string{"ship"}}, shop), []string{file + `:7:9: when.teams.0: there is no team "ship"`}},
		"nobody asked":   {rule(catalog.Touching{}, shop, catalog.Approvers{Team: "ship"}), []string{file + `:10:10: by.1.team: there is no team "ship"`}},
		"no platform":    {rule(catalog.Touching{}, catalog.Approvers{Touched: true, Otherwise: "platform"}), []string{file + `:9:3: by.0.otherwise: there is no team "platform"`}},
		"nobody":         {rule(catalog.Touching{}, catalog.Approvers{Count: 2}), []string{file + ":9:3: by.0: it names 0 of team, touched and handles"}},
		"two":            {rule(catalog.Touching{}, catalog.Approvers{Team: "shop", Handles: []string{"x"}}), []string{file + ":9:3: by.0: it names 2 of team, touched and handles"}},
		"file and object": {
			rule(catalog.Touching{Parts: []string{"policy"}, Deletions: "any"}, shop), []string{file + ":7:2: when: nothing is a file and an object"},
		},
	} {
		var got []string
		for _, d := range c.in.CheckApproval("prod") {
			got = append(got, d.Pos.String()+": "+d.Message)
			if d.Hint == "" || d.Severity != diag.Error {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	broken := rule(catalog.Touching{}, catalog.Approvers{})
	broken.Approvals["prod"].Data = nil
	if list := append(broken.CheckApproval("prod"), broken.CheckApproval("none")...); len(list) > 0 {
		t.Errorf("of a rule that does not evaluate: %v", list)
	}
}
