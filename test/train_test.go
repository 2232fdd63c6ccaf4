package test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestKubernetesTrain holds the modules that have to move together. A module
// that lifts one of them lifts the others' ground.
func TestKubernetesTrain(t *testing.T) {
	want := map[string]string{
		"k8s.io/api": "v0.36.3", "k8s.io/apimachinery": "v0.36.3", "k8s.io/client-go": "v0.36.3",
		"k8s.io/apiextensions-apiserver": "v0.36.3", "k8s.io/apiserver": "v0.36.3", "k8s.io/component-base": "v0.36.3",
		"k8s.io/kubernetes": "v1.36.3", "sigs.k8s.io/structured-merge-diff/v6": "v6.3.3",
		"github.com/google/cel-go": "v0.26.0",
	}
	cmd := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{.Path}} {{.Version}} {{if .Replace}}replaced{{end}}{{end}}`, "./cmd/reconciler")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if v, ok := want[fields[0]]; ok && fields[1] != v {
			t.Errorf("%s is %s; the train is at %s", fields[0], fields[1], v)
		}
		if len(fields) > 2 {
			t.Errorf("%s is replaced: go install and pre-commit refuse a module that replaces", fields[0])
		}
	}
}
