package labtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Bare takes out of the clusters declared below a folder what a cluster has once,
// for everybody, how large it is, and what there is for its network, and the guardrails of the example
// company, which are for its own services. Companies of tests share planes, where there
// can be one of each class only, and count the objects of a plain cluster.
func Bare(dir string) error {
	for _, part := range []string{"policies", "exceptions", "approvals"} {
		if err := os.RemoveAll(filepath.Join(dir, "platform", part)); err != nil {
			return fmt.Errorf("make a company without guardrails: %w", err)
		}
	}
	blocks := regexp.MustCompile(`(?ms)^\t(baseline|nodes|capacity): \{$.*?^\t\}\n`)
	network := regexp.MustCompile(`(?m)^\t\t(gateway|nginx|certificates|dns|mesh|hostPolicies|prometheus|dashboards): .*\n`)
	files, err := filepath.Glob(filepath.Join(dir, "platform", "clusters", "*", "cluster.cue"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, network.ReplaceAll(blocks.ReplaceAll(text, nil), nil), 0o644)
		}
		if err != nil {
			return fmt.Errorf("make cluster bare: %w", err)
		}
	}
	return nil
}
