package api

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/status"
)

// daemon is a Daemon whose answers are fixed.
type daemon struct {
	wakes  atomic.Int64
	ready  bool
	panics bool
}

func (d *daemon) Units() []status.Unit {
	if d.panics {
		panic("a mistake in the program")
	}
	unit := func(env, cl, svc, team string, sync status.Sync) status.Unit {
		return status.Unit{
			Unit: catalog.UnitKey{Environment: env, Cluster: cl, Service: svc}, Team: team, Sync: sync,
			Health: cluster.Healthy, Message: "<script>alert(1)</script>",
		}
	}
	return []status.Unit{
		unit("dev", "eu", "cart", "shop", status.Synced), unit("prod", "eu", "cart", "shop", status.Held),
		unit("prod", "us", "pay", "money", status.Synced), unit("prod", "us", "team.shop", "shop", status.Failed),
	}
}

func (d *daemon) Clusters() []status.Cluster { return nil }

func (d *daemon) Source() status.Source {
	return status.Source{URL: "https://bot:canary@git.example/p.git", Revision: "abc", Verdict: "2 errors", Message: "fetch https://bot:canary@git.example/p.git: 403"}
}

func (d *daemon) Ready() (bool, []Check) {
	return d.ready, []Check{{"git", true, ""}, {"cluster eu", d.ready, "refused\nby 10.0.0.1"}}
}

func (d *daemon) Wake() { d.wakes.Add(1) }

func options(t *testing.T) (Options, *daemon, *journal.Journal) {
	t.Helper()
	j := journal.Open(journal.Options{
		Path:    filepath.Join(t.TempDir(), "journal.db"),
		OnError: func(err error) { t.Errorf("journal: %v", err) },
	})
	t.Cleanup(func() { _ = j.Close() })
	d := &daemon{ready: true}
	return Options{
		Daemon: d, Journal: j, Gatherer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
		Token: "read-token", HookSecrets: hookSecrets("hook-secret"), Heartbeat: 50 * time.Millisecond, Pulls: proposed{},
	}, d, j
}

func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8080"
	return r
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func address(r Route) string {
	return strings.NewReplacer("{environment}", "prod", "{cluster}", "eu", "{service}", "cart", "{number}", "12").Replace(r.Path)
}

// TestRouteTable asks every route, with every method, as everybody, and wants
// what the table and the policy beside it say; a new route must be added here.
func TestRouteTable(t *testing.T) {
	policy := map[string]Access{
		"GET /livez": Open, "GET /healthz": Open, "GET /readyz": Open, "GET /metrics": Open,
		"POST /hooks/git": Hook, "POST /hooks/github": Hook, "POST /hooks/gitlab": Hook, "POST /hooks/gitea": Hook,
		"POST /hooks/standard": Hook, "POST /hooks/generic": Hook,
		"GET /api/v1/units": Reader, "GET /api/v1/units/{environment}/{cluster}/{service}": Reader,
		"GET /api/v1/pulls": Reader, "GET /api/v1/pulls/{number}": Reader,
		"GET /api/v1/previews": Reader, "POST /api/v1/previews": Writer, "POST /api/v1/previews/{number}": Writer, "DELETE /api/v1/previews/{number}": Writer,
		"GET /api/v1/clusters": Reader, "GET /api/v1/source": Reader, "GET /api/v1/records": Reader, "GET /api/v1/events": Reader,
	}
	got := map[string]Access{}
	for _, r := range Routes() {
		got[r.Method+" "+r.Path] = r.Access
	}
	if diff := cmp.Diff(policy, got); diff != "" {
		t.Fatalf("routes (-policy +table):\n%s", diff)
	}
	o, d, _ := options(t)
	s := New(o)
	for _, route := range Routes() {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			for _, who := range visitors() {
				r := request(method, address(route))
				who.as(r)
				if strings.HasSuffix(route.Path, "/events") {
					r.Method = map[string]string{"GET": "HEAD"}[method] // does not stay
					if r.Method == "" {
						r.Method = method
					}
				}
				w := do(s.Handler(who.loopback), r)
				if want := expected(route, method, who); w.Code != want {
					t.Errorf("%s %s as %s: %d, want %d", method, route.Path, who.name, w.Code, want)
				}
			}
		}
	}
	if n := d.wakes.Load(); n != 2 {
		t.Errorf("the daemon was woken %d times, want twice, by the one who knows the secret", n)
	}
}

// visitor is somebody who asks.
type visitor struct {
	name             string
	loopback         bool
	reads, knowsHook bool
	as               func(*http.Request)
}

func visitors() []visitor {
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	return []visitor{
		{name: "local", loopback: true, reads: true, as: func(*http.Request) {}},
		{name: "local by IPv6", loopback: true, reads: true, as: host("[::1]:80")},
		{name: "a web page on a name that points here", loopback: true, as: host("evil.example:8080")},
		{name: "local with a wrong token", loopback: true, as: bearer("wrong")},
		{name: "remote", as: func(*http.Request) {}},
		{name: "remote with the token", reads: true, as: bearer("read-token")},
		{name: "remote with an empty token", as: bearer("")},
		{name: "remote with half the token", as: bearer("read-")},
		{name: "remote with basic auth", as: func(r *http.Request) { r.SetBasicAuth("read-token", "read-token") }},
		{name: "remote with the hook's secret", knowsHook: true, as: bearer("hook-secret")},
	}
}

func expected(route Route, method string, who visitor) int {
	if method == "HEAD" {
		method = "GET"
	}
	at := slices.IndexFunc(Routes(), func(r Route) bool { return r.Path == route.Path && r.Method == method })
	if at < 0 {
		return http.StatusMethodNotAllowed
	}
	switch route = Routes()[at]; {
	case (route.Access == Reader || route.Access == Writer) && !who.reads:
		return http.StatusUnauthorized
	case route.Access == Writer: // it does not say that it is JSON
		return http.StatusForbidden
	case route.Access == Hook && who.knowsHook && (route.Path == "/hooks/git" || route.Path == "/hooks/generic"): // it brings a bearer
		return http.StatusAccepted
	case route.Access == Hook:
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

func TestWithoutATokenNobodyReadsFromElsewhere(t *testing.T) {
	o, _, _ := options(t)
	o.Token = ""
	for _, who := range visitors() {
		r := request("GET", "/api/v1/units")
		who.as(r)
		if w := do(New(o).Handler(false), r); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", who.name, w.Code)
		}
	}
}

func TestHeadersOnEverything(t *testing.T) {
	o, d, _ := options(t)
	d.panics = true
	h := New(o).Handler(true)
	for _, target := range []string{"/livez", "/metrics", "/nothing", "/api/v1/units", "/api/v1/source", "/api//v1", "/hooks/git"} {
		got := do(h, request("GET", target)).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got.Get(name), want)
			}
		}
		if !strings.HasPrefix(got.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: CSP is %q", target, got.Get("Content-Security-Policy"))
		}
	}
}

func TestErrorsAreJSON(t *testing.T) {
	o, d, _ := options(t)
	d.panics = true
	h := New(o).Handler(true)
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"/nothing":                      {404, "not-found"},
		"/api/v1/units/prod/eu":         {404, "not-found"},
		"/hooks/git":                    {405, "method-not-allowed"},
		"/api/v1/units":                 {500, "internal"},
		"/api/v1/clusters?nmae=x":       {400, "bad-request"},
		"/api/v1/records?limit=0":       {400, "bad-request"},
		"/api/v1/records?limit=1001":    {400, "bad-request"},
		"/api/v1/records?since=-1":      {400, "bad-request"},
		"/api/v1/records?unit=cart":     {400, "bad-request"},
		"/api/v1/records?order=random":  {400, "bad-request"},
		"/api/v1/events?since=tomorrow": {400, "bad-request"},
	} {
		w := do(h, request("GET", target))
		var body struct{ Code, Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != want.status || body.Code != want.code || body.Message == "" {
			t.Errorf("%s: %d %s (%v), want %d %s", target, w.Code, w.Body, err, want.status, want.code)
		}
	}
}

func TestUnits(t *testing.T) {
	o, _, _ := options(t)
	noon := time.Date(2026, 12, 1, 12, 0, 0, 5, time.UTC)
	o.Now = func() time.Time { return noon }
	h := New(o).Handler(true)
	for query, want := range map[string][]string{
		"":                              {"dev/eu/cart", "prod/eu/cart", "prod/us/pay", "prod/us/team.shop"},
		"?environment=prod&cluster=us":  {"prod/us/pay", "prod/us/team.shop"},
		"?service=cart&environment=dev": {"dev/eu/cart"},
		"?team=money":                   {"prod/us/pay"},
		"?sync=Held&sync=Failed":        {"prod/eu/cart", "prod/us/team.shop"},
		"?team=nobody":                  {},
	} {
		w := do(h, request("GET", "/api/v1/units"+query))
		var body struct {
			APIVersion, Kind string
			Metadata         struct {
				Revision, Verdict string
				Now               time.Time
			}
			Items []struct {
				Unit       string
				Conditions []struct{ Type string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		got := []string{}
		for _, i := range body.Items {
			got = append(got, i.Unit)
			if len(i.Conditions) == 0 || i.Conditions[0].Type != "Ready" {
				t.Errorf("%s: conditions of %s: %v", query, i.Unit, i.Conditions)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || body.Kind != "UnitList" || body.APIVersion != "fairway.dev/v1" || body.Metadata.Revision != "abc" || body.Metadata.Verdict != "2 errors" || !body.Metadata.Now.Equal(noon) {
			t.Errorf("%s: %+v (-want +got):\n%s", query, body, diff)
		}
	}
	if body := do(h, request("GET", "/api/v1/units/prod/us/team.shop")).Body.String(); !strings.Contains(body, `"unit":"prod/us/team.shop"`) {
		t.Errorf("one unit: %s", body)
	}
	if w := do(h, request("GET", "/api/v1/units/prod/us/nobody")); w.Code != 404 {
		t.Errorf("no unit: %d", w.Code)
	}
}

func TestNoSecretsAreTold(t *testing.T) {
	o, _, _ := options(t)
	h := New(o).Handler(true)
	for _, r := range Routes() {
		if r.Method != "GET" || strings.HasSuffix(r.Path, "/events") {
			continue
		}
		body := do(h, request("GET", address(r))).Body.String()
		for _, secret := range []string{"canary", "hook-secret", "read-token"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s tells %q: %s", r.Path, secret, body)
			}
		}
	}
}

func TestReadiness(t *testing.T) {
	o, d, _ := options(t)
	s := New(o)
	for _, c := range []struct {
		ready, loopback bool
		target, want    string
	}{
		{true, true, "/readyz", "ok\n"},
		{true, true, "/readyz?verbose", "[+]git ok\n[+]cluster eu ok\nreadyz check passed\n"},
		{false, true, "/readyz", "[+]git ok\n[-]cluster eu failed: refused by 10.0.0.1\nreadyz check failed\n"},
		{false, false, "/readyz?verbose", "[+]git ok\n[-]cluster eu failed: reason withheld\nreadyz check failed\n"},
		{false, false, "/livez", "ok\n"},
	} {
		d.ready = c.ready
		w := do(s.Handler(c.loopback), request("GET", c.target))
		code := 200
		if strings.HasSuffix(c.want, "failed\n") {
			code = 503
		}
		if w.Code != code || w.Body.String() != c.want {
			t.Errorf("%s ready=%v loopback=%v: %d %q, want %d %q", c.target, c.ready, c.loopback, w.Code, w.Body, code, c.want)
		}
	}
}

func TestRecordPages(t *testing.T) {
	o, _, j := options(t)
	for range 25 {
		j.Append(t.Context(), journal.Record{Kind: journal.Applied, Unit: "prod/eu/cart"}, journal.Record{Kind: journal.Held, Unit: "dev/eu/pay"})
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := New(o).Handler(true)
	var seen []int64
	for target := "/api/v1/records?unit=prod/eu/cart&kind=applied&limit=10&order=newest"; target != ""; {
		var body struct {
			Metadata struct{ Next, Head int64 }
			Items    []journal.Record
		}
		w := do(h, request("GET", target))
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 || body.Metadata.Head != 50 {
			t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
		for _, r := range body.Items {
			seen = append(seen, r.Seq)
		}
		target = ""
		if body.Metadata.Next > 0 {
			n, _ := json.Marshal(body.Metadata.Next)
			target = "/api/v1/records?unit=prod/eu/cart&kind=applied&limit=10&order=newest&before=" + string(n)
		}
	}
	if len(seen) != 25 || seen[0] != 49 || seen[24] != 1 {
		t.Errorf("pages gave %v, want 49 to 1 by twos", seen)
	}
}

func TestAccessLogIsDebug(t *testing.T) {
	o, _, _ := options(t)
	var b strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(io.Writer(&b), &slog.HandlerOptions{Level: slog.LevelInfo}))
	do(New(o).Handler(true), request("GET", "/livez"))
	if b.Len() > 0 {
		t.Errorf("logged at info: %s", b.String())
	}
}
