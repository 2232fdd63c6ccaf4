package api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairway-dev/fairway/pkg/webhook"
)

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// hookSecrets are those of a text that is known to be good.
func hookSecrets(text string) []webhook.Secret {
	known, err := webhook.Secrets(text)
	if err != nil {
		panic(err)
	}
	return known
}

func hookRequest(body []byte, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/hooks/git", bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestSignatureOfGitHub is the example GitHub publishes for those who check signatures.
func TestSignatureOfGitHub(t *testing.T) {
	o, d, _ := options(t)
	o.HookSecrets = hookSecrets("It's a Secret to Everybody")
	r := hookRequest([]byte("Hello, World!"), "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	if w := do(New(o).Handler(false), r); w.Code != 202 || d.wakes.Load() != 1 {
		t.Errorf("%d, %d wakes", w.Code, d.wakes.Load())
	}
}

func TestHook(t *testing.T) {
	const secret = "hook-secret"
	body := []byte("{\"ref\": not even JSON \x00")
	good, foreign := sign(secret, body), sign("other", body)
	full, over := make([]byte, webhook.MaxBody), make([]byte, webhook.MaxBody+1)
	for _, c := range []struct {
		name    string
		body    []byte
		headers []string
		want    int
	}{
		{"GitHub", body, []string{"X-Hub-Signature-256", "sha256=" + good}, 202},
		{"Gitea", body, []string{"X-Gitea-Signature", good}, 202},
		{"Forgejo", body, []string{"X-Forgejo-Signature", good}, 202},
		{"GitLab", body, []string{"X-Gitlab-Token", secret}, 202},
		{"bearer", body, []string{"Authorization", "Bearer " + secret}, 202},
		{"upper case", body, []string{"X-Gitea-Signature", strings.ToUpper(good)}, 202},
		{"empty body", nil, []string{"X-Gitea-Signature", sign(secret, nil)}, 202},
		{"largest", full, []string{"X-Gitea-Signature", sign(secret, full)}, 202},
		{"identity", body, []string{"X-Gitea-Signature", good, "Content-Encoding", "identity"}, 202},

		{"unsigned", body, nil, 401},
		{"of another secret", body, []string{"X-Hub-Signature-256", "sha256=" + foreign}, 401},
		{"of another body", append([]byte("x"), body...), []string{"X-Hub-Signature-256", "sha256=" + good}, 401},
		{"without prefix", body, []string{"X-Hub-Signature-256", good}, 401},
		{"SHA-1", body, []string{"X-Hub-Signature", "sha1=" + good[:40]}, 401},
		{"cut short", body, []string{"X-Gitea-Signature", good[:62]}, 401},
		{"right at its beginning", body, []string{"X-Gitea-Signature", good[:32] + foreign[32:]}, 401},
		{"right at its end", body, []string{"X-Gitea-Signature", foreign[:32] + good[32:]}, 401},
		{"no hex", body, []string{"X-Gitea-Signature", strings.Repeat("z", 64)}, 401},
		{"empty signature", body, []string{"X-Gitea-Signature", ""}, 401},
		{"empty prefix", body, []string{"X-Hub-Signature-256", "sha256="}, 401},
		{"empty key", body, []string{"X-Gitea-Signature", sign("", body)}, 401},
		{"wrong GitLab token", body, []string{"X-Gitlab-Token", secret + "x"}, 401},
		{"half a GitLab token", body, []string{"X-Gitlab-Token", secret[:4]}, 401},
		{"reader's token", body, []string{"Authorization", "Bearer read-token"}, 401},
		{"gzip", body, []string{"X-Gitea-Signature", good, "Content-Encoding", "gzip"}, 415},
		{"two encodings", body, []string{"X-Gitea-Signature", good, "Content-Encoding", "identity, gzip"}, 415},
		{"too large", over, []string{"X-Gitea-Signature", sign(secret, over)}, 413},
	} {
		o, d, _ := options(t)
		w := do(New(o).Handler(false), hookRequest(c.body, c.headers...))
		if w.Code != c.want || (d.wakes.Load() == 1) != (c.want == 202) {
			t.Errorf("%s: %d and %d wakes, want %d", c.name, w.Code, d.wakes.Load(), c.want)
		}
		if w.Code == 401 && w.Body.String() != "{\"code\":\"unauthorized\",\"message\":\"not authorised\"}\n" {
			t.Errorf("%s: the refusal tells %s", c.name, w.Body)
		}
	}
}

func TestHookWithoutSecretIsNotThere(t *testing.T) {
	o, d, _ := options(t)
	o.HookSecrets = nil
	for _, headers := range [][]string{nil, {"X-Gitlab-Token", ""}, {"Authorization", "Bearer "}, {"X-Gitea-Signature", sign("", nil)}} {
		if w := do(New(o).Handler(true), hookRequest(nil, headers...)); w.Code != 404 || d.wakes.Load() != 0 {
			t.Errorf("%v: %d, %d wakes, want 404", headers, w.Code, d.wakes.Load())
		}
	}
}

// endless is a body that says nothing of its length.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }
func (e *endless) Close() error               { return nil }

func TestEndlessBodyIsCutOff(t *testing.T) {
	o, _, _ := options(t)
	for _, c := range []struct {
		signature string
		want      int
		most      int
	}{{sign("x", nil), 413, webhook.MaxBody + 1<<20}, {"", 401, 0}} {
		body := &endless{}
		r := httptest.NewRequest("POST", "/hooks/git", io.NopCloser(body))
		r.Header.Set("X-Gitea-Signature", c.signature)
		if w := do(New(o).Handler(true), r); w.Code != c.want || body.read > c.most {
			t.Errorf("signature %q: %d after %d bytes, want %d after at most %d", c.signature, w.Code, body.read, c.want, c.most)
		}
	}
}

// FuzzHook: whatever is sent, only who knows the secret wakes the daemon, and
// nothing panics.
func FuzzHook(f *testing.F) {
	f.Add("X-Gitea-Signature", strings.Repeat("a", 64), []byte("{}"))
	f.Add("X-Hub-Signature-256", "sha256=00", []byte(nil))
	f.Add("Authorization", "Bearer hook", []byte("x"))
	f.Fuzz(func(t *testing.T, header, value string, body []byte) {
		d := &daemon{}
		s := New(Options{Daemon: d, HookSecrets: hookSecrets("a secret nobody guesses")})
		r := hookRequest(body)
		r.Header[header] = []string{value}
		w := httptest.NewRecorder()
		hookAt(webhook.Any)(s)(w, r, false)
		if d.wakes.Load() != 0 || w.Code < 400 {
			t.Errorf("%s: %q woke the daemon: %d", header, value, w.Code)
		}
	})
}

// TestHookOfEachForge: each forge's own address takes its own signature and no
// other's, counts what came of it, wakes the daemon once for a delivery, and
// hands on hints of pull requests and no others.
func TestHookOfEachForge(t *testing.T) {
	const secret = "hook-secret"
	body := []byte(`{"number":7,"pull_request":{"number":7},"repository":{"full_name":"acme/platform"}}`)
	signed := map[webhook.Forge][]string{
		webhook.GitHub:  {"X-Hub-Signature-256", "sha256=" + sign(secret, body), "X-GitHub-Event", "pull_request", "X-GitHub-Delivery", "1"},
		webhook.Gitea:   {"X-Gitea-Signature", sign(secret, body), "X-Gitea-Event", "pull_request", "X-Gitea-Delivery", "1"},
		webhook.GitLab:  {"X-Gitlab-Token", secret, "Idempotency-Key", "1"},
		webhook.Generic: {"Authorization", "Bearer " + secret, "X-Delivery-Id", "1"},
	}
	for at := range signed {
		for whose, headers := range signed {
			o, d, _ := options(t)
			o.HookRequests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooks"}, []string{"forge", "verdict"})
			registry := prometheus.NewRegistry()
			registry.MustRegister(o.HookRequests)
			o.Gatherer = registry
			var hints []webhook.Hint
			o.OnHint = func(h webhook.Hint) { hints = append(hints, h) }
			h := New(o).Handler(false)
			send := func() int {
				r := hookRequest(body, headers...)
				r.URL.Path = "/hooks/" + string(at)
				return do(h, r).Code
			}
			first, again := send(), send()
			want, verdict, wakes := 401, webhook.Unsigned, int64(0)
			if at == whose {
				want, verdict, wakes = 202, webhook.Accepted, 1
			}
			if first != want || again != want || d.wakes.Load() != wakes {
				t.Errorf("%s's at %s: %d, then %d, %d wakes; want %d and %d", whose, at, first, again, d.wakes.Load(), want, wakes)
			}
			counted := do(h, request("GET", "/metrics")).Body.String()
			for v, n := range map[webhook.Verdict]int64{verdict: 2 - wakes, webhook.Repeated: wakes} {
				if line := fmt.Sprintf("hooks{forge=%q,verdict=%q} %d\n", at, v, n); strings.Contains(counted, line) != (n > 0) {
					t.Errorf("%s's at %s: want %s, and not\n%s", whose, at, line, counted)
				}
			}
			if said := wakes == 1 && (at == webhook.GitHub || at == webhook.Gitea); (len(hints) == 1) != said ||
				said && hints[0] != (webhook.Hint{Forge: at, Event: "pull_request", Repository: "acme/platform", PullRequest: 7}) {
				t.Errorf("%s's at %s: hints %+v", whose, at, hints)
			}
		}
	}
}

// TestUnknownForge: there are no other addresses.
func TestUnknownForge(t *testing.T) {
	o, d, _ := options(t)
	r := hookRequest(nil, "Authorization", "Bearer hook-secret")
	r.URL.Path = "/hooks/svn"
	if w := do(New(o).Handler(true), r); w.Code != 404 || d.wakes.Load() != 0 {
		t.Errorf("%d, %d wakes", w.Code, d.wakes.Load())
	}
}

// BenchmarkUnsignedFlood is what the unsigned cost over real connections, with
// bodies of 16 KiB that nobody reads.
func BenchmarkUnsignedFlood(b *testing.B) {
	o := Options{Daemon: &daemon{}, HookSecrets: hookSecrets("s"), Logger: slog.New(slog.DiscardHandler), Gatherer: prometheus.NewRegistry()}
	server := httptest.NewServer(New(o).Handler(true))
	defer server.Close()
	body := make([]byte, 16<<10)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := server.Client().Post(server.URL+"/hooks/github", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if r.StatusCode != 401 {
				b.Errorf("status %d", r.StatusCode)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
