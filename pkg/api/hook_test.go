package api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
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
	o.HookSecret = "It's a Secret to Everybody"
	r := hookRequest([]byte("Hello, World!"), "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	if w := do(New(o).Handler(false), r); w.Code != 202 || d.wakes.Load() != 1 {
		t.Errorf("%d, %d wakes", w.Code, d.wakes.Load())
	}
}

func TestHook(t *testing.T) {
	const secret = "hook-secret"
	body := []byte("{\"ref\": not even JSON \x00")
	good, foreign := sign(secret, body), sign("other", body)
	full, over := make([]byte, maxHook), make([]byte, maxHook+1)
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
	o.HookSecret = ""
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
	}{{sign("x", nil), 413, maxHook + 1<<20}, {"", 401, 0}} {
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
		s := New(Options{Daemon: d, HookSecret: "a secret nobody guesses"})
		r := hookRequest(body)
		r.Header[header] = []string{value}
		w := httptest.NewRecorder()
		s.hook()(w, r, false)
		if d.wakes.Load() != 0 || w.Code < 400 {
			t.Errorf("%s: %q woke the daemon: %d", header, value, w.Code)
		}
	})
}

func BenchmarkUnsignedFlood(b *testing.B) {
	s := New(Options{Daemon: &daemon{}, HookSecret: "s"})
	h := s.hook()
	body := make([]byte, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		h(httptest.NewRecorder(), hookRequest(body, "X-Gitlab-Token", "wrong"), false)
	}
}
