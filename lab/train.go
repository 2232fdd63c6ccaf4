//go:build train

// This file is never compiled. Kubernetes' go.mod names versions of these
// modules that exist only through its own replace lines; importing them keeps
// "go mod tidy" from dropping the real versions, without which "go list -m
// all" fails.
package lab

import (
	_ "k8s.io/cli-runtime"
	_ "k8s.io/code-generator"
	_ "k8s.io/cri-streaming"
	_ "k8s.io/sample-apiserver/pkg/apis/wardle"
)
