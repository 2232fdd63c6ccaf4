package api

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fairway-dev/fairway/pkg/webhook"
)

// Access says who may use a route.
type Access string

// The kinds of access.
const (
	// Open: everybody.
	Open Access = "open"
	// Reader: whoever is on this machine, and whoever brings the token.
	Reader Access = "reader"
	// Writer: whoever may read, by a request that no page of another site can send.
	Writer Access = "writer"
	// Hook: whoever proves to know a hook's secret.
	Hook Access = "hook"
)

// Route is one address of the API.
type Route struct {
	Method string
	// Path is spelled as http.ServeMux does, without the method.
	Path   string
	Access Access
	// Query are the parameters it takes; any other is refused, so that a
	// misspelt filter is not taken for none.
	Query []string

	handler func(s *Server) access
}

// access is a handler that is told whether the request comes from a reader.
type access func(w http.ResponseWriter, r *http.Request, reader bool)

// Routes are all there is.
func Routes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/livez", Open, []string{"verbose"}, (*Server).live},
		{get, "/healthz", Open, []string{"verbose"}, (*Server).live},
		{get, "/readyz", Open, []string{"verbose"}, (*Server).ready},
		{get, "/metrics", Open, nil, (*Server).metrics},
		{post, "/hooks/git", Hook, nil, hookAt(webhook.Any)},
		{post, "/hooks/github", Hook, nil, hookAt(webhook.GitHub)},
		{post, "/hooks/gitlab", Hook, nil, hookAt(webhook.GitLab)},
		{post, "/hooks/gitea", Hook, nil, hookAt(webhook.Gitea)},
		{post, "/hooks/standard", Hook, nil, hookAt(webhook.Standard)},
		{post, "/hooks/generic", Hook, nil, hookAt(webhook.Generic)},
		{get, "/api/v1/units", Reader, []string{"environment", "cluster", "team", "service", "sync"}, (*Server).units},
		{get, "/api/v1/units/{environment}/{cluster}/{service}", Reader, nil, (*Server).unit},
		{get, "/api/v1/pulls", Reader, nil, (*Server).pulls},
		{get, "/api/v1/pulls/{number}", Reader, nil, (*Server).pull},
		{get, "/api/v1/previews", Reader, nil, (*Server).previews},
		{post, "/api/v1/previews", Writer, nil, (*Server).makePreview},
		{post, "/api/v1/previews/{number}", Writer, nil, (*Server).keepPreview},
		{http.MethodDelete, "/api/v1/previews/{number}", Writer, nil, (*Server).endPreview},
		{get, "/api/v1/clusters", Reader, nil, (*Server).clusters},
		{get, "/api/v1/source", Reader, nil, (*Server).source},
		{get, "/api/v1/records", Reader, []string{"unit", "object", "kind", "since", "before", "limit", "order"}, (*Server).records},
		{get, "/api/v1/events", Reader, []string{"since"}, (*Server).events},
	}
}

// guarded lets only those requests through to the routes of an address that they
// allow. This is the one place where access is decided.
func (s *Server) guarded(routes []Route, loopback bool) http.Handler {
	by, methods := map[string]access{}, []string{}
	for _, route := range routes {
		by[route.Method], methods = route.handler(s), append(methods, route.Method)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		at := slices.IndexFunc(routes, func(route Route) bool { return route.Method == method })
		if at < 0 {
			w.Header().Set("Allow", list(methods))
			fail(w, http.StatusMethodNotAllowed, "method-not-allowed", "use "+list(methods))
			return
		}
		route, reader := routes[at], s.reader(r, loopback)
		if (route.Access == Reader || route.Access == Writer) && !reader {
			w.Header().Set("WWW-Authenticate", `Bearer realm="fairway"`)
			fail(w, http.StatusUnauthorized, "unauthorized", "a bearer token is needed")
			return
		}
		if route.Access == Writer && foreign(r) {
			fail(w, http.StatusForbidden, "forbidden", "what changes something is asked for with Content-Type: application/json, and not by a page of another site")
			return
		}
		if route.Access != Hook { // a forge may add what it likes; nothing of it is read
			for name := range r.URL.Query() {
				if !slices.Contains(route.Query, name) {
					fail(w, http.StatusBadRequest, "bad-request", "there is no such parameter; these are: "+list(route.Query))
					return
				}
			}
		}
		by[route.Method](w, r, reader)
	})
}

func (s *Server) metrics() access {
	h := promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return func(w http.ResponseWriter, r *http.Request, _ bool) { h.ServeHTTP(w, r) }
}
