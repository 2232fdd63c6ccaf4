package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	gitstore "github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/githttp"
)

const hookSecret = "bench-secret"

// forge is a Git server with one repository.
type forge struct {
	bare, url string
	server    *http.Server
	store     *gitstore.Store
	tip       gitstore.Hash
}

func (b *bench) startForge(ctx context.Context, f *generated) (*forge, error) {
	root, err := b.fresh("forge")
	if err != nil {
		return nil, err
	}
	g := &forge{bare: filepath.Join(root, "platform.git")}
	if _, err := git(ctx, root, "clone", "--quiet", "--bare", f.dir, g.bare); err != nil {
		return nil, err
	}
	handler, err := githttp.Handler(root, githttp.Options{})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g.url = "http://" + listener.Addr().String() + "/platform.git"
	g.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = g.server.Serve(listener) }() // ends with close
	if g.store, err = gitstore.OpenStore(g.bare, gitstore.Options{}); err != nil {
		return nil, err
	}
	rev, err := g.store.Resolve("main")
	g.tip = rev.Commit
	return g, err
}

func (g *forge) close() {
	_ = g.server.Close()
	_ = g.store.Close()
}

// push makes a commit the branch's tip.
func (g *forge) push(ctx context.Context, name, text string) error {
	tip, err := g.store.Commit(ctx, gitstore.Edit{Base: g.tip, Files: map[string][]byte{name: []byte(text)}, Message: "change " + name, Author: "bench <bench@localhost>"})
	if err != nil {
		return err
	}
	g.tip = tip
	_, err = git(ctx, g.bare, "update-ref", "refs/heads/main", tip.String())
	return err
}

// daemon is a `reconciler serve` process.
type daemon struct {
	cmd     *exec.Cmd
	address string
	log     string
	started time.Time
}

func (b *bench) startDaemon(ctx context.Context, g *forge, kubeconfig, data string) (*daemon, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &daemon{address: listener.Addr().String(), log: filepath.Join(data, fmt.Sprintf("log-%d", time.Now().UnixNano()))}
	listener.Close()
	secret := filepath.Join(data, "hook-secret")
	if err := os.WriteFile(secret, []byte(hookSecret), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.CommandContext(ctx, b.binary, "serve", "--repo", g.url, "--data-dir", data, "--kubeconfig", kubeconfig,
		"--listen", d.address, "--hook-secret-file", secret, "--log-format", "json")
	d.cmd.Stderr = log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.started = time.Now()
	return d, d.cmd.Start()
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait() // how it ended does not matter
}

// wake posts the hook.
func (d *daemon) wake(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.address+"/hooks/git", bytes.NewReader(nil))
	if err != nil {
		return err
	}
	req.Header.Set("X-Gitlab-Token", hookSecret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("hook: %s", resp.Status)
	}
	return nil
}

// get fetches an address of the API.
func (d *daemon) get(ctx context.Context, path string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.address+path, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return body, resp.StatusCode, err
}

// metrics sums the daemon's metrics by name, labels left out, but for the
// state of units, which is counted by sync.
func (d *daemon) metrics(ctx context.Context) (map[string]float64, error) {
	body, _, err := d.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if at := strings.LastIndex(line, "} "); at >= 0 {
			name, value, ok = line[:at+1], strings.TrimSpace(line[at+2:]), true
		}
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		base, labels, _ := strings.Cut(name, "{")
		if base == "fairway_unit_info" {
			_, rest, _ := strings.Cut(labels, `sync="`)
			state, _, _ := strings.Cut(rest, `"`)
			base = "unit " + state
		}
		if base == "fairway_reconcile_duration_seconds_sum" {
			base += "{" + labels
		}
		out[base] += v
	}
	return out, nil
}

// synced waits until all units are.
func (d *daemon) synced(ctx context.Context, units int) error {
	for deadline := time.Now().Add(15 * time.Minute); time.Now().Before(deadline); {
		m, err := d.metrics(ctx)
		if err == nil && int(m["unit Synced"]) >= units {
			return nil
		}
		if d.cmd.Process.Signal(syscall.Signal(0)) != nil {
			return fmt.Errorf("the daemon has ended; see %s", d.log)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	return fmt.Errorf("%d units did not come to be synced; see %s", units, d.log)
}

// said is one line of the daemon's log.
type said struct {
	Time        time.Time     `json:"time"`
	Message     string        `json:"msg"`
	Evaluations int           `json:"evaluations"`
	Took        time.Duration `json:"took"`
	Writes      int           `json:"writes"`
}

// last gives the newest log line with a message.
func (d *daemon) last(message string) (said, bool) {
	f, err := os.Open(d.log)
	if err != nil {
		return said{}, false
	}
	defer f.Close()
	var found said
	ok := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var s said
		if json.Unmarshal(lines.Bytes(), &s) == nil && s.Message == message {
			found, ok = s, true
		}
	}
	return found, ok
}
