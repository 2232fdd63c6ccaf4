package paths_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/addons/definitions"
	"github.com/fairway-dev/fairway/test/labtest"
)

// addonsTake asks a server that has the add-ons' own definitions about every object
// that is of one of their kinds: a field that the add-on does not know, and a value
// that it does not take, fails.
func addonsTake(t *testing.T, objects map[string]object.Object) {
	t.Helper()
	plane := labtest.Start(t, labtest.Options{Name: "shipped", Addons: t.TempDir()})
	asker, tried := plane.Asker(t), map[string]int{}
	for addon, files := range definitions.Shipped() {
		for _, kind := range definitions.Install(t, plane, addon, files...) {
			tried[kind] = 0
		}
	}
	there := map[string]bool{}
	for _, body := range slices.Sorted(maps.Keys(objects)) {
		o := objects[body]
		kind := o.ID.Kind + "." + o.ID.Group
		if _, ok := tried[kind]; !ok {
			continue
		}
		if ns := o.ID.Namespace; ns != "" && !there[ns] {
			there[ns] = true
			if err := asker.Apply(t.Context(), namespace(t, ns)); err != nil {
				t.Fatal(err)
			}
		}
		if err := asker.Ask(t.Context(), o); err != nil {
			t.Errorf("%s: %v\n%s", o.ID, err, body)
		}
		tried[kind]++
	}
	for _, text := range asker.Warned() {
		t.Errorf("the server warns: %s", text)
	}
	for _, kind := range spoken() {
		t.Logf("%s: %d", kind, tried[kind])
		if tried[kind] == 0 {
			t.Errorf("what comes of fields is not asked about: no %s", kind)
		}
	}
}

// spoken are the kinds of add-ons that fields become, of those whose definitions there are.
func spoken() []string {
	return []string{
		"AuthorizationPolicy.security.istio.io", "BackendTrafficPolicy.gateway.envoyproxy.io", "CiliumNetworkPolicy.cilium.io", "Cluster.cluster.x-k8s.io",
		"DestinationRule.networking.istio.io", "ExternalSecret.external-secrets.io", "GRPCRoute.gateway.networking.k8s.io", "HTTPRoute.gateway.networking.k8s.io",
		"Password.generators.external-secrets.io", "PeerAuthentication.security.istio.io", "PrometheusRule.monitoring.coreos.com", "ScaledObject.keda.sh",
		"ServiceMonitor.monitoring.coreos.com", "VerticalPodAutoscaler.autoscaling.k8s.io", "VirtualService.networking.istio.io",
	}
}

func namespace(t *testing.T, name string) object.Object {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]string{"name": name}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := object.Parse(body)
	if err != nil {
		t.Fatal(fmt.Errorf("make a namespace: %w", err))
	}
	return o
}
