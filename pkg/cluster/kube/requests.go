package kube

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// requests counts what goes over the wire, by verb and resource, and stops what
// may not be sent.
type requests struct {
	guard func() error // asked before what changes anything; nil lets all pass

	mu sync.Mutex
	by map[string]int64
}

func (r *requests) add(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[key]++
}

func (r *requests) counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.by)
}

// wrap counts each try that a transport makes, retries included.
func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if r.guard != nil && req.Method != http.MethodGet {
			if err := r.guard(); err != nil {
				return nil, err
			}
		}
		r.add(requestKey(req))
		return next.RoundTrip(req)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// requestKey names a request as an audit log would: "patch deployments.apps",
// "watch configmaps", "get /version".
func requestKey(req *http.Request) string {
	resource, named := requestResource(req.URL.Path)
	verb := strings.ToLower(req.Method)
	if verb == "get" {
		query := req.URL.Query()
		switch {
		case query.Get("watch") == "true" || query.Get("watch") == "1":
			verb = "watch"
		case !named && !strings.HasPrefix(resource, "/"):
			verb = "list"
		}
	}
	return verb + " " + resource
}

func requestResource(path string) (resource string, named bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	group := ""
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, parts = "."+parts[1], parts[3:]
	default:
		return "/" + strings.Join(parts, "/"), false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return parts[0] + group, len(parts) > 1
}
