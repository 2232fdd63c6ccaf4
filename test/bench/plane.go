package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// plane is a real control plane with a record of its requests. It has no
// nodes: pods stay pending, so that the machine is left to what is measured.
type plane struct {
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
	audit *audit
}

func (b *bench) startPlane(ctx context.Context, more ...string) (*plane, error) {
	lab, err := labtest.Binary()
	if err != nil {
		return nil, err
	}
	dir, err := b.fresh("plane")
	if err != nil {
		return nil, err
	}
	p := &plane{dir: dir, audit: &audit{file: filepath.Join(dir, "audit.log")}}
	args := append([]string{"plane", "--name", clusterName, "--dir", dir, "--nodes", "0", "--audit", "--until-stdin-closes"}, more...)
	p.cmd = exec.CommandContext(ctx, lab, args...)
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if line, _ := bufio.NewReader(out).ReadBytes('\n'); !json.Valid(line) {
		p.stop()
		return nil, fmt.Errorf("the control plane did not come up: %q", line)
	}
	go io.Copy(io.Discard, out) // ends with the plane
	admin := labtest.Plane{AdminKubeconfig: filepath.Join(dir, "admin.kubeconfig")}
	if err := admin.Restrict(ctx); err != nil { // as an operator would
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *plane) stop() {
	p.stdin.Close()
	_ = p.cmd.Wait() // how it ended does not matter
}

func (p *plane) kubeconfig() string { return filepath.Join(p.dir, "fairway.kubeconfig") }

// event is one request as the API server recorded it.
type event struct {
	Verb      string `json:"verb"`
	UserAgent string `json:"userAgent"`
	ObjectRef struct {
		Resource  string `json:"resource"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"objectRef"`
	Stage          string    `json:"stage"`
	RequestURI     string    `json:"requestURI"`
	Received       time.Time `json:"requestReceivedTimestamp"`
	Done           time.Time `json:"stageTimestamp"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Impersonated struct {
		Username string `json:"username"`
	} `json:"impersonatedUser"`
	Body json.RawMessage `json:"requestObject"` // where the plane takes bodies down
}

func (e event) took() time.Duration { return e.Done.Sub(e.Received) }

func (e event) writes() bool { return e.Verb != "get" && e.Verb != "list" && e.Verb != "watch" }

// audit reads the API server's record, from where it was read last.
type audit struct {
	file   string
	offset int64
	rest   []byte
}

// next gives the requests of the daemon since the last call, without watches and
// without the record of the revision: that is no part of a change, but written at
// most once in ten seconds for however many.
func (a *audit) next() ([]event, error) { return a.of("fairway/") }

// of gives the requests of one client since the last call, without watches.
func (a *audit) of(agent string) ([]event, error) {
	f, err := os.Open(a.file)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(a.offset, io.SeekStart); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	a.offset += int64(len(raw))
	raw = append(a.rest, raw...)
	var out []event
	for {
		line, rest, whole := bytes.Cut(raw, []byte("\n"))
		if !whole {
			a.rest = bytes.Clone(raw)
			return out, nil
		}
		raw = rest
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if e.ObjectRef.Name == kube.RatchetName {
			continue
		}
		if e.Stage == "ResponseComplete" && e.Verb != "watch" && strings.HasPrefix(e.UserAgent, agent) {
			out = append(out, e)
		}
	}
}

// client sends PATCHes and does nothing else.
type client struct {
	transport *http.Transport
	cfg       *rest.Config
}

func newClient(kubeconfig string) (*client, error) {
	cfg, err := kube.Config(kubeconfig, "")
	if err != nil {
		return nil, err
	}
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, err
	}
	return &client{cfg: cfg, transport: &http.Transport{
		TLSClientConfig: tlsConfig, MaxIdleConnsPerHost: 32, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}, nil
}

// pathOf is where an object lives.
func pathOf(o object.Object) string {
	plural := strings.ToLower(o.ID.Kind) + "s"
	switch o.ID.Kind {
	case "NetworkPolicy":
		plural = "networkpolicies"
	case "Ingress":
		plural = "ingresses"
	}
	root := "/api/" + o.Version()
	if o.ID.Group != "" {
		root = "/apis/" + o.ID.Group + "/" + o.Version()
	}
	if o.ID.Namespace != "" {
		root += "/namespaces/" + o.ID.Namespace
	}
	return root + "/" + plural + "/" + o.ID.Name
}

// apply sends one server-side apply and throws the answer away. What services
// hold is written as the daemon writes it, in the name of their namespace's
// account; its rights may have been given a moment ago only.
func (c *client) apply(ctx context.Context, o owned) error {
	as := ""
	if key, err := catalog.ParseUnitKey(o.unit); err == nil {
		if _, isTeam := key.Team(); !isTeam {
			if as, err = tenancy.Account(o.ID.Namespace); err != nil {
				return err
			}
		}
	}
	var err error
	for range 50 {
		err = c.patchAs(ctx, as, pathOf(o.Object)+"?fieldManager=raw:"+o.unit, "application/apply-patch+yaml", o.Body)
		if !errors.Is(err, errForbidden) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

var errForbidden = errors.New("forbidden")

func (c *client) patch(ctx context.Context, path, kind string, body []byte) error {
	return c.patchAs(ctx, "", path, kind, body)
}

func (c *client) patchAs(ctx context.Context, as, path, kind string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, c.cfg.Host+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "raw")
	if as != "" {
		req.Header.Set("Impersonate-User", as)
	}
	req.Header.Set("Authorization", "Bearer "+c.cfg.BearerToken)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusForbidden {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("patch %s as %q: %w: %s", path, as, errForbidden, text)
	}
	if resp.StatusCode > 201 {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("patch %s: %s: %s", path, resp.Status, text)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// applyAll sends many with so many connections.
func (c *client) applyAll(ctx context.Context, objects []owned, connections int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, connections)
	for worker := range connections {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(objects)); i = next.Add(1) - 1 {
				o := objects[i]
				if errs[worker] = c.apply(ctx, o); errs[worker] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// owned is an object and the unit it is of.
type owned struct {
	object.Object
	unit string
}
