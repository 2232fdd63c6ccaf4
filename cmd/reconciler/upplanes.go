package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// running are control planes that were started.
type running struct {
	mu     sync.Mutex
	planes []*plane
}

// plane is one control plane: a process of the lab that ends with us, however
// we end.
type plane struct {
	name  string
	cmd   *exec.Cmd
	stdin io.Closer
	ready report
	ended chan error
}

// report is the one line a plane prints when it can be used.
type report struct {
	Server     string `json:"server"`
	Kubeconfig string `json:"kubeconfig"`
	StartedIn  string `json:"startedIn"`
}

// startPlanes starts all control planes side by side and writes one kubeconfig
// for them. What it returns is to be stopped even if it fails.
func (u *up) startPlanes(ctx context.Context) (*running, error) {
	u.phase("clusters", "starting "+strings.Join(planes(), ", "))
	r := &running{}
	errs := make([]error, len(planes()))
	var wg sync.WaitGroup
	for i, name := range planes() {
		wg.Go(func() {
			p, err := u.startPlane(ctx, name)
			if err == nil {
				err = u.restrict(ctx, p)
			}
			if p != nil {
				r.mu.Lock()
				r.planes = append(r.planes, p)
				r.mu.Unlock()
			}
			errs[i] = err
			if err == nil {
				u.phase("cluster", fmt.Sprintf("%s at %s", name, p.ready.Server))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	return r, u.mergeKubeconfig(r)
}

func (u *up) startPlane(ctx context.Context, name string) (*plane, error) {
	dir := filepath.Join(u.state, "planes", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start cluster %s: %w", name, err)
	}
	args := []string{"plane", "--name", name, "--dir", dir, "--until-stdin-closes"}
	if addons := filepath.Join(u.top, "lab", "addons"); isDir(addons) {
		args = append(args, "--addons", addons)
	}
	cmd := exec.Command(u.lab, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start cluster %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start cluster %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start cluster %s: %w", name, err)
	}
	p := &plane{name: name, cmd: cmd, stdin: stdin, ended: make(chan error, 1)}
	line := make(chan []byte, 1)
	go func() {
		text, _ := bufio.NewReader(stdout).ReadBytes('\n') // an early end shows as an empty line
		line <- text
	}()
	select {
	case text := <-line:
		if json.Unmarshal(text, &p.ready) != nil {
			p.stop()
			return nil, fmt.Errorf("start cluster %s: %s", name, strings.TrimSpace(said.String()))
		}
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
	return p, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// restrict gives the daemon the rights that reconciler rbac prints and no more.
// The lab lets its user fairway do everything; that binding is left with nobody
// in it, which a restart of the plane does not undo.
func (u *up) restrict(ctx context.Context, p *plane) error {
	cfg, err := kube.Config(filepath.Join(filepath.Dir(p.ready.Kubeconfig), "admin.kubeconfig"), "")
	if err != nil {
		return fmt.Errorf("give the daemon its rights on cluster %s: %w", p.name, err)
	}
	installation := tenancy.Installation{User: "fairway", Namespace: string(u.settings.system)}
	if c, err := u.declaredCluster(ctx, p.name); err == nil { // one that is not declared offers nothing
		installation.Offered, installation.Policies = c.Kinds, c.Policies
	}
	rights, err := installation.Manifests()
	if err != nil {
		return err
	}
	nobody, err := object.Parse([]byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"fairway-lab:fairway"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[]}`))
	if err != nil {
		return err
	}
	if err := kube.Install(ctx, cfg, append(rights, nobody)); err != nil {
		return fmt.Errorf("give the daemon its rights on cluster %s: %w", p.name, err)
	}
	return nil
}

// stop asks the planes to end, and makes them.
func (r *running) stop() {
	var wg sync.WaitGroup
	for _, p := range r.planes {
		wg.Go(p.stop)
	}
	wg.Wait()
}

func (p *plane) stop() {
	p.stdin.Close()
	timer := time.AfterFunc(8*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // how it ended does not matter any more
}

// mergeKubeconfig writes the planes' contexts into one file.
func (u *up) mergeKubeconfig(r *running) error {
	merged := clientcmdapi.NewConfig()
	for _, p := range r.planes {
		cfg, err := clientcmd.LoadFromFile(p.ready.Kubeconfig)
		if err != nil {
			return fmt.Errorf("read kubeconfig of cluster %s: %w", p.name, err)
		}
		context := cfg.Contexts[cfg.CurrentContext]
		if context == nil {
			return fmt.Errorf("read kubeconfig of cluster %s: it has no current context", p.name)
		}
		merged.Clusters[p.name] = cfg.Clusters[context.Cluster]
		merged.AuthInfos[p.name] = cfg.AuthInfos[context.AuthInfo]
		merged.Contexts[p.name] = &clientcmdapi.Context{Cluster: p.name, AuthInfo: p.name}
	}
	merged.CurrentContext = planes()[0]
	u.settings.kubeconfig = filepath.Join(u.state, "kubeconfig")
	if err := clientcmd.WriteToFile(*merged, u.settings.kubeconfig); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// checkContexts says early which contexts are missing from a kubeconfig.
func (u *up) checkContexts() error {
	cfg, err := clientcmd.LoadFromFile(u.settings.kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	var errs []error
	for _, name := range planes() {
		want := name
		if other, ok := u.settings.contexts[name]; ok {
			want = other
		}
		if cfg.Contexts[want] == nil {
			errs = append(errs, fmt.Errorf("%s has no context %q; say which one cluster %s is with --context %s=CONTEXT", u.settings.kubeconfig, want, name, name))
		}
	}
	return errors.Join(errs...)
}

// lock keeps a second run from the same folder.
func (u *up) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(u.state, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", u.state, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another reconciler up runs from %s; end it first, or choose another --state-dir", u.state)
	}
	return f, nil
}
