// Package world is a company on real control planes with fault proxies before
// everything its daemon talks to.
//
// All companies are written with the same names and have the same commits; the
// proxies give each of them names of its own on the shared clusters. So the
// objects of two companies can be compared byte for byte, and what was evaluated
// for one is evaluated for all.
package world

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// Mark is the word that all companies have in their names; the clusters see
// one of their own for each.
const Mark = "w00000"

// system is the namespace the daemon keeps its records in.
const system = "fairway-system"

// Clusters are the clusters of every company.
func Clusters() []string { return []string{"local", "prod-eu"} }

// Lab is what companies share: control planes, their audit logs, the binary.
type Lab struct {
	set       *labtest.Set
	binary    string
	authority []byte
	cert      *tls.Certificate
	audits    map[string]*oracle.Audit
	upstream  map[string]upstream
	dir       string
	ids       atomic.Int64

	mu        sync.Mutex
	templates map[string]*Template
}

// upstream is how proxies reach an API server.
type upstream struct {
	target    *url.URL
	transport http.RoundTripper
}

// Top is the folder of the repository.
func Top() string { return labtest.Top() }

// Open starts the control planes and builds the binary.
func Open() (*Lab, error) {
	set, err := labtest.RunSet(Clusters()...)
	if err != nil {
		return nil, err
	}
	l := &Lab{set: set, dir: set.Dir, audits: map[string]*oracle.Audit{}, upstream: map[string]upstream{}, templates: map[string]*Template{}}
	if err := errors.Join(l.build(), l.connect()); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Binary is the path of the daemon's binary.
func (l *Lab) Binary() string { return l.binary }

// Close ends it all.
func (l *Lab) Close() { l.set.Stop() }

// build builds the binary, unless FAIRWAY_BIN names one.
func (l *Lab) build() error {
	if l.binary = os.Getenv("FAIRWAY_BIN"); l.binary != "" {
		return nil
	}
	l.binary = filepath.Join(l.dir, "reconciler")
	cmd := exec.Command("go", "build", "-trimpath", "-o", l.binary, "./cmd/reconciler")
	cmd.Dir = Top()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build reconciler: %w: %s", err, out)
	}
	return nil
}

func (l *Lab) connect() error {
	var err error
	if l.cert, l.authority, err = proxy.Authority(); err != nil {
		return err
	}
	for _, name := range Clusters() {
		cfg, err := l.set.Config(name)
		if err != nil {
			return fmt.Errorf("reach %s: %w", name, err)
		}
		conf, err := rest.TLSConfigFor(cfg)
		if err != nil {
			return fmt.Errorf("reach %s: %w", name, err)
		}
		target, err := url.Parse(cfg.Host)
		if err != nil {
			return fmt.Errorf("reach %s: %w", name, err)
		}
		l.upstream[name] = upstream{target, &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 50}}
		l.audits[name] = &oracle.Audit{Cluster: name, Path: l.set.Planes[name].AuditLog, User: "fairway", Mark: markOf()}
	}
	return nil
}

// markOf finds whose a request is: its address says, or else its body, as for
// a namespace that is created.
func markOf() func(line []byte, r oracle.Request) string {
	mark := regexp.MustCompile(`w0[0-9]{4}`)
	return func(line []byte, r oracle.Request) string {
		if m := mark.FindString(r.URI); m != "" {
			return m
		}
		return mark.FindString(r.Object.Name + " " + string(r.Body))
	}
}

// foreign says which events of a watch are of other companies.
func foreign(own string) func(event []byte) bool {
	mark := regexp.MustCompile(`w0[0-9]{4}`)
	return func(event []byte) bool {
		return !bytes.Contains(event, []byte(own)) && mark.Match(event)
	}
}
