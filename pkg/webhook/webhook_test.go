package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const secretText = "hook-secret"

// noon is when the tests are.
func noon() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

func receiver(t testing.TB, secrets ...string) *Receiver {
	t.Helper()
	if secrets == nil {
		secrets = []string{secretText}
	}
	known, err := Secrets(strings.Join(secrets, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Secrets: known, Now: noon})
}

func request(body []byte, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func sign(secret string, body []byte) string {
	return hex.EncodeToString(mac([]byte(secret), "", body))
}

// standard signs as Standard Webhooks does, some time away from noon.
func standard(key string, away time.Duration, id string, body []byte) []string {
	stamp := fmt.Sprint(noon().Add(away).Unix())
	text := "v1," + base64.StdEncoding.EncodeToString(mac([]byte(key), id+"."+stamp+".", body))
	return []string{"webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", text}
}

// TestPublishedVectors are the examples that GitHub and Standard Webhooks publish
// for those who check signatures.
func TestPublishedVectors(t *testing.T) {
	hello := request([]byte("Hello, World!"), "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	if _, verdict := receiver(t, "It's a Secret to Everybody").Receive(httptest.NewRecorder(), hello, GitHub); verdict != Accepted {
		t.Errorf("GitHub's: %s", verdict)
	}
	known, err := Secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	v := New(Options{Secrets: known, Now: func() time.Time { return time.Unix(1614265330, 0) }})
	test := request([]byte(`{"test": 2432232314}`), "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
		"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	if _, verdict := v.Receive(httptest.NewRecorder(), test, Standard); verdict != Accepted {
		t.Errorf("Standard Webhooks': %s", verdict)
	}
}

type attempt struct {
	name    string
	at      Forge
	headers []string
	want    Verdict
}

func attempts(body []byte) []attempt {
	good, foreign := sign(secretText, body), sign("other", body)
	stamped := func(away time.Duration) []string { return standard(secretText, away, "m1", body) }
	swap := func(headers []string, name, value string) []string {
		out := append([]string{}, headers...)
		for i := 0; i < len(out); i += 2 {
			if out[i] == name {
				out[i+1] = value
			}
		}
		return out
	}
	now := stamped(0)
	right := now[5]
	return []attempt{
		{"GitHub", GitHub, []string{"X-Hub-Signature-256", "sha256=" + good}, Accepted},
		{"Gitea", Gitea, []string{"X-Gitea-Signature", good}, Accepted},
		{"Forgejo", Gitea, []string{"X-Forgejo-Signature", good}, Accepted},
		{"Gitea and Forgejo, of which one is right", Gitea, []string{"X-Gitea-Signature", foreign, "X-Forgejo-Signature", good}, Accepted},
		{"GitLab's token", GitLab, []string{"X-Gitlab-Token", secretText}, Accepted},
		{"GitLab's signing token", GitLab, append([]string{"X-Gitlab-Event", "Push Hook"}, now...), Accepted},
		{"Standard", Standard, now, Accepted},
		{"generic signature", Generic, []string{"X-Signature", "sha256=" + good}, Accepted},
		{"generic signature without a prefix", Generic, []string{"X-Signature", good}, Accepted},
		{"generic bearer", Generic, []string{"Authorization", "bearer " + secretText}, Accepted},
		{"upper case", Gitea, []string{"X-Gitea-Signature", strings.ToUpper(good)}, Accepted},
		{"identity", Gitea, []string{"X-Gitea-Signature", good, "Content-Encoding", "identity"}, Accepted},
		{"several signatures, the last is right", Standard, swap(now, "webhook-signature", "v1a,xx v1,AA== v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" "+right), Accepted},
		{"nearly too old", Standard, stamped(-Window), Accepted},
		{"nearly too new", Standard, stamped(Window), Accepted},

		{"nothing", GitHub, nil, Unsigned},
		{"another forge's header", GitHub, []string{"X-Gitea-Signature", good}, Unsigned},
		{"a token where signatures are due", GitHub, []string{"Authorization", "Bearer " + secretText}, Unsigned},
		{"GitLab's token elsewhere", Gitea, []string{"X-Gitlab-Token", secretText}, Unsigned},
		{"without the prefix", GitHub, []string{"X-Hub-Signature-256", good}, Unsigned},
		{"SHA-1", GitHub, []string{"X-Hub-Signature", "sha1=" + good[:40]}, Unsigned},
		{"cut short", Gitea, []string{"X-Gitea-Signature", good[:62]}, Unsigned},
		{"no hex", Gitea, []string{"X-Gitea-Signature", strings.Repeat("z", 64)}, Unsigned},
		{"empty", Gitea, []string{"X-Gitea-Signature", ""}, Unsigned},
		{"empty token", GitLab, []string{"X-Gitlab-Token", ""}, Unsigned},
		{"of another secret", GitHub, []string{"X-Hub-Signature-256", "sha256=" + foreign}, Forged},
		{"right at its beginning", Gitea, []string{"X-Gitea-Signature", good[:32] + foreign[32:]}, Forged},
		{"right at its end", Gitea, []string{"X-Gitea-Signature", foreign[:32] + good[32:]}, Forged},
		{"empty key", Gitea, []string{"X-Gitea-Signature", sign("", body)}, Forged},
		{"wrong token", GitLab, []string{"X-Gitlab-Token", secretText + "x"}, Forged},
		{"half a token", GitLab, []string{"X-Gitlab-Token", secretText[:4]}, Forged},
		{"of another body", Gitea, []string{"X-Gitea-Signature", sign(secretText, append([]byte("x"), body...))}, Forged},
		{"too old", Standard, stamped(-Window - time.Second), Stale},
		{"too new", Standard, stamped(Window + time.Second), Stale},
		{"before all time", Standard, swap(now, "webhook-timestamp", "-9223372036854775808"), Stale},
		{"after all time", Standard, swap(now, "webhook-timestamp", "9223372036854775807"), Stale},
		{"no number", Standard, swap(now, "webhook-timestamp", "now"), Unsigned},
		{"another time than was signed", Standard, swap(now, "webhook-timestamp", fmt.Sprint(noon().Unix()+1)), Forged},
		{"another id than was signed", Standard, swap(now, "webhook-id", "m2"), Forged},
		{"no id", Standard, swap(now, "webhook-id", ""), Unsigned},
		{"a dot in the id", Standard, standard(secretText, 0, "m.1", body), Unsigned},
		{"another version", Standard, swap(now, "webhook-signature", "v2"+right[2:]), Unsigned},
		{"the right one after too many", Standard, swap(now, "webhook-signature", strings.Repeat("v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" ", maxSignatures)+right), Forged},
		{"gzip", Gitea, []string{"X-Gitea-Signature", good, "Content-Encoding", "gzip"}, Encoded},
		{"two encodings", Gitea, []string{"X-Gitea-Signature", good, "Content-Encoding", "identity, gzip"}, Encoded},
	}
}

func TestVerdicts(t *testing.T) {
	body := []byte("{\"ref\": not even JSON \x00")
	for _, c := range attempts(body) {
		if _, got := receiver(t).Receive(httptest.NewRecorder(), request(body, c.headers...), c.at); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if len(c.headers) == 0 || c.want != Accepted || c.at == Generic && c.headers[0] == "X-Signature" {
			continue
		}
		if _, got := receiver(t).Receive(httptest.NewRecorder(), request(body, c.headers...), Any); got != Accepted {
			t.Errorf("%s, at the address of all: %s", c.name, got)
		}
		if _, got := New(Options{}).Receive(httptest.NewRecorder(), request(body, c.headers...), c.at); got != Absent {
			t.Errorf("%s, without secrets: %s", c.name, got)
		}
	}
}

// TestRotation: old and new count as long as both are there, and a secret of
// Standard Webhooks serves the forges too, as the text it is.
func TestRotation(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb}, 32)
	fresh := "whsec_" + base64.StdEncoding.EncodeToString(key)
	v := receiver(t, secretText, "", fresh)
	body := []byte("{}")
	for name, headers := range map[string][]string{
		"old": {"X-Gitea-Signature", sign(secretText, body)}, "new": {"X-Gitea-Signature", sign(fresh, body)},
		"token": {"X-Gitlab-Token", fresh}, "standard, old": standard(secretText, 0, "a", body), "standard, new": standard(string(key), 0, "b", body),
	} {
		if _, got := v.Receive(httptest.NewRecorder(), request(body, headers...), Any); got != Accepted {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, got := v.Receive(httptest.NewRecorder(), request(body, standard(fresh, 0, "c", body)...), Standard); got != Forged {
		t.Errorf("the text of a key instead of the key: %s", got)
	}
}

func TestSecrets(t *testing.T) {
	for text, want := range map[string]int{"": 0, "\n\n": 0, "a": 1, "a\r\nb\n": 2, "whsec_AAAA": 1, "whsec_AAAAAA==": 1, "whsec_AAAAAA": 1} {
		if got, err := Secrets(text); err != nil || len(got) != want {
			t.Errorf("%q: %d, %v; want %d", text, len(got), err, want)
		}
	}
	for text, says := range map[string]string{
		"ok\nwhsec_not base64": "line 2", "whsec_": "line 1", "whsec_A": "line 1", strings.Repeat("a\n", maxSecrets+1): "at most 8",
	} {
		_, err := Secrets(text)
		if !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "not base64") {
			t.Errorf("%q: %v, want it to say %s and nothing of the secret", text, err, says)
		}
	}
}

// TestRepeated: a delivery counts once for each forge, and only a signed one is
// remembered.
func TestRepeated(t *testing.T) {
	v := receiver(t)
	body, other := []byte(`{"a":1}`), []byte(`{"a":2}`)
	send := func(at Forge, body []byte, headers ...string) Verdict {
		_, verdict := v.Receive(httptest.NewRecorder(), request(body, headers...), at)
		return verdict
	}
	hub := func(body []byte, secret, id string) Verdict {
		return send(GitHub, body, "X-Hub-Signature-256", "sha256="+sign(secret, body), "X-GitHub-Delivery", id)
	}
	steps := []struct {
		name string
		got  Verdict
		want Verdict
	}{
		{"forged", hub(body, "other", "1"), Forged},
		{"first", hub(body, secretText, "1"), Accepted},
		{"again", hub(body, secretText, "1"), Repeated},
		{"forged again", hub(body, "other", "1"), Forged},
		{"by the address of all", send(Any, body, "X-Hub-Signature-256", "sha256="+sign(secretText, body), "X-GitHub-Delivery", "1"), Repeated},
		{"another id", hub(body, secretText, "2"), Accepted},
		{"another forge", send(Gitea, body, "X-Gitea-Signature", sign(secretText, body), "X-Gitea-Delivery", "1"), Accepted},
		{"GitLab, an event", send(GitLab, body, "X-Gitlab-Token", secretText, "X-Gitlab-Event-UUID", "u"), Accepted},
		{"GitLab, what it brought about", send(GitLab, other, "X-Gitlab-Token", secretText, "X-Gitlab-Event-UUID", "u"), Accepted},
		{"GitLab, again", send(GitLab, other, "X-Gitlab-Token", secretText, "X-Gitlab-Event-UUID", "u"), Repeated},
		{"Standard", send(Standard, body, standard(secretText, 0, "m", body)...), Accepted},
		{"Standard, sent anew", send(Standard, body, standard(secretText, time.Minute, "m", body)...), Repeated},
		{"no id", hub(body, secretText, ""), Accepted},
		{"no id again", hub(body, secretText, ""), Accepted},
	}
	for _, s := range steps {
		if s.got != s.want {
			t.Errorf("%s: %s, want %s", s.name, s.got, s.want)
		}
	}
}

// TestMemoryIsBounded: the oldest goes, the newest stay.
func TestMemoryIsBounded(t *testing.T) {
	m := &memory{}
	for i := range 3 * maxSeen {
		if !m.add(fmt.Sprint(i), nil) {
			t.Fatalf("%d is new", i)
		}
	}
	if len(m.known) != maxSeen || len(m.order) != maxSeen {
		t.Errorf("%d and %d remembered, want %d", len(m.known), len(m.order), maxSeen)
	}
	for i := 2 * maxSeen; i < 3*maxSeen; i++ {
		if m.add(fmt.Sprint(i), nil) {
			t.Fatalf("%d of the last %d was forgotten", i, maxSeen)
		}
	}
	if !m.add("0", nil) {
		t.Error("the oldest is still known")
	}
}

func TestHints(t *testing.T) {
	gh := func(event string) []string { return []string{"X-GitHub-Event", event} }
	for _, c := range []struct {
		name    string
		forge   Forge
		headers []string
		body    string
		want    Hint
	}{
		{"push", GitHub, gh("push"), `{"ref":"refs/heads/feat/a","repository":{"full_name":"acme/platform"}}`, Hint{GitHub, "push", "acme/platform", "feat/a", 0}},
		{"push of a tag", GitHub, gh("push"), `{"ref":"refs/tags/v1","repository":{"full_name":"acme/platform"}}`, Hint{GitHub, "push", "acme/platform", "", 0}},
		{"new tag", GitHub, gh("create"), `{"ref":"v1","ref_type":"tag"}`, Hint{Forge: GitHub, Event: "create"}},
		{"branch goes", GitHub, gh("delete"), `{"ref":"old","ref_type":"branch"}`, Hint{Forge: GitHub, Event: "delete", Branch: "old"}},
		{"pull request", GitHub, gh("pull_request"), `{"number":7,"pull_request":{"number":7},"repository":{"full_name":"acme/platform"}}`, Hint{GitHub, "pull_request", "acme/platform", "", 7}},
		{"review", GitHub, gh("pull_request_review"), `{"pull_request":{"number":9},"repository":{"full_name":"a/b"}}`, Hint{GitHub, "pull_request_review", "a/b", "", 9}},
		{"comment on a pull request", GitHub, gh("issue_comment"), `{"issue":{"number":3,"pull_request":{"url":"x"}},"repository":{"full_name":"a/b"}}`, Hint{GitHub, "issue_comment", "a/b", "", 3}},
		{"comment on an issue", GitHub, gh("issue_comment"), `{"issue":{"number":3,"pull_request":null},"repository":{"full_name":"a/b"}}`, Hint{GitHub, "issue_comment", "a/b", "", 0}},
		{"form", GitHub, append(gh("push"), "Content-Type", "application/x-www-form-urlencoded"), "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D", Hint{Forge: GitHub, Event: "push", Branch: "main"}},
		{"unknown event", GitHub, gh("star"), `{"action":"created"}`, Hint{Forge: GitHub, Event: "star"}},
		{"Gitea's push", Gitea, []string{"X-Gitea-Event", "push"}, `{"ref":"refs/heads/main","repository":{"full_name":"a/b"}}`, Hint{Gitea, "push", "a/b", "main", 0}},
		{"Gitea's pull request", Gitea, []string{"X-Gitea-Event", "pull_request_approved"}, `{"number":4,"pull_request":{"id":1},"repository":{"full_name":"a/b"}}`, Hint{Gitea, "pull_request_approved", "a/b", "", 4}},
		{"Forgejo's comment", Gitea, []string{"X-Forgejo-Event", "issue_comment"}, `{"is_pull":true,"issue":{"number":5},"repository":{"full_name":"a/b"}}`, Hint{Gitea, "issue_comment", "a/b", "", 5}},
		{"GitLab's push", GitLab, []string{"X-Gitlab-Event", "Push Hook"}, `{"object_kind":"push","ref":"refs/heads/main","project":{"path_with_namespace":"g/s/p"}}`, Hint{GitLab, "Push Hook", "g/s/p", "main", 0}},
		{"merge request", GitLab, []string{"X-Gitlab-Event", "System Hook"}, `{"object_kind":"merge_request","object_attributes":{"id":900,"iid":12},"project":{"path_with_namespace":"g/p"}}`, Hint{GitLab, "System Hook", "g/p", "", 12}},
		{"note on a merge request", GitLab, nil, `{"object_kind":"note","merge_request":{"iid":2},"project":{"path_with_namespace":"g/p"}}`, Hint{GitLab, "", "g/p", "", 2}},
		{"generic", Generic, nil, `{"repository":"a/b","branch":"main","pullRequest":3}`, Hint{Generic, "", "a/b", "main", 3}},
		{"Standard", Standard, nil, `{"type":"pull.updated","data":{"repository":"a/b","pullRequest":3}}`, Hint{Standard, "pull.updated", "a/b", "", 3}},

		{"no JSON", GitHub, gh("push"), `{"ref":`, Hint{Forge: GitHub, Event: "push"}},
		{"null", GitHub, nil, `null`, Hint{Forge: GitHub}},
		{"a list", GitHub, nil, `[1]`, Hint{Forge: GitHub}},
		{"other types", GitHub, nil, `{"ref":{},"repository":7}`, Hint{Forge: GitHub}},
		{"repository is a list", GitHub, nil, `{"ref":"refs/heads/m","repository":[1]}`, Hint{Forge: GitHub, Branch: "m"}},
		{"a number too large", GitHub, nil, `{"number":1e99}`, Hint{Forge: GitHub}},
		{"a negative number", GitHub, nil, `{"pull_request":{"number":-4},"number":-4}`, Hint{Forge: GitHub}},
		{"a number past all", Generic, nil, `{"pullRequest":2147483648}`, Hint{Forge: Generic}},
		{"a path for a repository", Generic, nil, `{"repository":"a/../../etc"}`, Hint{Forge: Generic}},
		{"an address for a repository", Generic, nil, `{"repository":"https://evil.example/a"}`, Hint{Forge: Generic}},
		{"a repository without owner", Generic, nil, `{"repository":"platform"}`, Hint{Forge: Generic}},
		{"a branch of two lines", Generic, nil, `{"branch":"a\nb"}`, Hint{Forge: Generic}},
		{"a branch without end", Generic, nil, `{"branch":"` + strings.Repeat("a", 256) + `"}`, Hint{Forge: Generic}},
		{"an event with control characters", GitHub, []string{"X-GitHub-Event", "a\x1b[31m"}, `{}`, Hint{Forge: GitHub}},
		{"too deep", Generic, nil, `{"branch":"m","x":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, Hint{Forge: Generic}},
		{"as deep as may be", Generic, nil, `{"branch":"m","x":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`, Hint{Forge: Generic, Branch: "m"}},
		{"brackets in a text", Generic, nil, `{"branch":"m","x":"\"` + strings.Repeat("[", 100) + `"}`, Hint{Forge: Generic, Branch: "m"}},
	} {
		h := request(nil, c.headers...).Header
		if diff := cmp.Diff(c.want, hintOf(c.forge, h, []byte(c.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestSender: at the address of all, whose a request is, although Gitea sends
// GitHub's headers as well.
func TestSender(t *testing.T) {
	for want, headers := range map[Forge][]string{
		Gitea: {"X-Gitea-Event", "push", "X-GitHub-Event", "push", "X-Hub-Signature-256", "x"}, GitHub: {"X-Hub-Signature-256", "x"},
		GitLab: {"X-Gitlab-Event", "Push Hook", "Webhook-Id", "x"}, Standard: {"Webhook-Id", "x"}, Generic: nil,
	} {
		if got := sender(request(nil, headers...).Header); got != want {
			t.Errorf("%v: %s, want %s", headers, got, want)
		}
	}
}

// endless is a body that says nothing of its length.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }

// broken is a body that does not come whole.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBodies: what is read of a body, and when.
func TestBodies(t *testing.T) {
	full, over := make([]byte, MaxBody), make([]byte, MaxBody+1)
	for _, c := range []struct {
		name    string
		body    io.Reader
		headers []string
		want    Verdict
	}{
		{"largest", bytes.NewReader(full), []string{"X-Gitea-Signature", sign(secretText, full)}, Accepted},
		{"one byte more", bytes.NewReader(over), []string{"X-Gitea-Signature", sign(secretText, over)}, Large},
		{"without end", &endless{}, []string{"X-Gitea-Signature", sign("x", nil)}, Large},
		{"not whole", broken{}, []string{"X-Gitea-Signature", sign("x", nil)}, Unreadable},
		{"unsigned", &endless{}, nil, Unsigned},
		{"wrong token", &endless{}, []string{"X-Gitlab-Token", "wrong"}, Forged},
		{"stale", &endless{}, standard(secretText, time.Hour, "a", nil), Stale},
	} {
		r := request(nil, c.headers...)
		r.Body, r.ContentLength = io.NopCloser(c.body), -1
		if _, got := receiver(t).Receive(httptest.NewRecorder(), r, Any); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		e, ok := c.body.(*endless)
		if ok && c.want != Large && e.read > 0 || ok && e.read > MaxBody+1<<20 {
			t.Errorf("%s: %d bytes were read", c.name, e.read)
		}
	}
}

// TestBusy: as many bodies are read at once as may be, and one more waits and is
// sent away; the unsigned are answered all the same.
func TestBusy(t *testing.T) {
	v := receiver(t)
	gate, done := make(chan struct{}), make(chan Verdict, maxReading)
	for range maxReading {
		go func() {
			r := request(nil, "X-Gitea-Signature", sign(secretText, nil))
			r.Body, r.ContentLength = io.NopCloser(waits{gate}), -1
			_, verdict := v.Receive(httptest.NewRecorder(), r, Gitea)
			done <- verdict
		}()
	}
	for len(v.reading) < maxReading {
		time.Sleep(time.Millisecond)
	}
	if _, got := v.Receive(httptest.NewRecorder(), request(nil, "X-Gitea-Signature", sign(secretText, nil)), Gitea); got != Busy {
		t.Errorf("one more: %s", got)
	}
	if _, got := v.Receive(httptest.NewRecorder(), request(nil), Gitea); got != Unsigned {
		t.Errorf("unsigned: %s", got)
	}
	close(gate)
	for range maxReading {
		if got := <-done; got != Accepted {
			t.Errorf("one of the first: %s", got)
		}
	}
	if len(v.reading) != 0 {
		t.Errorf("%d places are still taken", len(v.reading))
	}
}

// waits is a body that ends when the gate opens.
type waits struct{ gate chan struct{} }

func (w waits) Read([]byte) (int, error) { <-w.gate; return 0, io.EOF }

// TestEveryVerdictHasAStatus: whatever is wrong with a signature is one answer.
func TestEveryVerdictHasAStatus(t *testing.T) {
	want := map[Verdict]int{
		Accepted: 202, Repeated: 202, Absent: 404, Unsigned: 401, Forged: 401, Stale: 401, Encoded: 415, Large: 413, Unreadable: 400, Busy: 503,
	}
	for _, v := range Verdicts() {
		if v.Status() != want[v] {
			t.Errorf("%s: %d, want %d", v, v.Status(), want[v])
		}
	}
}
