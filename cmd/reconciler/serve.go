package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/api"
	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/cluster/lease"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/metrics"
	"github.com/fairway-dev/fairway/pkg/preview"
	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/secret"
	"github.com/fairway-dev/fairway/pkg/signature"
	"github.com/fairway-dev/fairway/pkg/webhook"
)

// settings are what a daemon is started with.
type settings struct {
	reach
	repo, branch   string
	username       string
	passwordFile   string
	contexts       map[string]string
	dataDir        string
	listen         string
	hookSecretFile string
	signersFile    string
	tokenFile      string
	ageKeyFile     string
	poll           time.Duration
	parallel       int
	lease          bool
	logFormat      string
	forge          forgeSettings

	// installation is what the data folder belongs to, where that is not the repository's URL.
	installation string
	// now is the clock; nil for the machine's.
	now func() time.Time
}

func (s *settings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.repo, "repo", "", "URL of the platform repository (https, ssh)")
	f.StringVar(&s.branch, "branch", "main", "branch to follow")
	f.StringVar(&s.username, "git-username", "", "user name at the Git server")
	f.StringVar(&s.passwordFile, "git-password-file", "", "file with the password or token for the Git server")
	f.StringVar(&s.dataDir, "data-dir", "", "folder for the Git store, the journal and caches; losing it changes nothing in any cluster")
	f.StringVar(&s.hookSecretFile, "hook-secret-file", "", "file with the secrets that authenticate webhooks, POST /hooks/..., one a line, any of which counts; without it there are no hooks")
	f.StringVar(&s.tokenFile, "token-file", "", "file with the bearer token of the API; needed unless it listens on loopback")
	f.BoolVar(&s.lease, "lease", false, "hold a Lease in each cluster, so that several replicas can run and one acts; it is renewed every few seconds")
	f.StringVar(&s.signersFile, "signers", "", "file with the signing policy, a #Signing in YAML or JSON, instead of what Git declares in platform/signing")
	f.DurationVar(&s.poll, "poll", 30*time.Second, "how often Git is asked; a hook asks at once")
	s.forge.flags(cmd)
	s.shared(cmd)
}

// shared are the flags that serve and up have in common.
func (s *settings) shared(cmd *cobra.Command) {
	f := cmd.Flags()
	s.reach.flags(cmd)
	f.StringToStringVar(&s.contexts, "context", nil, "context to use for a cluster, as CLUSTER=CONTEXT, where it is not the declared one")
	f.StringVar(&s.listen, "listen", "127.0.0.1:7420", "address of the API")
	f.StringVar(&s.ageKeyFile, "age-key-file", "", "file with the age keys that open the encrypted files beside services; it is read anew each time")
	f.IntVar(&s.parallel, "parallel", 8, "writes to one cluster that run at a time")
	f.StringVar(&s.logFormat, "log-format", "text", "how the log is written: text or json")
}

func newServe(a *app) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: keep clusters equal to a branch",
		Long: `serve follows a branch of the platform repository and keeps the clusters equal to
it. It asks Git every --poll, and at once on an authenticated webhook of a forge,
POST /hooks/git.`,
		Example: `  reconciler serve --repo https://git.example.com/platform.git --data-dir /var/lib/reconciler
  reconciler serve --repo ssh://git@git.example.com/platform.git --hook-secret-file /run/secrets/hook`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.repo == "" || s.dataDir == "" {
				return errors.New("--repo and --data-dir are needed")
			}
			return a.serve(cmd.Context(), s)
		},
	}
	s.flags(cmd)
	return cmd
}

func (a *app) serve(ctx context.Context, s settings) error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	d, err := a.newDaemon(s, a.logger(a.err, s.logFormat))
	if err != nil {
		listener.Close()
		return err
	}
	defer d.close()
	return d.run(ctx, listener)
}

func (a *app) logger(w io.Writer, form string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if a.verbose {
		opts.Level = slog.LevelDebug
	}
	if form == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// daemon is a reconciler with its API, put together.
type daemon struct {
	*reconcile.Daemon
	api     *api.Server
	journal *journal.Journal
	pool    *eval.Pool
	pulls   *pulls.Follower // nil without a forge
	closers []func()
}

// Ready says what the daemon needs and whether it has it.
func (d *daemon) Ready() (bool, []api.Check) {
	source := d.Source()
	checks := []api.Check{{Name: "git", OK: source.Revision != "", Message: source.Message}}
	for _, c := range d.Clusters() {
		checks = append(checks, api.Check{Name: "cluster " + c.Name, OK: true, Message: c.Message})
	}
	for _, w := range d.pool.Missing() {
		checks = append(checks, api.Check{Name: "evaluation wall", Message: w.String()})
	}
	return source.Revision != "", checks
}

// newDaemon wires a daemon from its settings.
func (a *app) newDaemon(s settings, log *slog.Logger) (*daemon, error) {
	if err := errors.Join(os.MkdirAll(s.dataDir, 0o700), os.Chmod(s.dataDir, 0o700)); err != nil { // what is rendered is in there
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	known, err := s.readSecrets()
	if err != nil {
		return nil, err
	}
	owner := cmp.Or(s.installation, withoutUser(s.repo)) + " " + s.branch
	seal := sealOf(owner, known.password, known.hook, known.token)
	claimFolder(s.dataDir, owner, log)
	signers, err := readSigners(s.signersFile)
	if err != nil {
		return nil, err
	}
	repo, err := openCopy(filepath.Join(s.dataDir, "git"), log)
	if err != nil {
		return nil, err
	}
	j := journal.Open(journal.Options{
		Path:    filepath.Join(s.dataDir, "journal.db"),
		OnError: func(err error) { log.Error("journal", "err", err) },
	})
	evaluator := newEvaluator(filepath.Join(s.dataDir, "results"), seal, a)
	registry := prometheus.NewRegistry()
	counts := metrics.New(registry)
	ledger := audit.New(j, nil)
	evaluator.Pool.Weak = func(missing []sandbox.Wall) {
		for _, w := range missing {
			log.Error("this system does not have a wall around evaluation", "wall", w.Name, "err", w.Why)
		}
	}
	d := &daemon{journal: j, pool: evaluator.Pool}
	lead, err := s.leader(ledger)
	if err != nil {
		return nil, err
	}
	previews := s.forge.previews(owner, evaluator.Cache)
	remote := git.Remote{URL: s.repo, Branch: s.branch, Credentials: git.Credentials{Username: s.username, Password: known.password}}
	patience := &kube.Patience{} // it outlives connections
	options := reconcile.Options{
		Store: repo.store, Renew: repo.renew, Evaluator: evaluator, Journal: j, Ledger: ledger, Metrics: counts, Log: log,
		Remote: remote, DataDir: s.dataDir, Poll: s.poll, Parallel: s.parallel, Lead: lead, Signers: signers,
		Secrets: secret.Keyring{Path: s.ageKeyFile}, Now: s.now,
		Connect: func(ctx context.Context, name, connection string, guard func() error) (reconcile.Live, error) {
			return s.connect(ctx, name, connection, kube.Options{Log: log, Guard: guard, Ledger: ledger, Seal: seal, Patience: patience})
		},
	}
	if previews != nil {
		options.Previews = previews
	}
	d.Daemon = reconcile.New(options)
	if err := d.follow(s, options, previews); err != nil {
		return nil, err
	}
	serving := api.Options{
		Daemon: d, Journal: j, Gatherer: registry, HookSecrets: known.hooks, HookRequests: counts.HookRequests, Token: known.token, Logger: log, Now: s.now,
	}
	if d.pulls != nil {
		serving.Pulls, serving.Previews, serving.OnHint = d.pulls, d.pulls, func(h webhook.Hint) { d.pulls.Hinted(h.PullRequest) }
	}
	d.api = api.New(serving)
	d.closers = []func(){
		func() { evaluator.Pool.Close() },
		func() { _ = evaluator.Cache.Close() },
		func() { _ = j.Close() },
		func() { _ = repo.store.Close() },
	}
	return d, nil
}

// follow has the daemon look after pull requests, where there is a forge.
func (d *daemon) follow(s settings, o reconcile.Options, previews *preview.Set) (err error) {
	if previews != nil {
		previews.Changed = d.Wake
	}
	now := s.now
	if now == nil {
		now = time.Now
	}
	d.pulls, err = s.forge.follower(pulls.Options{
		Base: d.Daemon, Reviewer: reviewer(d.Fleet(), o.Evaluator, now), Remote: o.Remote, Journal: o.Journal, Log: o.Log,
		Previews: previews, Place: d.Daemon, Metrics: o.Metrics, Now: now,
	})
	if d.pulls != nil {
		d.Heed(d.pulls)
	}
	return err
}

// secrets are what the daemon is given in files.
type secrets struct {
	hook, token, password string
	hooks                 []webhook.Secret // what is in hook
}

func (s settings) readSecrets() (known secrets, err error) {
	var errs [3]error
	known.hook, errs[0] = readSecret(s.hookSecretFile)
	known.token, errs[1] = readSecret(s.tokenFile)
	known.password, errs[2] = readSecret(s.passwordFile)
	if known.hooks, err = webhook.Secrets(known.hook); err != nil {
		err = fmt.Errorf("read secret %s: %w", s.hookSecretFile, err)
	}
	return known, errors.Join(append(errs[:], err)...)
}

// readSigners reads a signing policy; nil for no file.
func readSigners(file string) (*signature.Policy, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err == nil {
		raw, err = yaml.YAMLToJSONStrict(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("read signers: %w", err)
	}
	policy, err := signature.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read signers %s: %w", file, err)
	}
	policy.Required = true // why else would it be given
	return policy, nil
}

// readSecret reads a file without the newline that editors add; "" for no file.
func readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	for len(raw) > 0 && (raw[len(raw)-1] == '\n' || raw[len(raw)-1] == '\r') {
		raw = raw[:len(raw)-1]
	}
	if len(raw) == 0 {
		return "", fmt.Errorf("read secret: %s is empty", file)
	}
	return string(raw), nil
}

func (s settings) connect(ctx context.Context, name, connection string, opts kube.Options) (reconcile.Live, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return s.dial(ctx, name, s.contextOf(name, connection), opts)
}

// leader gives what waits for a cluster's Lease; nil where none is wanted.
func (s settings) leader(ledger *audit.Ledger) (func(context.Context, string, string, func(string)) (context.Context, func(), error), error) {
	if !s.lease {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find a name to hold leases by: %w", err)
	}
	identity := host + "-" + rand.Text()[:6]
	return func(ctx context.Context, name, connection string, standingBy func(string)) (context.Context, func(), error) {
		cfg, err := kube.Config(s.kubeconfig, s.contextOf(name, connection))
		if err != nil {
			return nil, nil, fmt.Errorf("cluster %s: %w", name, err)
		}
		kube.Explain(cfg, cluster.Deed{
			Cluster: name, Object: "/apis/coordination.k8s.io/v1/namespaces/" + string(s.system) + "/leases", Action: "put",
			Reason: "takes and keeps the Lease by which one daemon of several acts, as " + identity,
		}, ledger)
		return lease.Hold(ctx, cfg, lease.Options{Identity: identity, Namespace: string(s.system), StandingBy: standingBy})
	}, nil
}

// contextOf is the context to use for a cluster.
func (s settings) contextOf(name, declared string) string {
	if other, ok := s.contexts[name]; ok {
		return other
	}
	return declared
}

// run serves the API and reconciles until the context ends.
func (d *daemon) run(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- d.api.Serve(ctx, listener)
		cancel()
	}()
	var beside sync.WaitGroup
	if d.pulls != nil {
		beside.Go(func() { d.pulls.Run(ctx) })
	}
	d.Daemon.Run(ctx)
	beside.Wait()
	return <-served
}

func (d *daemon) close() {
	for _, c := range d.closers {
		c()
	}
}
