package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/supervise"
	"github.com/fairway-dev/fairway/test/forge/gitealab"
	"github.com/fairway-dev/fairway/test/labtest"
)

const (
	cluster    = "local"
	repository = gitealab.Admin + "/platform"
)

// place is a company with a forge and a cluster, with proxies before both.
type place struct {
	dir    string
	forge  *gitealab.Server
	set    *labtest.Set
	audit  *oracle.Audit
	rules  *proxy.Rules
	closes []func()
	daemon *supervise.Daemon
	dev    string // the token of who proposes
	clone  string

	opened atomic.Int64
	mu     sync.Mutex
	wrong  []string
	pulls  map[int]bool // whether somebody saw that it was told of
}

// bad notes what is wrong. All else goes on.
func (p *place) bad(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
	fmt.Println("wrong:", p.wrong[len(p.wrong)-1])
}

// found starts everything and waits until the company is as it should be.
func found(ctx context.Context, o options) (*place, error) {
	p := &place{rules: proxy.NewRules(o.seed), pulls: map[int]bool{}}
	err := p.start(ctx, o)
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *place) start(ctx context.Context, o options) error {
	var err error
	if p.dir, err = os.MkdirTemp("", "fairway-cycles-"); err != nil {
		return err
	}
	p.closes = append(p.closes, func() { os.RemoveAll(p.dir) })
	if p.forge, err = gitealab.Run(filepath.Join(p.dir, "gitea")); err != nil {
		return err
	}
	p.closes = append(p.closes, p.forge.Stop)
	if p.set, err = labtest.RunSet(cluster); err != nil {
		return err
	}
	p.closes = append(p.closes, p.set.Stop)
	plane := p.set.Planes[cluster]
	if err := plane.Inventory(ctx, oracle.Records); err != nil {
		return err
	}
	p.audit = &oracle.Audit{Cluster: cluster, Path: plane.AuditLog, User: "fairway", Mark: func([]byte, oracle.Request) string { return "" }}
	if err := p.fill(ctx, o); err != nil {
		return err
	}
	kubeconfig, err := p.beforeCluster()
	if err != nil {
		return err
	}
	if err := p.serve(kubeconfig); err != nil {
		return err
	}
	return eventually(ctx, 3*time.Minute, func() string { return p.standing(o.parallel) })
}

// fill writes the company and pushes it.
func (p *place) fill(ctx context.Context, o options) error {
	p.clone = filepath.Join(p.dir, "company")
	for _, part := range []string{"cue.mod", "schema", "platform"} {
		if err := os.CopyFS(filepath.Join(p.clone, part), os.DirFS(filepath.Join(labtest.Top(), part))); err != nil {
			return err
		}
	}
	if err := errors.Join(labtest.Bare(p.clone), only(filepath.Join(p.clone, "platform", "clusters"), cluster)); err != nil {
		return err
	}
	for name, text := range company(max(o.parallel, 1), o.atOnce) {
		name = filepath.Join(p.clone, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	var err error
	if p.dev, err = p.forge.User("dev"); err != nil {
		return err
	}
	if err := p.forge.Repository(p.forge.Token, "platform"); err != nil {
		return err
	}
	if err := p.forge.API(p.forge.Token, http.MethodPut, "/repos/"+repository+"/collaborators/dev", map[string]any{"permission": "write"}, nil); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "-b", "main"}, {"add", "--all"}, {"commit", "--quiet", "-m", "found the company"},
		{"remote", "add", "origin", p.forge.Remote("dev", p.dev, repository)},
		{"push", "--quiet", p.forge.Remote(gitealab.Admin, p.forge.Token, repository), "main"},
	} {
		if _, err := git(ctx, p.clone, args...); err != nil {
			return err
		}
	}
	return p.forge.Filled(p.forge.Token, repository)
}

// only removes all folders but one.
func only(dir, keep string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != keep {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// beforeCluster puts a proxy before the API server and gives the kubeconfig that leads to it.
func (p *place) beforeCluster() (string, error) {
	cfg, err := p.set.Config(cluster)
	if err != nil {
		return "", err
	}
	conf, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return "", err
	}
	target, err := url.Parse(cfg.Host)
	if err != nil {
		return "", err
	}
	cert, authority, err := proxy.Authority()
	if err != nil {
		return "", err
	}
	transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 50}
	address, err := p.before(proxy.Options{Name: cluster, Target: target, Transport: transport, Certificate: cert})
	if err != nil {
		return "", err
	}
	config, err := clientcmd.LoadFromFile(p.set.Kubeconfig)
	if err != nil {
		return "", err
	}
	at := config.Clusters[cluster]
	at.Server, at.CertificateAuthority, at.CertificateAuthorityData = "https://"+address, "", authority
	file := filepath.Join(p.dir, "kubeconfig")
	return file, clientcmd.WriteToFile(*config, file)
}

// before puts a proxy before a server and gives its address.
func (p *place) before(o proxy.Options) (string, error) {
	o.Rules, o.Kill = p.rules, func() {}
	front, err := proxy.Start(o)
	if err != nil {
		return "", err
	}
	p.closes = append(p.closes, front.Close)
	return front.Address(), nil
}

// serve starts the daemon.
func (p *place) serve(kubeconfig string) error {
	target, err := url.Parse(p.forge.URL)
	if err != nil {
		return err
	}
	address, err := p.before(proxy.Options{Name: "forge", Git: true, Target: target, Transport: &http.Transport{MaxIdleConnsPerHost: 50}})
	if err != nil {
		return err
	}
	token := filepath.Join(p.dir, "token")
	if err := os.WriteFile(token, []byte(p.forge.Token), 0o600); err != nil {
		return err
	}
	binary := os.Getenv("FAIRWAY_BIN")
	if binary == "" {
		binary = filepath.Join(p.dir, "reconciler")
		cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/reconciler")
		cmd.Dir = labtest.Top()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build reconciler: %w: %s", err, out)
		}
	}
	p.daemon = supervise.New(supervise.Options{
		Binary: binary, Repo: "http://" + address + "/" + repository + ".git", Kubeconfig: kubeconfig, Data: filepath.Join(p.dir, "data"), Poll: 2 * time.Second,
		Flags: []string{
			"--git-username", gitealab.Admin, "--git-password-file", token,
			"--forge", "gitea", "--forge-url", "http://" + address, "--forge-repository", repository, "--forge-token-file", token, "--forge-poll", "1s",
		},
	})
	p.closes = append(p.closes, p.daemon.Stop)
	return p.daemon.Start()
}

func (p *place) close() {
	for i := len(p.closes) - 1; i >= 0; i-- {
		p.closes[i]()
	}
}

// git runs git in a folder, as nobody in particular.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "user.name=Dev", "-c", "user.email=dev@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// faults are what happens to requests while cycles run.
func faults() []proxy.Rule {
	rule := func(id, server string, chance float64, do proxy.Action, verbs ...string) proxy.Rule {
		return proxy.Rule{ID: id, Match: proxy.Match{Servers: []string{server}, Verbs: verbs, Chance: chance}, Do: do}
	}
	return []proxy.Rule{
		rule("forge 502", "forge", 0.02, proxy.Action{Kind: proxy.Answer, Status: 502}),
		rule("forge did it and says 500", "forge", 0.02, proxy.Action{Kind: proxy.AnswerAfter, Status: 500}),
		rule("forge answer lost", "forge", 0.02, proxy.Action{Kind: proxy.DropAfter}),
		rule("forge HTML", "forge", 0.01, proxy.Action{Kind: proxy.HTML}),
		rule("forge answer cut", "forge", 0.01, proxy.Action{Kind: proxy.Truncate}),
		rule("cluster 500", cluster, 0.01, proxy.Action{Kind: proxy.Answer, Status: 500}, "write", "get"),
		rule("cluster did it and says 503", cluster, 0.01, proxy.Action{Kind: proxy.AnswerAfter, Status: 503}, "write"),
		rule("cluster answer lost", cluster, 0.02, proxy.Action{Kind: proxy.Reset}, "write", "get"),
		rule("cluster lists nothing", cluster, 0.02, proxy.Action{Kind: proxy.EmptyList}, "list"),
	}
}
