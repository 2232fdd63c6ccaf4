package policies_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/owners"
)

// TestApprovals: the company's own rules ask whom docs/platform/approvals.md says,
// each at its own line.
func TestApprovals(t *testing.T) {
	tree, e := company(t)
	st := eval.NewState()
	if _, err := e.Advance(context.Background(), st, tree, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range st.Diags() {
		t.Errorf("%s: %s", d.Pos, d.Message)
	}
	for _, name := range st.Catalog.ApprovalNames() {
		for _, d := range st.Catalog.CheckApproval(name) {
			t.Errorf("%s: %s", d.Pos, d.Message)
		}
	}
	for _, c := range []struct {
		name  string
		facts owners.Facts
		want  []string
	}{
		{"a service in dev", owners.Facts{Objects: []owners.Object{{Team: "shop", Environment: "dev", Kind: "Deployment.apps"}}, Paths: []string{"teams/shop/cart/service.cue"}}, nil},
		{"a service everywhere", owners.Facts{Objects: []owners.Object{{Team: "shop", Environment: "dev", Kind: "Deployment.apps"}, {Team: "shop", Environment: "prod", Kind: "Deployment.apps"}}}, []string{
			"platform/approvals/production.cue:8:7: production: 0 of 1 people of team shop (shop-leads, shop-developers), as it changes Deployment.apps of shop in prod",
		}},
		{"a volume in staging goes", owners.Facts{Objects: []owners.Object{{Team: "payments", Environment: "staging", Kind: "PersistentVolumeClaim", Deleted: true, Guarded: true}}}, []string{
			"platform/approvals/guarded-deletions.cue:8:7: guarded-deletions: 0 of 1 owners of team payments (payments-leads), as it deletes guarded PersistentVolumeClaim of payments in staging",
			"platform/approvals/guarded-deletions.cue:8:24: guarded-deletions: 0 of 1 owners of team platform (platform-leads), as it deletes guarded PersistentVolumeClaim of payments in staging",
		}},
		{"a golden path", owners.Facts{Paths: []string{"platform/paths/web/objects.cue"}}, []string{
			"platform/approvals/platform.cue:8:7: platform: 0 of 2 people of team platform (platform-leads, platform-developers), as it changes platform/paths/web/objects.cue",
		}},
		{"an exception and the rules", owners.Facts{Paths: []string{"platform/exceptions/a.cue", "platform/approvals/production.cue"}}, []string{
			"platform/approvals/exceptions.cue:8:7: exceptions: 0 of 1 owners of team platform (platform-leads), as it changes platform/exceptions/a.cue",
			"platform/approvals/exceptions.cue:8:27: exceptions: 0 of 1 of security-leads, as it changes platform/exceptions/a.cue",
			"platform/approvals/guardrails.cue:8:7: guardrails: 0 of 2 owners of team platform (platform-leads), as it changes platform/approvals/production.cue",
		}},
		{"a new team", owners.Facts{Paths: []string{"teams/new/team.cue"}}, []string{
			"platform/approvals/teams.cue:8:7: teams: 0 of 1 owners of team platform (platform-leads), as it changes teams/new/team.cue",
			"platform/approvals/teams.cue:8:24: teams: 0 of 1 owners of team platform (platform-leads), as it changes teams/new/team.cue",
		}},
	} {
		c.facts.Digest = "d"
		var got []string
		for _, ask := range owners.Decide(st.Catalog, c.facts, nil).Asks {
			got = append(got, ask.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if names := st.Catalog.ApprovalNames(); !slices.Contains(names, "teams") || len(names) < 6 {
		t.Errorf("the rules are %v", names)
	}
}
