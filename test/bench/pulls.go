package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/test/forge/gitealab"
)

// between stands between the daemon and a real forge, both ways, and takes down what
// passes: how long the daemon waited for the forge, and when what was told arrived.
type between struct {
	forge, hooks *http.Server
	url, hookURL string

	mu     sync.Mutex
	passed []passage
	hooked []time.Time
}

// passage is one request to the forge, its answer included.
type passage struct {
	method, path string
	from, to     time.Time
}

// follows makes what stands between a forge and a daemon, where the forge's hooks go to
// the daemon's address.
func follows(forge string, daemon string) (*between, error) {
	b := &between{}
	to, err := url.Parse(forge)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	b.forge = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := passage{method: r.Method, path: r.URL.Path, from: time.Now()}
		proxy.ServeHTTP(w, r)
		p.to = time.Now()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.passed = append(b.passed, p)
	})}
	onward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: daemon})
	b.hooks = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Gitea-Event"), "pull_request") { // that of the push comes before Gitea knows the new head itself
			b.mu.Lock()
			b.hooked = append(b.hooked, time.Now())
			b.mu.Unlock()
		}
		onward.ServeHTTP(w, r)
	})}
	for server, at := range map[*http.Server]*string{b.forge: &b.url, b.hooks: &b.hookURL} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*at = "http://" + listener.Addr().String()
		go func() { _ = server.Serve(listener) }() // ends with close
	}
	return b, nil
}

func (b *between) close() {
	_ = b.forge.Close()
	_ = b.hooks.Close()
}

// since gives the first hook of a pull request after a time and the requests after it.
func (b *between) since(start time.Time) (hook time.Time, passed []passage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range b.hooked {
		if at.After(start) {
			hook = at
			break
		}
	}
	for _, p := range b.passed {
		if !hook.IsZero() && p.to.After(hook) {
			passed = append(passed, p)
		}
	}
	return hook, passed
}

// busy is for how long of a span at least one of some requests was under way.
func busy(passed []passage, from, to time.Time) time.Duration {
	slices.SortFunc(passed, func(a, b passage) int { return a.from.Compare(b.from) })
	var sum time.Duration
	at := from
	for _, p := range passed {
		start, end := p.from, p.to
		if start.Before(at) {
			start = at
		}
		if end.After(to) {
			end = to
		}
		if end.After(start) {
			sum += end.Sub(start)
			at = end
		}
	}
	return sum
}

// pulls measures how soon a pull request is told what it would do.
func (b *bench) pulls(ctx context.Context) ([]*section, error) {
	var out []*section
	for _, n := range b.live {
		s, err := b.pullsWith(ctx, n)
		if s != nil {
			out = append(out, s)
		}
		if err != nil {
			return out, fmt.Errorf("%d services: %w", n, err)
		}
	}
	return out, nil
}

func (b *bench) pullsWith(ctx context.Context, services int) (*section, error) {
	f, err := b.fleet(ctx, services)
	if err != nil {
		return nil, err
	}
	w, err := b.reviewing(ctx, f, "")
	if err != nil {
		return nil, err
	}
	defer w.end()
	s, end := begin(fmt.Sprintf("A push to a pull request, %d services", services), "A real Gitea, its own webhook, and the daemon; a proxy between them takes down every request. "+
		"From the webhook of the pull request after a push to the forge's answer to the comment. Our share is that without the time in which the forge was answering a request, Git's included: the floor.")
	defer end()
	var totals, shares, forge sample
	requests := 0
	for i := range 3 + b.changes {
		total, waited, count, err := w.push(ctx, i)
		if err != nil {
			return s, err
		}
		if i < 3 {
			continue
		}
		totals, shares, forge = append(totals, total), append(shares, total-waited), append(forge, waited)
		requests += count
	}
	s.add(row{fmt.Sprintf("webhook to report, 1 of %d", services), totals.String(), forge.String(), times(totals.p50(), forge.p50()), "", noGoal})
	s.add(row{"  our share", shares.String(), "", "", "p99 <= 1 s at 1,000", judge(shares.p99() <= time.Second)})
	s.add(row{"  requests to the forge a push", fmt.Sprintf("%.1f", float64(requests)/float64(b.changes)), "", "", "", noGoal})
	return s, nil
}

// reviewing is a daemon that reviews the pull requests of a real forge.
type reviewing struct {
	fleet   *generated
	forge   *gitealab.Server
	between *between
	cmd     *exec.Cmd
	clone   string
	address string // the daemon's

	kubeconfig string
}

const pullsRepository = gitealab.Admin + "/platform"

// reviewing starts one. Without a kubeconfig its clusters are nowhere: what a pull request
// is told asks none.
func (b *bench) reviewing(ctx context.Context, f *generated, kubeconfig string) (*reviewing, error) {
	root, err := b.fresh("pulls")
	if err != nil {
		return nil, err
	}
	w := &reviewing{fleet: f, clone: filepath.Join(root, "clone"), kubeconfig: kubeconfig}
	if w.forge, err = gitealab.Run(filepath.Join(root, "gitea")); err != nil {
		return nil, err
	}
	if err := w.begin(ctx, b, root); err != nil {
		w.end()
		return nil, err
	}
	return w, nil
}

// begin fills the forge, starts the daemon, and opens the pull request.
func (w *reviewing) begin(ctx context.Context, b *bench, root string) error {
	remote := w.forge.Remote(gitealab.Admin, w.forge.Token, pullsRepository)
	if err := w.forge.Repository(w.forge.Token, "platform"); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"clone", "--quiet", w.fleet.dir, w.clone}, {"-C", w.clone, "push", "--quiet", remote, "HEAD:main"}, {"-C", w.clone, "remote", "set-url", "origin", remote},
	} {
		if _, err := git(ctx, root, args...); err != nil {
			return err
		}
	}
	if err := w.forge.Filled(w.forge.Token, pullsRepository); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.address = listener.Addr().String()
	listener.Close()
	if w.between, err = follows(w.forge.URL, w.address); err != nil {
		return err
	}
	hook := map[string]any{
		"type": "gitea", "active": true, "events": []string{"push", "pull_request", "pull_request_sync"},
		"config": map[string]string{"url": w.between.hookURL + "/hooks/gitea", "content_type": "json", "secret": hookSecret},
	}
	if err := w.forge.API(w.forge.Token, http.MethodPost, "/repos/"+pullsRepository+"/hooks", hook, nil); err != nil {
		return err
	}
	if err := w.serve(ctx, b, root); err != nil {
		return err
	}
	if err := w.edit(ctx, 0); err != nil {
		return err
	}
	open := map[string]any{"head": "topic", "base": "main", "title": "change"}
	if err := w.forge.API(w.forge.Token, http.MethodPost, "/repos/"+pullsRepository+"/pulls", open, nil); err != nil {
		return err
	}
	_, err = w.told(ctx, time.Time{}, 10*time.Minute) // the first one evaluates everything
	return err
}

// serve starts the daemon.
func (w *reviewing) serve(ctx context.Context, b *bench, root string) error {
	for name, text := range map[string]string{"token": w.forge.Token, "hook": hookSecret, "kubeconfig": "apiVersion: v1\nkind: Config\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	log, err := os.Create(filepath.Join(root, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	at := func(name string) string { return filepath.Join(root, name) }
	w.cmd = exec.CommandContext(ctx, b.binary, "serve", "--repo", w.between.url+"/"+pullsRepository+".git", "--data-dir", at("data"), "--kubeconfig", cmp.Or(w.kubeconfig, at("kubeconfig")),
		"--git-username", gitealab.Admin, "--git-password-file", at("token"), "--listen", w.address, "--hook-secret-file", at("hook"), "--poll", "10m",
		"--forge", "gitea", "--forge-url", w.between.url, "--forge-repository", pullsRepository, "--forge-token-file", at("token"), "--forge-poll", "10m")
	w.cmd.Stderr = log
	w.cmd.Cancel = func() error { return w.cmd.Process.Signal(syscall.SIGTERM) }
	return w.cmd.Start()
}

func (w *reviewing) end() {
	if w.cmd != nil && w.cmd.Process != nil {
		_ = w.cmd.Process.Signal(syscall.SIGTERM)
		_ = w.cmd.Wait() // how it ended does not matter
	}
	if w.between != nil {
		w.between.close()
	}
	w.forge.Stop()
}

// edit pushes a change of one service to the branch of the pull request.
func (w *reviewing) edit(ctx context.Context, edition int) error {
	at := (edition * 7919) % w.fleet.services
	if at%10 == 9 {
		at-- // jobs are declared otherwise
	}
	if err := write(filepath.Join(w.clone, serviceFile(at)), serviceText(at, w.fleet.services, 1+edition)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"checkout", "--quiet", "-B", "topic"},
		{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--no-verify", "-am", fmt.Sprint("edition ", edition)},
		{"push", "--quiet", "--force", "origin", "topic"},
	} {
		if _, err := git(ctx, w.clone, args...); err != nil {
			return err
		}
	}
	return nil
}

// push pushes one change and gives how long it was until the report was on the forge, how
// long of that the forge was answering, and how many requests it was sent.
func (w *reviewing) push(ctx context.Context, i int) (total, waited time.Duration, requests int, err error) {
	start := time.Now()
	if err := w.edit(ctx, 1+i); err != nil {
		return 0, 0, 0, err
	}
	done, err := w.told(ctx, start, time.Minute)
	if err != nil {
		return 0, 0, 0, err
	}
	hook, passed := w.between.since(start)
	var until []passage
	for _, p := range passed {
		if !p.to.After(done) {
			until = append(until, p)
		}
	}
	time.Sleep(100 * time.Millisecond) // what a push brings is over before the next
	return done.Sub(hook), busy(until, hook, done), len(until), nil
}

// told waits until the comment was answered that tells of what came after a time.
func (w *reviewing) told(ctx context.Context, start time.Time, limit time.Duration) (time.Time, error) {
	for deadline := time.Now().Add(limit); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		_, passed := w.between.since(start)
		for _, p := range passed {
			if strings.Contains(p.path, "/comments") && (p.method == http.MethodPost || p.method == http.MethodPatch) {
				return p.to, nil
			}
		}
	}
	hook, passed := w.between.since(start)
	said := fmt.Sprintf("no comment within %s; the hook came at %s, and was followed by %d requests to the forge", limit, hook.Format(time.TimeOnly), len(passed))
	for _, p := range passed {
		said += fmt.Sprintf("\n\t%s %s %s %s", p.from.Format("15:04:05.000"), p.method, p.path, p.to.Sub(p.from).Round(time.Millisecond))
	}
	return time.Time{}, errors.Join(ctx.Err(), errors.New(said))
}
