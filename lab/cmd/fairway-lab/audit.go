package main

import (
	"fmt"
	"slices"
)

// An audit says whether and how much the API server writes down.
type audit struct {
	on    bool
	level string
}

// auditPolicy logs every request once, when it is over. The components of the
// cluster never log bodies, whatever the level: their volume would drown the
// requests a reader looks for.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [system:apiserver, system:kube-controller-manager, system:kube-scheduler, fairway-lab]
- level: %s
`

func (a audit) validate() error {
	levels := []string{"Metadata", "Request", "RequestResponse"}
	if !slices.Contains(levels, a.level) {
		return fmt.Errorf("--audit-level %q: must be one of %v", a.level, levels)
	}
	return nil
}

// writePolicy writes the policy file the API server reads.
func (a audit) writePolicy(d dir) error {
	if !a.on {
		return nil
	}
	return d.write(auditPolicyFile, fmt.Appendf(nil, auditPolicy, a.level))
}

// args turns the log on, as JSON lines. It is written before the response
// is, so that a test that has its answer finds it in the log.
func (a audit) args(d dir) []string {
	return []string{
		"--audit-policy-file=" + d.path(auditPolicyFile),
		"--audit-log-path=" + d.path(auditLogFile),
		"--audit-log-format=json",
		"--audit-log-mode=blocking",
		"--audit-log-maxsize=1024",
		"--audit-log-maxbackup=1",
	}
}
