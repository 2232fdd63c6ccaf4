package kube

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// auditHeader is the request's id in the API server's audit log. The server
// takes the one it is given.
const auditHeader = "Audit-ID"

// explain sees to it that nothing is changed without a record of why.
type explain struct {
	cluster string
	ledger  cluster.Ledger
}

// wrap gives each try of a request that changes anything an id of its own. A
// request whose sender names no cause is taken down as a deed first.
func (e explain) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if !changes(req) {
			return next.RoundTrip(req)
		}
		ctx := req.Context()
		cause := cluster.CauseOf(ctx)
		if cause == nil && e.ledger != nil {
			cause = e.ledger.Deed(ctx, cluster.Deed{
				Cluster: e.cluster, Object: req.URL.Path, Action: strings.ToLower(req.Method), Reason: "housekeeping of the daemon",
			})
		}
		if cause != nil {
			req = req.Clone(ctx)
			req.Header.Set(auditHeader, cause.Next())
		}
		return next.RoundTrip(req)
	})
}

// changes reports whether a request may change the cluster. A dry run does not.
func changes(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return req.URL.Query().Get("dryRun") != "All"
}

// Explain has whatever changes are asked for by others with a configuration
// taken down once, as one deed, and carry ids of it. Example: a Lease that is
// renewed for as long as the process lives.
func Explain(cfg *rest.Config, d cluster.Deed, ledger cluster.Ledger) {
	if ledger == nil {
		return
	}
	cause := sync.OnceValue(func() *cluster.Cause { return ledger.Deed(context.Background(), d) })
	e := explain{cluster: d.Cluster, ledger: ledger}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		inner := e.wrap(next)
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if changes(req) && strings.HasPrefix(req.URL.Path, d.Object) {
				req = req.WithContext(cluster.WithCause(req.Context(), cause()))
			}
			return inner.RoundTrip(req)
		})
	})
}

// inventory takes down a write of some units' inventory.
func (e explain) inventory(ctx context.Context, verb, path string, data map[string]string) context.Context {
	if e.ledger == nil || cluster.CauseOf(ctx) != nil {
		return ctx
	}
	d := cluster.Deed{Cluster: e.cluster, Object: path, Action: verb, Reason: "records in the inventory what units own"}
	revisions := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		var stored struct{ Unit, Revision string }
		if json.Unmarshal([]byte(data[key]), &stored) != nil || stored.Unit == "" {
			stored.Unit = strings.ReplaceAll(key, "_", "/")
		}
		d.Units = append(d.Units, stored.Unit)
		if stored.Revision != "" {
			revisions[stored.Revision] = true
		}
	}
	d.Revisions = slices.Sorted(maps.Keys(revisions))
	return cluster.WithCause(ctx, e.ledger.Deed(ctx, d))
}

// present gives the keys of a patch, with nothing for those that it removes.
func present(data map[string]*string) map[string]string {
	out := make(map[string]string, len(data))
	for key, value := range data {
		out[key] = ""
		if value != nil {
			out[key] = *value
		}
	}
	return out
}
