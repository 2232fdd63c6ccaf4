package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairway-dev/fairway/pkg/api"
	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/metrics"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/webhook"
)

// daemon is a reconciler in this process, put together as cmd/reconciler does.
type daemon struct {
	*reconcile.Daemon
	data   string
	ledger *audit.Ledger
	log    *logged
	stop   func()
}

// Ready is what the API asks for.
func (d *daemon) Ready() (bool, []api.Check) { return d.Source().Revision != "", nil }

// logged keeps the daemon's log for tests to read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines gives the log's lines of a message.
func (l *logged) lines(message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	scanner := bufio.NewScanner(bytes.NewReader(l.buf.Bytes()))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		var line map[string]any
		if json.Unmarshal(scanner.Bytes(), &line) == nil && line["msg"] == message {
			out = append(out, line)
		}
	}
	return out
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// run starts a daemon on a data folder of its own and waits until everything
// is synced and healthy.
func (w *world) run() {
	w.t.Helper()
	w.start(w.t.TempDir())
	w.settled(w.head())
}

// head is the commit of the working clone.
func (w *world) head() string { return gitIn(w.t, w.clone, "rev-parse", "HEAD") }

// start starts a daemon that a push wakes.
func (w *world) start(data string) *daemon {
	w.t.Helper()
	d := w.launch(data)
	w.daemon = d
	wake := d.Wake
	w.pushed.Store(&wake)
	return d
}

// second starts one more daemon that no push wakes. It is the one that is asked
// from now on.
func (w *world) second() *daemon {
	w.t.Helper()
	d := w.launch(w.t.TempDir())
	w.t.Cleanup(d.stop)
	return d
}

func (w *world) launch(data string) *daemon {
	w.t.Helper()
	store, err := git.OpenStore(filepath.Join(data, "git"), git.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	d := &daemon{data: data, log: &logged{}}
	log := slog.New(slog.NewJSONHandler(d.log, nil))
	j := journal.Open(journal.Options{Path: filepath.Join(data, "journal.db"), OnError: func(err error) { log.Error("journal", "err", err) }})
	results, err := cache.Open(filepath.Join(data, "results"))
	if err != nil {
		w.t.Fatal(err)
	}
	evaluator := &eval.Evaluator{Pool: eval.NewPool("", 2), Cache: results, Engine: "e2e"}
	registry := prometheus.NewRegistry()
	d.ledger = audit.New(j, nil)
	connect := func(ctx context.Context, name, connection string, guard func() error) (reconcile.Live, error) {
		return w.reach(ctx, name, connection, kube.Options{Guard: guard, Ledger: d.ledger})
	}
	d.Daemon = reconcile.New(reconcile.Options{
		Store: store, Remote: git.Remote{URL: w.url, Branch: "main"}, Evaluator: evaluator, Connect: connect,
		Journal: j, Ledger: d.ledger, Metrics: metrics.New(registry), Log: log, DataDir: data, Poll: time.Hour, Note: w.note, Now: w.clock,
	})
	if w.merges != nil {
		d.Heed(w.merges)
	}
	hooks, err := webhook.Secrets(w.secret)
	if err != nil {
		w.t.Fatal(err)
	}
	server := api.New(api.Options{Daemon: d, Journal: j, Gatherer: registry, HookSecrets: hooks, Logger: log})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	running.Go(func() { _ = server.Serve(ctx, listener) })
	var once sync.Once
	d.stop = func() {
		once.Do(func() {
			cancel()
			http.DefaultClient.CloseIdleConnections()
			running.Wait()
			evaluator.Pool.Close()
			_ = results.Close()
			_ = j.Close()
			_ = store.Close()
			if w.t.Failed() {
				w.t.Logf("the daemon's log:\n%s", lastLines(d.log.String(), 60))
			}
		})
	}
	w.base = "http://" + listener.Addr().String()
	return d
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// reach connects to a cluster by its context, through the world's proxy if it has one.
func (w *world) reach(ctx context.Context, name, connection string, opts kube.Options) (reconcile.Live, error) {
	cfg, err := kube.Config(w.lab.kubeconfig, connection)
	if err != nil {
		return nil, err
	}
	if p := w.proxies[name]; p != nil {
		cfg.Host = "https://" + p.address()
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	opts.Name, opts.Namespace = name, w.system
	return kube.Connect(ctx, cfg, opts)
}
