package owners

import (
	"maps"
	"testing"
)

// TestEffect: an approval is of the plan and of every file whose effect no plan shows, and
// of no more: a remark in a service keeps it.
func TestEffect(t *testing.T) {
	files := map[string]string{
		"teams/shop/checkout/service.cue": "1", "environments/prod/releases/shop/checkout.cue": "1", "teams/shop/team.cue": "1",
		"environments/prod/environment.cue": "1", "platform/policies/no-host.cue": "1", "platform/approvals/production.cue": "1",
		"platform/exceptions/maps.cue": "1", "platform/signing/signing.cue": "1", "platform/clusters/eu/cluster.cue": "1",
		"schema/service.cue": "1", ".gitea/workflows/ci.yaml": "1", "README.md": "1",
	}
	before := Effect("a plan", files)
	if before != Effect("a plan", maps.Clone(files)) || before == Effect("another", files) {
		t.Error("it is not of the plan")
	}
	for file := range files {
		keeps := file == "teams/shop/checkout/service.cue" || file == "environments/prod/releases/shop/checkout.cue"
		for _, content := range []string{"2", ""} {
			other := maps.Clone(files)
			other[file] = content
			if got := Effect("a plan", other) == before; got != keeps {
				t.Errorf("%s becomes %q: the approval is kept: %v, want %v", file, content, got, keeps)
			}
		}
	}
}
