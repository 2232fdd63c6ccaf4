package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/faults/proxy"
)

// server is an API server of three sorts of answers: a list, an object, and a
// watch of three events.
type server struct {
	mu   sync.Mutex
	seen []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	s.mu.Unlock()
	switch {
	case r.URL.Query().Get("watch") == "true":
		for _, kind := range []string{"ADDED", "MODIFIED", "BOOKMARK", "DELETED"} {
			fmt.Fprintf(w, "{\"type\":%q,\"object\":{}}\n", kind)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/configmaps"):
		fmt.Fprint(w, `{"kind":"ConfigMapList","metadata":{"resourceVersion":"7","continue":"more"},"items":[{"a":1},{"b":2}]}`)
	default:
		fmt.Fprint(w, `{"kind":"ConfigMap","metadata":{"name":"theirs","namespace":"theirs"}}`)
	}
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

type bench struct {
	*proxy.Proxy
	server *server
	rules  *proxy.Rules
	log    *proxy.Log
	client *http.Client
	base   string
	kills  []int // how many requests the server had had at each kill
}

// start puts a proxy between a client and a server: HTTP/1.1, or HTTP/2.
func start(t *testing.T, two bool) *bench {
	t.Helper()
	b := &bench{server: &server{}, rules: proxy.NewRules(1), log: &proxy.Log{}}
	upstream := httptest.NewServer(b.server)
	t.Cleanup(upstream.Close)
	cert, pem, err := proxy.Authority()
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.Proxy, err = proxy.Start(proxy.Options{
		Name: "eu", Target: target, Certificate: cert, Rules: b.rules, Log: b.log, Aliases: []proxy.Alias{{Daemon: "ours", Server: "theirs"}},
		Kill: func() { b.kills = append(b.kills, len(b.server.asked())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Proxy.Close)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	b.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: two}, Timeout: 5 * time.Second}
	b.base = "https://" + b.Address()
	return b
}

func (b *bench) do(method, path, body string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	res, err := b.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res, string(raw), err
}

const (
	object = "/api/v1/namespaces/ours/configmaps/ours"
	list   = "/api/v1/namespaces/ours/configmaps"
)

func both(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Run("HTTP1", func(t *testing.T) { run(t, start(t, false)) })
	t.Run("HTTP2", func(t *testing.T) { run(t, start(t, true)) })
}

// Without rules the words are exchanged, on the way there and back, and all is written down.
func TestPass(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		_, body, err := b.do("PATCH", object+"?fieldManager=ours", `{"ours":1}`)
		if err != nil || body != `{"kind":"ConfigMap","metadata":{"name":"ours","namespace":"ours"}}` {
			t.Errorf("got %s, %v", body, err)
		}
		want := `PATCH /api/v1/namespaces/theirs/configmaps/theirs?fieldManager=theirs {"theirs":1}`
		if got := b.server.asked(); len(got) != 1 || got[0] != want {
			t.Errorf("the server was asked %q, want %q", got, want)
		}
		e := b.log.Since(0)[0]
		if e.String() != "eu patch configmaps ours/ours" || e.Status != 200 || !e.Mutates() {
			t.Errorf("written down: %+v", e)
		}
	})
}

// Each action does to the server and to the client what it says.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    proxy.Action
		asked int  // how many requests get to the server
		fails bool // whether the client gets no whole answer
		code  int
		body  string
		kills string
	}{
		{"drop before", proxy.Action{Kind: proxy.DropBefore}, 0, true, 0, "", "[]"},
		{"drop after", proxy.Action{Kind: proxy.DropAfter}, 1, true, 0, "", "[]"},
		{"reset", proxy.Action{Kind: proxy.Reset}, 1, true, 0, "", "[]"},
		{"answer", proxy.Action{Kind: proxy.Answer, Status: 409}, 0, false, 409, `"reason":"Conflict"`, "[]"},
		{"answer after", proxy.Action{Kind: proxy.AnswerAfter, Status: 504}, 1, false, 504, `"reason":"Timeout"`, "[]"},
		{"HTML", proxy.Action{Kind: proxy.HTML}, 0, false, 200, "<!doctype html>", "[]"},
		{"truncate", proxy.Action{Kind: proxy.Truncate}, 1, true, 0, "", "[]"},
		{"slow", proxy.Action{Kind: proxy.Slow, Delay: 100 * time.Millisecond}, 1, false, 200, `"kind":"ConfigMap"`, "[]"},
		{"kill before", proxy.Action{Kind: proxy.Kill, Phase: proxy.BeforeSend}, 0, true, 0, "", "[0]"},
		{"kill, no response", proxy.Action{Kind: proxy.Kill, Phase: proxy.NoResponse}, 1, true, 0, "", "[1]"},
		{"kill after", proxy.Action{Kind: proxy.Kill, Phase: proxy.AfterResponse}, 1, false, 200, `"kind":"ConfigMap"`, "[1]"},
		{"no kill", proxy.Action{Kind: proxy.Kill, Phase: proxy.ResetNoKill}, 1, true, 0, "", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, b *bench) {
				b.rules.Set(proxy.Rule{ID: "r", Match: proxy.Match{Verbs: []string{"patch"}}, Do: c.do})
				res, body, err := b.do("PATCH", object, "{}")
				if (err != nil) != c.fails {
					t.Fatalf("the client got %q, %v", body, err)
				}
				if !c.fails && (res.StatusCode != c.code || !strings.Contains(body, c.body)) {
					t.Errorf("got %d %s, want %d and %s", res.StatusCode, body, c.code, c.body)
				}
				if n := len(b.server.asked()); n != c.asked {
					t.Errorf("the server was asked %d times, want %d", n, c.asked)
				}
				if kills := fmt.Sprint(b.kills); kills != c.kills {
					t.Errorf("kills %s, want %s", kills, c.kills)
				}
				if fired := b.rules.Fired("r"); len(fired) != 1 {
					t.Errorf("it acted on %v", fired)
				}
			})
		})
	}
}

func TestRetryAfterAndLists(t *testing.T) {
	b := start(t, false)
	b.rules.Set(proxy.Rule{ID: "r", Do: proxy.Action{Kind: proxy.Answer, Status: 429, RetryAfter: 7}})
	if res, _, err := b.do("GET", object, ""); err != nil || res.Header.Get("Retry-After") != "7" {
		t.Errorf("no Retry-After: %v", err)
	}
	b.rules.Set(proxy.Rule{ID: "r", Do: proxy.Action{Kind: proxy.EmptyList}})
	if _, body, err := b.do("GET", list, ""); err != nil || !strings.Contains(body, `"items":[]`) {
		t.Errorf("a list emptied: %s, %v", body, err)
	}
	b.rules.Set(proxy.Rule{ID: "r", Do: proxy.Action{Kind: proxy.LosePages}})
	_, body, err := b.do("GET", list, "")
	if asked := b.server.asked(); err != nil || strings.Contains(body, "continue") || !strings.Contains(asked[len(asked)-1], "limit=2") {
		t.Errorf("pages lost: %s, %v, asked %q", body, err, asked)
	}
}

// watched reads the types of the events of a watch until it is quiet or ends.
func (b *bench) watched(t *testing.T) []string {
	t.Helper()
	res, err := b.client.Get(b.base + list + "?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	time.AfterFunc(400*time.Millisecond, func() { res.Body.Close() })
	var out []string
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		var e struct{ Type string }
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			out = append(out, e.Type)
		}
	}
	return out
}

func TestWatches(t *testing.T) {
	all := "ADDED MODIFIED BOOKMARK DELETED"
	for _, c := range []struct {
		name, want string
		do         proxy.Action
	}{
		{"pass", all, proxy.Action{Kind: proxy.Pass}},
		{"freeze", "", proxy.Action{Kind: proxy.Freeze}},
		{"drop one", "ADDED BOOKMARK DELETED", proxy.Action{Kind: proxy.DropEvents, Events: []int{2}}},
		{"drop a type", "ADDED MODIFIED BOOKMARK", proxy.Action{Kind: proxy.DropEvents, Types: []string{"DELETED"}}},
		{"double", "ADDED ADDED MODIFIED MODIFIED BOOKMARK DELETED DELETED", proxy.Action{Kind: proxy.DupEvents}},
		{"gone", "ERROR", proxy.Action{Kind: proxy.Gone}},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, b *bench) {
				b.rules.Set(proxy.Rule{ID: "r", Match: proxy.Match{Verbs: []string{"watch"}}, Do: c.do})
				if got := strings.Join(b.watched(t), " "); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestCutWatchesEndsThem(t *testing.T) {
	both(t, func(t *testing.T, b *bench) {
		res, err := b.client.Get(b.base + list + "?watch=true")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		time.AfterFunc(100*time.Millisecond, b.CutWatches)
		if _, err := io.ReadAll(res.Body); err == nil || errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("the watch ended with %v, want a broken stream", err)
		}
	})
}

// A lagging server tells what was, in the shape that is asked for, and says
// nothing of what came after.
func TestStale(t *testing.T) {
	b := start(t, false)
	b.rules.Set(proxy.Rule{ID: "old", Match: proxy.Match{Verbs: []string{"read"}}, Do: proxy.Action{Kind: proxy.Stale}})
	b.UseSnapshot(&proxy.Snapshot{Lists: map[string]proxy.List{"/v1/configmaps": {
		Kind: "ConfigMap", APIVersion: "v1", ResourceVersion: "3",
		Items: []map[string]any{
			{"metadata": map[string]any{"name": "old", "namespace": "ours", "labels": map[string]any{"a": "b"}}, "data": map[string]any{"x": "y"}},
			{"metadata": map[string]any{"name": "other", "namespace": "elsewhere"}},
		},
	}}})
	for _, c := range []struct{ method, path, want string }{
		{"GET", list, `{"apiVersion":"v1","items":[{"apiVersion":"v1","data":{"x":"y"},"kind":"ConfigMap","metadata":{"labels":{"a":"b"},"name":"old","namespace":"ours"}}],"kind":"ConfigMapList","metadata":{"resourceVersion":"3"}}`},
		{"GET", list + "?labelSelector=a%3Dc", `{"apiVersion":"v1","items":[],"kind":"ConfigMapList","metadata":{"resourceVersion":"3"}}`},
		{"GET", list + "/old", `{"apiVersion":"v1","data":{"x":"y"},"kind":"ConfigMap","metadata":{"labels":{"a":"b"},"name":"old","namespace":"ours"}}`},
		{"GET", list + "/new", `"code":404`},
		{"PATCH", list + "/new", `"name":"ours"`},
	} {
		if _, body, err := b.do(c.method, c.path, ""); err != nil || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %s, %v\nwant %s", c.method, c.path, body, err, c.want)
		}
	}
	if n := len(b.server.asked()); n != 1 {
		t.Errorf("the server was asked %d times, want once, for the write", n)
	}
}

func TestMatching(t *testing.T) {
	for _, c := range []struct {
		name  string
		match proxy.Match
		want  string // which of ten patches are acted on
	}{
		{"every one", proxy.Match{}, "1 2 3 4 5 6 7 8 9 10"},
		{"the third", proxy.Match{Nth: 3}, "3"},
		{"each fourth", proxy.Match{Every: 4}, "4 8"},
		{"twice", proxy.Match{Times: 2}, "1 2"},
		{"writes", proxy.Match{Verbs: []string{"write"}, Times: 1}, "1"},
		{"reads", proxy.Match{Verbs: []string{"read"}}, ""},
		{"elsewhere", proxy.Match{Servers: []string{"us"}}, ""},
		{"another name", proxy.Match{Name: "x"}, ""},
		{"all of it", proxy.Match{Servers: []string{"eu"}, Verbs: []string{"patch"}, Groups: []string{""}, Resources: []string{"configmaps"}, Namespace: "ours", Name: "ours", Nth: 10}, "10"},
		{"by chance", proxy.Match{Chance: 0.5}, "1 3 4 7 8 10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, false)
			b.rules.Set(proxy.Rule{ID: "r", Match: c.match, Do: proxy.Action{Kind: proxy.Answer, Status: 500}})
			var got bytes.Buffer
			for i := range 10 {
				if res, _, err := b.do("PATCH", object, ""); err == nil && res.StatusCode == 500 {
					fmt.Fprintf(&got, "%d ", i+1)
				}
			}
			if strings.TrimSpace(got.String()) != c.want {
				t.Errorf("acted on %q, want %q", got.String(), c.want)
			}
		})
	}
}
