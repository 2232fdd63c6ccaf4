// Package proxy stands between the daemon and the servers it talks to, an API
// server or a Git server, and does to single requests what networks and servers
// do to them: it holds them up, loses them, loses their answers, answers in the
// server's place, tells old news, or has the daemon killed at a precise moment.
//
// What it does is data: rules, matched in order, each with an action. What it
// did is written down, one line of JSON a request.
package proxy

import (
	"net/http"
	"slices"
	"strings"
)

// Call is one request as rules see it.
type Call struct {
	// Server is the proxy's name: a cluster's, or "git".
	Server string `json:"server"`
	// Verb is the API server's word for it: get, list, watch, create, update,
	// patch, delete, deletecollection; for Git the HTTP method in lower case.
	Verb string `json:"verb"`
	// Group, Version, Resource and Subresource say of what. Resource of a request
	// that is for no resource is empty.
	Group       string `json:"group,omitempty"`
	Version     string `json:"version,omitempty"`
	Resource    string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	// User is the one the request acts as, where it says so.
	User string `json:"user,omitempty"`
	// Path is the path and query as the daemon sent them.
	Path string `json:"path"`
}

// Mutates reports whether the request asks for a change.
func (c Call) Mutates() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, c.Verb)
}

// String is how tables show it. Example: "prod-eu patch deployments shop/cart".
func (c Call) String() string {
	name := c.Name
	if c.Namespace != "" {
		name = c.Namespace + "/" + name
	}
	what := c.Resource
	if what == "" {
		what = c.Path
	}
	return strings.TrimSpace(c.Server + " " + c.Verb + " " + what + " " + name)
}

// gitCall reads a request to a Git server.
func gitCall(server string, r *http.Request) Call {
	c := Call{Server: server, Verb: strings.ToLower(r.Method), Path: r.URL.RequestURI()}
	switch {
	case strings.HasSuffix(r.URL.Path, "/info/refs"):
		c.Resource = "refs"
	case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
		c.Resource = "upload-pack"
	case strings.HasSuffix(r.URL.Path, "/git-receive-pack"):
		c.Resource = "receive-pack"
	}
	return c
}

// apiCall reads a request to an API server.
func apiCall(server string, r *http.Request) Call {
	c := Call{Server: server, Path: r.URL.RequestURI(), User: r.Header.Get("Impersonate-User"), Verb: strings.ToLower(r.Method)}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		c.Version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		c.Group, c.Version, parts = parts[1], parts[2], parts[3:]
	case len(parts) >= 2 && (parts[0] == "apis" || parts[0] == "api"):
		c.Group, c.Resource = strings.Join(parts[1:min(2, len(parts))], ""), "" // discovery
		return c
	default:
		return c
	}
	if parts[0] == "namespaces" && len(parts) > 2 && !slices.Contains([]string{"status", "finalize"}, parts[2]) {
		c.Namespace, parts = parts[1], parts[2:]
	}
	c.Resource = parts[0]
	if len(parts) > 1 {
		c.Name = parts[1]
	}
	if len(parts) > 2 {
		c.Subresource = parts[2]
	}
	c.Verb = verbOf(r, c.Name)
	return c
}

func verbOf(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodGet:
		if w := r.URL.Query().Get("watch"); w == "true" || w == "1" {
			return "watch"
		}
		if name == "" {
			return "list"
		}
		return "get"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		if name == "" {
			return "deletecollection"
		}
		return "delete"
	}
	return strings.ToLower(r.Method)
}
