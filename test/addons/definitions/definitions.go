// Package definitions brings the add-ons' own definitions of their kinds to a
// control plane, out of the Go modules that ship them. Each add-on has a folder
// here, whose go.mod pins the version.
package definitions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/labtest"
)

// Shipped says which files of its module define the kinds of each add-on that paths use,
// by the add-on's folder.
func Shipped() map[string][]string {
	return map[string][]string{
		"cert-manager":  {"deploy/crds/cert-manager.io_certificates.yaml"},
		"cilium":        {"pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml"},
		"cluster-api":   {"core/config/crd/bases/cluster.x-k8s.io_clusters.yaml"},
		"envoy-gateway": {"charts/gateway-helm/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml"},
		"external-secrets": {
			"config/crds/bases/external-secrets.io_externalsecrets.yaml", "config/crds/bases/generators.external-secrets.io_passwords.yaml",
		},
		"gateway-api": Routes("experimental"),
		"istio":       {"kubernetes/customresourcedefinitions.gen.yaml"},
		"keda":        {"config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"},
		"prometheus-operator": {
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
		},
		"snapshotter": {"config/crd/snapshot.storage.k8s.io_volumesnapshotclasses.yaml", "config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml"},
		"vpa":         {"deploy/vpa-v1-crd-gen.yaml"},
	}
}

// Routes are the files of a channel of the Gateway API that define its routes.
func Routes(channel string) []string {
	at := "config/crd/" + channel + "/gateway.networking.k8s.io_"
	return []string{at + "httproutes.yaml", at + "grpcroutes.yaml"}
}

// Install installs what an add-on ships, and tells of which kinds that is, as
// "Certificate.cert-manager.io". A file that its module does not
// have fails the test.
func Install(t testing.TB, plane *labtest.Plane, addon string, files ...string) (kinds []string) {
	t.Helper()
	dir, err := module(addon)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		definitions, err := read(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := plane.Install(t.Context(), definitions...); err != nil {
			t.Fatal(err)
		}
		for _, d := range definitions {
			kinds = append(kinds, kindOf(t, d))
		}
	}
	slices.Sort(kinds)
	return kinds
}

func kindOf(t testing.TB, definition object.Object) string {
	t.Helper()
	var d struct {
		Spec struct {
			Group string
			Names struct{ Kind string }
		}
	}
	if err := json.Unmarshal(definition.Body, &d); err != nil {
		t.Fatal(err)
	}
	return d.Spec.Names.Kind + "." + d.Spec.Group
}

// module is where the module of an add-on's folder lies, which is fetched if it is not there.
func module(addon string) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), addon)
	download := exec.Command("go", "mod", "download", "-json") // the one module it requires
	download.Dir, download.Stderr = dir, os.Stderr
	out, err := download.Output()
	if err != nil {
		return "", fmt.Errorf("fetch the module of %s: %w: %s", addon, err, out)
	}
	var got struct{ Dir string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", fmt.Errorf("fetch the module of %s: %w", addon, err)
	}
	return got.Dir, nil
}

// read reads the definitions of a file, one a document.
func read(file string) ([]object.Object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []object.Object
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		body, err := yaml.ToJSON(document)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if !strings.Contains(string(body), `"CustomResourceDefinition"`) {
			continue
		}
		o, err := object.Parse(body)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out = append(out, o)
	}
}
