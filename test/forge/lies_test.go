package forge_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/connect"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
	"github.com/fairway-dev/fairway/test/forge/contract"
)

// hasty is a client that gives up soon.
func hasty() rest.Options {
	return rest.Options{
		Timeout: 700 * time.Millisecond, Tries: 2, Patience: 100 * time.Millisecond, MaxBody: 4 << 20,
		Sleep: func(ctx context.Context, d time.Duration) error { return ctx.Err() },
	}
}

// lists are all enumerations of a forge; each says why it is unknown, or nil.
func lists(ctx context.Context, f forge.Forge, pull forge.PullRequest) map[string]func() error {
	return map[string]func() error{
		"pulls":    func() error { return why(f.Pulls(ctx, "main").Members, f.Pulls(ctx, "main").Why) },
		"files":    func() error { s := f.Files(ctx, pull); return why(s.Members, s.Why) },
		"reviews":  func() error { s := f.Reviews(ctx, pull.Number); return why(s.Members, s.Why) },
		"statuses": func() error { s := f.Statuses(ctx, pull.Head.Commit); return why(s.Members, s.Why) },
		"labels":   func() error { s := f.LabelEvents(ctx, pull.Number); return why(s.Members, s.Why) },
	}
}

func why[K comparable, V any](members func() (map[K]V, bool), why func() error) error {
	if _, known := members(); known {
		return nil
	}
	return errors.Join(errors.New("unknown"), why())
}

// patient is one that gives up late, and waits for nothing: whether a forge was slow is
// not what its test is about.
func patient() rest.Options {
	opts := hasty()
	opts.Timeout = 2 * time.Minute
	return opts
}

// unknown wants that a fault makes each of the named lists unknown, and that no error
// says a token.
func unknown(t *testing.T, w *world, pull forge.PullRequest, faults map[string]contract.Fault, of ...string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			w.breaks(faults[name])
			defer w.breaks(nil)
			f := w.connect(t, hasty())
			var all sync.WaitGroup
			for list, ask := range lists(t.Context(), f, pull) {
				if len(of) > 0 && !slices.Contains(of, list) {
					continue
				}
				all.Go(func() {
					err := ask()
					if err == nil {
						t.Errorf("%s are known", list)
						return
					}
					if strings.Contains(err.Error(), w.token) {
						t.Errorf("%s: the error says the token", list)
					}
					t.Logf("%s: %v", list, err)
				})
			}
			all.Wait()
		})
	}
}

// TestLies holds that whatever comes between makes lists unknown, and none empty.
func TestLies(t *testing.T) {
	var stolen atomic.Int64
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	t.Cleanup(away.Close)
	each(t, func(t *testing.T, w *world) {
		commit := w.push("topic", map[string]*string{"a.txt": text("1\n"), "b.txt": text("2\n")})
		n := w.open("topic", "Topic")
		w.push("other", map[string]*string{"a.txt": text("1\n")})
		w.open("other", "Other")
		w.review("fairway", n, "APPROVED")
		w.label("dev", n, "preview", true)
		f := w.forge(t)
		if err := f.SetStatus(t.Context(), commit, forge.Status{Context: "fairway/vet", State: forge.Success}); err != nil {
			t.Fatal(err)
		}
		pull, err := f.Pull(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		healthy := func() {
			t.Helper()
			for list, ask := range lists(t.Context(), f, pull) {
				if err := ask(); err != nil {
					t.Errorf("%s of a healthy forge: %v", list, err)
				}
			}
		}
		healthy()
		unknown(t, w, pull, contract.Lies(away.URL))
		if w.total != "" {
			counted := []string{"pulls", "files"}
			unknown(t, w, pull, contract.LiesOfTotals(w.total), counted...)
		}
		if w.kind == "gitea" {
			unknown(t, w, pull, map[string]contract.Fault{"no total": contract.Header(func(h http.Header) { h.Del(w.total) })}, "pulls", "files", "reviews", "statuses")
		}
		healthy()
		silent(t, w, n)
		untouched(t, w, n, contract.Lies(away.URL))
	})
	if n := stolen.Load(); n > 0 {
		t.Errorf("%d requests went to another host", n)
	}
}

// silent wants that nothing is written where it is not known what stands there.
func silent(t *testing.T, w *world, number int) {
	t.Helper()
	w.breaks(contract.Reading(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/comments") || strings.HasSuffix(r.URL.Path, "/notes") {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, "[") // cut
			return
		}
		next.ServeHTTP(rw, r)
	}))
	defer w.breaks(nil)
	w.sent()
	if err := w.connect(t, hasty()).Comment(t.Context(), number, forge.Comment{Marker: "report", Body: "hello"}); err == nil {
		t.Error("a comment was made though it could not be known whether there is one")
	}
	if sent := w.sent(); len(sent) > 0 {
		t.Errorf("sent: %v", sent)
	}
}

// liesOfPages holds the same of faults between pages.
func liesOfPages(t *testing.T, w *world) {
	t.Helper()
	unknown(t, w, forge.PullRequest{Number: 1, Head: forge.Head{Commit: strings.Repeat("0", 40)}}, contract.LiesOfPages(), "pulls")
	if w.total != "" {
		unknown(t, w, forge.PullRequest{Number: 1}, contract.LiesOfTotals(w.total), "pulls")
	}
}

// TestPasses holds that a fault that passes costs nothing but time.
func TestPasses(t *testing.T) {
	faults := map[string]contract.Fault{
		"bad gateway":              contract.Always(http.StatusBadGateway, "text/html", "<html>"),
		"unavailable, for a while": contract.Always(http.StatusServiceUnavailable, "", "", "Retry-After", "2"),
		"too many requests":        contract.Always(http.StatusTooManyRequests, "application/json", `{"message":"slow"}`, "Retry-After", "2"),
		"secondary limit":          contract.Always(http.StatusForbidden, "application/json", `{"message":"You have exceeded a secondary rate limit"}`),
		"limit":                    contract.Always(http.StatusForbidden, "application/json", `{"message":"API rate limit exceeded"}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1000000030"),
		"connection cut":           contract.Reading(func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }),
	}
	waits := map[string][2]time.Duration{
		"bad gateway": {250, 400}, "connection cut": {250, 400}, "unavailable, for a while": {2000, 2000}, "too many requests": {2000, 2000},
		"secondary limit": {60_000, 60_000}, "limit": {30_000, 30_000},
	}
	each(t, func(t *testing.T, w *world) {
		w.push("topic", map[string]*string{"a.txt": text("1\n")})
		w.open("topic", "Topic")
		for _, name := range slices.Sorted(maps.Keys(faults)) {
			w.breaks(contract.First(1, faults[name]))
			now := time.Unix(1_000_000_000, 0)
			var waited time.Duration
			f := w.connect(t, rest.Options{
				Now: func() time.Time { return now },
				Sleep: func(_ context.Context, d time.Duration) error {
					waited += d
					now = now.Add(d)
					return nil
				},
			})
			if got := members(t, f.Pulls(t.Context(), "main")); len(got) != 1 {
				t.Errorf("%s: %v", name, got)
			}
			if least, most := waits[name][0]*time.Millisecond, waits[name][1]*time.Millisecond; waited < least || waited > most {
				t.Errorf("%s: waited %v, want %v to %v", name, waited, least, most)
			}
		}
		w.breaks(nil)
	})
}

// TestLimitSaysUntil holds that a limit which lasts longer than the caller is told at once.
func TestLimitSaysUntil(t *testing.T) {
	w := contractWorld(t, "github", contract.GitHub(), "", 0)
	w.breaks(contract.Always(http.StatusForbidden, "application/json", `{"message":"secondary rate limit"}`, "Retry-After", "600"))
	f := w.forge(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 2 { // the second is not even sent
		begun := time.Now()
		_, err := f.Pull(ctx, 1)
		limit := (*rest.Error)(nil)
		if !errors.As(err, &limit) || limit.Until.Before(begun.Add(9*time.Minute)) || !strings.Contains(err.Error(), "limit ends at") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

// TestNothingChangesNothingSent holds that an unchanged list comes from what is kept.
func TestNothingChangesNothingSent(t *testing.T) {
	w := contractWorld(t, "github", contract.GitHub(), "", 0)
	w.push("topic", map[string]*string{"a.txt": text("1\n")})
	n := w.open("topic", "Topic")
	var whole, same atomic.Int64
	w.breaks(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			seen := &seen{ResponseWriter: rw}
			next.ServeHTTP(seen, r)
			if seen.status == http.StatusNotModified {
				same.Add(1)
			} else {
				whole.Add(1)
			}
		})
	})
	f := w.forge(t)
	for range 3 {
		if got := members(t, f.Pulls(t.Context(), "main")); len(got) != 1 || got[0].Title != "Topic" {
			t.Fatalf("%+v", got)
		}
	}
	if whole.Load() != 1 || same.Load() != 2 {
		t.Errorf("%d whole answers and %d unchanged, want 1 and 2", whole.Load(), same.Load())
	}
	w.shut(n)
	if got := members(t, f.Pulls(t.Context(), "main")); len(got) != 0 {
		t.Errorf("after it was closed: %+v", got)
	}
}

type seen struct {
	http.ResponseWriter
	status int
}

func (s *seen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// TestApp holds that a GitHub App asks with its installation's token, renews it before
// its end and when it is refused, and knows its own comments.
func TestApp(t *testing.T) {
	s := contract.GitHub()
	w := contractWorld(t, "github", s, "", 0)
	w.push("topic", map[string]*string{"a.txt": text("1\n")})
	n := w.open("topic", "Topic")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(key string) (forge.Forge, error) {
		return connect.To(connect.Target{Kind: "github", URL: s.URL, Repository: w.repo, App: &connect.App{ID: "Iv1.app", Installation: 7, KeyFile: key}})
	}
	f, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Install("Iv1.app", "fairway-app", &key.PublicKey, time.Hour)
	for range 3 {
		members(t, f.Pulls(t.Context(), "main"))
	}
	if s.Given() != 1 {
		t.Errorf("%d tokens for three calls", s.Given())
	}
	for range 2 {
		if err := f.Comment(t.Context(), n, forge.Comment{Marker: "report", Body: "hello"}); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "comments", w.said(n), []string{"fairway-app[bot]: <!-- fairway:report -->\nhello"})
	s.Withdraw()
	members(t, f.Pulls(t.Context(), "main"))
	if s.Given() != 2 {
		t.Errorf("%d tokens after one was withdrawn", s.Given())
	}

	soon, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Install("Iv1.app", "fairway-app", &key.PublicKey, 4*time.Minute) // ends too soon to be kept
	for range 3 {
		members(t, soon.Pulls(t.Context(), "main"))
	}
	if s.Given() != 3 {
		t.Errorf("%d tokens for three calls that each found theirs at its end", s.Given())
	}

	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.Install("Iv1.app", "fairway-app", &other.PublicKey, time.Hour)
	g, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	if set := g.Pulls(t.Context(), "main"); set.Why() == nil || !strings.Contains(set.Why().Error(), "could not be decoded") {
		t.Errorf("with a key that GitHub does not know: %v", set.Why())
	}
	if err := os.WriteFile(file, []byte("not a key, but secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(file); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a file that holds no key: %v", err)
	}
}

// TestDeployments holds that environments are shown once, kept up to date, and retired.
func TestDeployments(t *testing.T) {
	for kind, s := range map[string]*contract.Server{"github": contract.GitHub(), "gitlab": contract.GitLab()} {
		t.Run(kind, func(t *testing.T) {
			w := contractWorld(t, kind, s, "", 0)
			commit := w.push("topic", map[string]*string{"a.txt": text("1\n")})
			f, ok := w.forge(t).(forge.Deployer)
			if !ok {
				t.Fatal("it is no Deployer")
			}
			one := forge.Deployment{Environment: "pr-1", Commit: commit, Ref: "topic", State: forge.Pending, URL: "https://pr-1.example.com", Transient: true}
			for _, state := range []forge.StatusState{forge.Pending, forge.Pending, forge.Success, forge.Success} {
				one.State = state
				if err := f.Deploy(t.Context(), one); err != nil {
					t.Fatal(err)
				}
			}
			shown := map[string][]string{
				"github": {"pr-1 " + commit[:7] + " success https://pr-1.example.com"},
				"gitlab": {"pr-1 " + commit[:7] + " success", "pr-1 available https://pr-1.example.com"},
			}
			want(t, "deployments", s.Deployments(), shown[kind])
			w.sent()
			if err := f.Deploy(t.Context(), one); err != nil || len(w.sent()) > 0 {
				t.Errorf("it was shown again (%v)", err)
			}
			for range 2 {
				if err := f.Retire(t.Context(), "pr-1"); err != nil {
					t.Fatal(err)
				}
			}
			if sent := w.sent(); len(sent) != 1 {
				t.Errorf("to retire it took %v", sent)
			}
			if err := f.Retire(t.Context(), "no-such"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFork holds that a head which is no branch of ours is known as such.
func TestFork(t *testing.T) {
	for kind, s := range map[string]*contract.Server{"github": contract.GitHub(), "gitlab": contract.GitLab()} {
		t.Run(kind, func(t *testing.T) {
			w := contractWorld(t, kind, s, "", 0)
			w.push("topic", map[string]*string{"a.txt": text("1\n")})
			n := w.open("topic", "Topic")
			s.Fork(n)
			if got := members(t, w.forge(t).Pulls(t.Context(), "main")); !got[0].Head.Fork {
				t.Errorf("%+v", got)
			}
		})
	}
}
