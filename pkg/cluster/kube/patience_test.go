package kube

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestPatience: what a server put off is not asked for again before its time, by
// whomever, over a new connection neither; other things are.
func TestPatience(t *testing.T) {
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.Method+" "+r.URL.Path]++
		if asked["GET /a"] == 1 && r.URL.Path == "/a" {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	now := time.Unix(0, 0)
	p := &Patience{now: func() time.Time { return now }}
	transport := p.wrap(http.DefaultTransport)
	get := func(path string) *http.Response {
		t.Helper()
		req, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	get("/a")
	now = now.Add(1500 * time.Millisecond)
	if resp := get("/a"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || asked["GET /a"] != 1 {
		t.Errorf("half a second early: %d, Retry-After %q, asked %d times", resp.StatusCode, resp.Header.Get("Retry-After"), asked["GET /a"])
	}
	transport = p.wrap(&http.Transport{})
	if resp := get("/a"); resp.StatusCode != 429 {
		t.Errorf("half a second early, by somebody who reached the server anew: %d", resp.StatusCode)
	}
	if resp := get("/b"); resp.StatusCode != 200 {
		t.Errorf("another path: %d", resp.StatusCode)
	}
	now = now.Add(500 * time.Millisecond)
	if resp := get("/a"); resp.StatusCode != 200 || asked["GET /a"] != 2 || len(p.until) != 0 {
		t.Errorf("in time: %d, asked %d times, %d kept", resp.StatusCode, asked["GET /a"], len(p.until))
	}
}
