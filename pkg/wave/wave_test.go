package wave_test

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/wave"
)

func made(kind string, annotations map[string]any) object.Object {
	o, err := object.FromFields(map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "x", "annotations": annotations}})
	if err != nil {
		panic(err)
	}
	return o
}

// What stands on something goes after it.
func TestKindsInOrder(t *testing.T) {
	order := []string{"Namespace", "NetworkPolicy", "ServiceAccount", "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress"}
	for i := 1; i < len(order); i++ {
		a, b := wave.Of(made(order[i-1], nil)), wave.Of(made(order[i], nil))
		if a.Compare(b) >= 0 || !a.SameWave(b) {
			t.Errorf("%s does not go before %s in one wave: %+v, %+v", order[i-1], order[i], a, b)
		}
		if got := wave.PlaceOf(object.ID{Kind: order[i]}); got != b {
			t.Errorf("%s: known by its identity %+v, by itself %+v", order[i], got, b)
		}
	}
}

func TestPlaces(t *testing.T) {
	const hook, policy, number = "argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy", "argocd.argoproj.io/sync-wave"
	for _, test := range []struct {
		name        string
		annotations map[string]any
		want        wave.Place
	}{
		{"wave", map[string]any{number: "-3"}, wave.Place{Wave: -3, Tier: 4}},
		{"no number", map[string]any{number: "soon"}, wave.Place{Tier: 4}},
		{"before", map[string]any{hook: "PreSync"}, wave.Place{Phase: wave.PreSync, Tier: 4, Hook: true, DeleteBefore: true}},
		{"with", map[string]any{hook: "Sync", policy: "HookSucceeded"}, wave.Place{Phase: wave.Sync, Tier: 4, Hook: true, DeleteAfter: true}},
		{"after", map[string]any{hook: "PostSync", policy: "BeforeHookCreation,HookSucceeded"}, wave.Place{Phase: wave.PostSync, Tier: 4, Hook: true, DeleteBefore: true, DeleteAfter: true}},
		{"never", map[string]any{hook: "Skip"}, wave.Place{Phase: wave.Skipped, Tier: 4, Hook: true, DeleteBefore: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := wave.Of(made("Job", test.annotations)); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
