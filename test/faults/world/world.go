package world

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
	"github.com/fairway-dev/fairway/pkg/tenancy"
	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/supervise"
)

// Options make a company.
type Options struct {
	// Cold starts it without the results of earlier evaluations.
	Cold bool
	// Poll is how often the daemon asks Git by itself; an hour if zero.
	Poll time.Duration
	// Seed decides what is left to chance.
	Seed uint64
	// Flags are given to the daemon besides.
	Flags []string
}

// World is one company.
type World struct {
	*Template
	ID     string // what the clusters see for Mark
	Rules  *proxy.Rules
	Log    *proxy.Log
	Daemon *supervise.Daemon
	// Step is the last step that happened; -1 for none.
	Step int

	lab     *Lab
	dir     string
	proxies map[string]*proxy.Proxy
	server  *http.Server
	options Options
	stops   []func()
}

// New founds a company. No daemon runs and nothing is committed yet.
func (l *Lab) New(t *Template, o Options) (*World, error) {
	if o.Poll == 0 {
		o.Poll = time.Hour
	}
	w := &World{
		Template: t, ID: fmt.Sprintf("w%05d", l.ids.Add(1)), Rules: proxy.NewRules(o.Seed), Log: &proxy.Log{}, Step: -1,
		lab: l, proxies: map[string]*proxy.Proxy{}, options: o,
	}
	w.dir = filepath.Join(l.dir, w.ID)
	if err := w.found(); err != nil {
		w.Close()
		return nil, fmt.Errorf("found company %s: %w", w.ID, err)
	}
	return w, nil
}

func (w *World) found() error {
	if err := os.CopyFS(filepath.Join(w.dir, "git", "platform.git"), os.DirFS(w.bare)); err != nil {
		return err
	}
	if w.seed != "" && !w.options.Cold {
		if err := copyFile(w.seed, filepath.Join(w.dir, "data", "results")); err != nil {
			return err
		}
	}
	if err := w.serveGit(); err != nil {
		return err
	}
	if err := w.Install(context.Background()); err != nil {
		return err
	}
	kubeconfig, err := w.serveAPI()
	if err != nil {
		return err
	}
	w.Daemon = w.another("data", kubeconfig)
	if w.Around != nil {
		stop, err := w.Around(w)
		if err != nil {
			return err
		}
		w.stops = append(w.stops, stop)
	}
	return nil
}

// Install gives the daemon its namespace and its rights there, as an operator would.
func (w *World) Install(ctx context.Context) error {
	for _, name := range Clusters() {
		if err := w.lab.set.Planes[name].Inventory(ctx, w.System()); err != nil {
			return err
		}
	}
	return nil
}

// another is a daemon with a data folder of its own.
func (w *World) another(data, kubeconfig string) *supervise.Daemon {
	return supervise.New(supervise.Options{
		Binary: w.lab.binary, Repo: "http://" + w.proxies["git"].Address() + "/platform.git", Kubeconfig: kubeconfig,
		Data: filepath.Join(w.dir, data), Poll: w.options.Poll, Flags: w.options.Flags,
	})
}

// Another is a second daemon for the same company, as there is when a deployment
// is made twice.
func (w *World) Another() *supervise.Daemon {
	return w.another("data2", filepath.Join(w.dir, "kubeconfig"))
}

// serveGit serves the company's repository and puts a proxy before it.
func (w *World) serveGit() error {
	handler, err := githttp.Handler(filepath.Join(w.dir, "git"), githttp.Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.server = &http.Server{Handler: handler}
	go func() { _ = w.server.Serve(l) }() // it ends with Close
	p, err := proxy.Start(proxy.Options{
		Name: "git", Git: true, Target: &url.URL{Scheme: "http", Host: l.Addr().String()},
		Rules: w.Rules, Log: w.Log, Kill: w.Kill,
	})
	if err != nil {
		return err
	}
	w.proxies["git"] = p
	return nil
}

// serveAPI puts proxies before the API servers and writes the kubeconfig that
// leads to them.
func (w *World) serveAPI() (string, error) {
	config, err := clientcmd.LoadFromFile(w.lab.set.Kubeconfig)
	if err != nil {
		return "", err
	}
	for _, name := range Clusters() {
		up := w.lab.upstream[name]
		p, err := proxy.Start(proxy.Options{
			Name: name, Target: up.target, Transport: up.transport, Certificate: w.lab.cert,
			Aliases: []proxy.Alias{{Daemon: Mark, Server: w.ID}, {Daemon: system, Server: w.System()}}, Foreign: foreign(w.ID),
			Rules: w.Rules, Log: w.Log, Kill: w.Kill,
		})
		if err != nil {
			return "", err
		}
		w.proxies[name] = p
		cluster := config.Clusters[name]
		cluster.Server, cluster.CertificateAuthority, cluster.CertificateAuthorityData = "https://"+p.Address(), "", w.lab.authority
	}
	file := filepath.Join(w.dir, "kubeconfig")
	return file, clientcmd.WriteToFile(*config, file)
}

// System is the namespace that the clusters have for the daemon's records.
func (w *World) System() string { return system + "-" + w.ID }

// Proxy is the one before a cluster, or before "git".
func (w *World) Proxy(name string) *proxy.Proxy { return w.proxies[name] }

// Admin are the clients of whoever arranges things on the clusters.
func (w *World) Admin() map[string]dynamic.Interface { return w.lab.set.Admin }

// Fairway is a client with the daemon's identity, speaking for the account of a
// namespace as the daemon does, for playing a bad daemon.
func (w *World) Fairway(cluster, namespace string) (dynamic.Interface, error) {
	cfg, err := w.lab.set.Config(cluster)
	if err != nil {
		return nil, err
	}
	if cfg.Impersonate.UserName, err = tenancy.Account(w.Own(namespace)); err != nil {
		return nil, err
	}
	return dynamic.NewForConfig(cfg)
}

// Shared gives the words that all companies share for those of this one.
func (w *World) Shared(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, w.System(), system), w.ID, Mark)
}

// Own gives this company's words, as the clusters know them.
func (w *World) Own(text string) string { return strings.ReplaceAll(text, Mark, w.ID) }

// Kill kills the daemon and lets the servers finish what they were sent.
func (w *World) Kill() { w.Daemon.Kill() }

// Quiesce waits until the servers have finished what they were sent.
func (w *World) Quiesce() {
	for _, p := range w.proxies {
		p.Quiesce()
	}
}

// Head is the commit of the last step.
func (w *World) Head() string { return w.Commits[w.Step] }

// Advance lets the next step happen, and has the daemon look if it runs.
func (w *World) Advance() error {
	next := w.Steps[w.Step+1]
	if next.Act != nil {
		if err := next.Act(w); err != nil {
			return fmt.Errorf("step %q: %w", next.Name, err)
		}
	}
	w.Step++
	if err := w.Point(w.Head()); err != nil {
		return fmt.Errorf("step %q: %w", next.Name, err)
	}
	w.Daemon.Wake()
	return nil
}

// Point moves the branch to a commit.
func (w *World) Point(commit string) error { return w.Ref("refs/heads/main", commit) }

// Ref moves a ref of the repository, or makes it.
func (w *World) Ref(name, commit string) error {
	_, err := git(filepath.Join(w.dir, "git", "platform.git"), 0, "update-ref", name, commit)
	return err
}

// Unref takes a ref away.
func (w *World) Unref(name string) error {
	_, err := git(filepath.Join(w.dir, "git", "platform.git"), 0, "update-ref", "-d", name)
	return err
}

// Orphan makes a commit without parents and without files.
func (w *World) Orphan() (string, error) {
	dir := filepath.Join(w.dir, "git", "platform.git")
	tree, err := git(dir, 0, "hash-object", "-t", "tree", "-w", os.DevNull)
	if err != nil {
		return "", err
	}
	return git(dir, 0, "commit-tree", tree, "-m", "another history")
}

// Refs are all refs of the repository and what they point at.
func (w *World) Refs() (string, error) {
	return git(filepath.Join(w.dir, "git", "platform.git"), 0, "for-each-ref", "--format=%(refname) %(objectname)")
}

// Since gives the daemon's requests to the clusters after a moment.
func (w *World) Since(m Moment) ([]oracle.Request, error) {
	var out []oracle.Request
	for _, name := range Clusters() {
		list, err := w.lab.audits[name].Since(w.ID, m[name])
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// Moment is how many requests each audit log had of the company.
type Moment map[string]int

// Now is the present moment.
func (w *World) Now() (Moment, error) {
	m := Moment{}
	for _, name := range Clusters() {
		list, err := w.lab.audits[name].Since(w.ID, 0)
		if err != nil {
			return nil, err
		}
		m[name] = len(list)
	}
	return m, nil
}

// Live reads what is there of the company.
func (w *World) Live(ctx context.Context) ([]oracle.Live, error) {
	return oracle.Read(ctx, w.Admin(), w.ID)
}

// Close ends the company: its daemon, its servers, and what it has on the
// clusters, for which nobody waits.
func (w *World) Close() {
	for _, stop := range w.stops {
		stop()
	}
	if w.Daemon != nil {
		w.Daemon.Kill()
	}
	for _, p := range w.proxies {
		p.Close()
	}
	if w.server != nil {
		w.server.Close()
	}
	for _, name := range Clusters() {
		w.lab.audits[name].Forget(w.ID)
		spaces := w.Admin()[name].Resource(oracle.Kinds()[0].GroupVersionResource)
		list, err := spaces.List(context.Background(), metav1.ListOptions{})
		if err != nil {
			continue
		}
		for _, ns := range list.Items {
			if strings.Contains(ns.GetName(), w.ID) {
				_ = spaces.Delete(context.Background(), ns.GetName(), metav1.DeleteOptions{}) // it is on its way, or gone
			}
		}
	}
	os.RemoveAll(w.dir)
}

// Keep makes the results that this company's daemon has evaluated those that
// new companies of the workload start with.
func (w *World) Keep() error {
	w.lab.mu.Lock()
	defer w.lab.mu.Unlock()
	to := filepath.Join(filepath.Dir(w.bare), "seed")
	if w.seed != "" {
		return nil
	}
	if err := copyFile(filepath.Join(w.dir, "data", "results"), to); err != nil {
		return fmt.Errorf("keep results: %w", err)
	}
	w.Template.seed = to
	return nil
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}
