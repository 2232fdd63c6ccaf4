package webhook

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// seeds are bodies from which others are made.
func seeds() []string {
	return []string{
		`{"ref":"refs/heads/main","repository":{"full_name":"acme/platform"},"commits":[{"id":"1"}]}`,
		`{"number":7,"pull_request":{"number":7,"head":{"sha":"a"}},"repository":{"full_name":"acme/platform"}}`,
		`{"issue":{"number":3,"pull_request":{}},"is_pull":true}`,
		`{"object_kind":"merge_request","object_attributes":{"iid":12},"project":{"path_with_namespace":"g/p"}}`,
		`{"object_kind":"note","merge_request":{"iid":2}}`,
		`{"type":"x","data":{"repository":"a/b","branch":"main","pullRequest":3}}`,
		"payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D", "", "null", "[[[[", "\"", "{\"a\":\"\\",
	}
}

// sound reports what is wrong with a hint whatever it was made of.
func sound(h Hint) string {
	switch {
	case !slices.Contains(Forges(), h.Forge) || h.Forge == Any:
		return "no forge"
	case h.PullRequest < 0 || h.PullRequest >= maxPull:
		return "no number"
	case h.Repository != repository(h.Repository) || h.Branch != name(h.Branch) || h.Event != name(h.Event):
		return "no names"
	}
	return ""
}

// signedAs gives the headers with which a body is taken at a forge's address.
func signedAs(forge Forge, id string, body []byte) []string {
	good := sign(secretText, body)
	switch forge {
	case GitHub:
		return []string{"X-Hub-Signature-256", "sha256=" + good, "X-GitHub-Event", "push", "X-GitHub-Delivery", id}
	case GitLab:
		return []string{"X-Gitlab-Token", secretText, "X-Gitlab-Event", "Push Hook", "Idempotency-Key", id}
	case Gitea, Any:
		return []string{"X-Gitea-Signature", good, "X-Gitea-Event", "push", "X-Gitea-Delivery", id}
	case Standard:
		return standard(secretText, 0, id, body)
	}
	return []string{"X-Signature", good, "X-Delivery-Id", id}
}

// mangled is a seed in which some bytes are others, gone, doubled or of another seed.
func mangled(r *rand.Rand) []byte {
	all := seeds()
	body := []byte(all[r.IntN(len(all))])
	for range r.IntN(12) {
		at := r.IntN(len(body) + 1)
		switch r.IntN(4) {
		case 0:
			body = slices.Insert(body, at, byte(r.IntN(256)))
		case 1:
			body = slices.Delete(body, at, min(len(body), at+r.IntN(5)))
		case 2:
			body = slices.Insert(body, at, []byte(strings.Repeat(string("[{\"\\"[r.IntN(4)]), r.IntN(200)))...)
		default:
			other := all[r.IntN(len(all))]
			body = slices.Insert(body, at, []byte(other[:r.IntN(len(other)+1)])...)
		}
	}
	return body
}

// TestTenThousandBodies: properly signed nonsense at each address is taken, gives
// a sound hint, and panics nowhere.
func TestTenThousandBodies(t *testing.T) {
	v, r := receiver(t), rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		forge, body := Forges()[i%len(Forges())], mangled(r)
		headers := signedAs(forge, fmt.Sprint(i), body)
		if i%7 == 0 {
			headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
		}
		hint, verdict := v.Receive(httptest.NewRecorder(), request(body, headers...), forge)
		if wrong := sound(hint); verdict != Accepted || wrong != "" {
			t.Fatalf("%s %q: %s, %+v %s", forge, body, verdict, hint, wrong)
		}
	}
}

// FuzzRequest: of whole requests, as they come over the wire, only those are
// taken whose sender knows the secret, which the fuzzer does not; and each body,
// once it is signed, gives a sound hint.
func FuzzRequest(f *testing.F) {
	for i, body := range seeds() {
		forge := Forges()[i%len(Forges())]
		var b bytes.Buffer
		r := request([]byte(body), signedAs(forge, "1", []byte("another"))...)
		r.Header.Set("Content-Type", []string{"application/json", "application/x-www-form-urlencoded"}[i%2])
		if err := r.Write(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(strings.ReplaceAll(b.String(), secretText, "guess"), uint8(i))
	}
	f.Fuzz(func(t *testing.T, wire string, at uint8) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
		if err != nil || strings.Contains(wire, secretText) {
			return
		}
		forge, v := Forges()[int(at)%len(Forges())], receiver(t)
		headers := r.Header.Clone()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if hint, verdict := v.Receive(httptest.NewRecorder(), r, forge); verdict == Accepted || verdict == Repeated || hint != (Hint{}) {
			t.Fatalf("%s took %q: %s", forge, wire, verdict)
		}
		again := request(body, signedAs(forge, "1", body)...)
		for name, values := range headers {
			if again.Header.Get(name) == "" && name != "Content-Encoding" {
				again.Header[name] = values
			}
		}
		hint, verdict := v.Receive(httptest.NewRecorder(), again, forge)
		if wrong := sound(hint); verdict != Accepted || wrong != "" {
			t.Fatalf("%s, signed: %s, %+v %s", forge, verdict, hint, wrong)
		}
	})
}

func BenchmarkUnsigned(b *testing.B) {
	v, body := receiver(b), make([]byte, 1<<20)
	for name, headers := range map[string][]string{
		"nothing": nil, "wrong token": {"X-Gitlab-Token", "wrong"}, "stale": standard(secretText, 1e12, "a", nil),
		"wrong signature": {"X-Webhook", "", "X-Gitea-Signature", sign("x", nil)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Receive(httptest.NewRecorder(), request(body, headers...), Any)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// BenchmarkSigned is the other side: what a delivery of usual size costs.
func BenchmarkSigned(b *testing.B) {
	v := receiver(b)
	body := []byte(`{"ref":"refs/heads/main","repository":{"full_name":"acme/platform"},"x":"` + base64.StdEncoding.EncodeToString(make([]byte, 20<<10)) + `"}`)
	headers := signedAs(GitHub, "", body)
	b.ReportAllocs()
	for b.Loop() {
		v.Receive(httptest.NewRecorder(), request(body, headers...), GitHub)
	}
}
