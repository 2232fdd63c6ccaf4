package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: one, cluster: {server: "https://one.example.com"}}
- {name: two, cluster: {server: "https://two.example.com"}}
users:
- {name: me, user: {token: canary-token}}
contexts:
- {name: one, context: {cluster: one, user: me}}
- {name: two, context: {cluster: two, user: me}}
`

// FuzzContext: a cluster's declaration names a context of the operator's
// kubeconfig. Whatever it names, it reaches a cluster of that file and no other
// address, and an error does not tell what else is in the file.
func FuzzContext(f *testing.F) {
	for _, name := range []string{"one", "two", "", "three", "https://evil.example.com", "../one", "one\nserver: x", "\x00", "${TOKEN}"} {
		f.Add(name)
	}
	file := filepath.Join(f.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, context string) {
		cfg, err := Config(file, context)
		if err != nil {
			if strings.Contains(err.Error(), "canary-token") {
				t.Errorf("the error tells a secret: %v", err)
			}
			return
		}
		if want := map[string]string{"one": "https://one.example.com", "two": "https://two.example.com", "": "https://one.example.com"}[context]; cfg.Host != want {
			t.Errorf("context %q reaches %q, want %q", context, cfg.Host, want)
		}
	})
}

// FuzzKubeconfig: a damaged file is an error.
func FuzzKubeconfig(f *testing.F) {
	f.Add(kubeconfig)
	f.Add("contexts: [{name: one, context: {cluster: x}}]\nclusters: 3\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Config(file, "one")
		if err == nil && cfg.Host == "" {
			t.Error("there is no host and no error")
		}
	})
}
