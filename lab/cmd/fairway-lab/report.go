package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// A report is the readiness line: the one line a plane prints on standard
// output, which tells its parent that the plane can be used and how.
type report struct {
	Name            string         `json:"name"`
	Server          string         `json:"server"`
	Kubeconfig      string         `json:"kubeconfig"`
	AdminKubeconfig string         `json:"adminKubeconfig"`
	AuditLog        string         `json:"auditLog,omitempty"`
	Pids            map[string]int `json:"pids"`
	StartedIn       string         `json:"startedIn"`
}

func (p *plane) report(w io.Writer, took time.Duration) error {
	r := report{
		Name:            p.name,
		Server:          p.server(),
		Kubeconfig:      p.dir.path("fairway.kubeconfig"),
		AdminKubeconfig: p.dir.path("admin.kubeconfig"),
		Pids:            map[string]int{"supervisor": os.Getpid()},
		StartedIn:       fmt.Sprintf("%.1fs", took.Seconds()),
	}
	if p.audit.on {
		r.AuditLog = p.dir.path(auditLogFile)
	}
	for _, c := range p.children {
		r.Pids[c.name] = c.pid()
	}
	return json.NewEncoder(w).Encode(r)
}
