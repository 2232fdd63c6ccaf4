// Package api is the daemon's HTTP side: health, metrics, what is known of
// units, clusters and the source, the journal as pages and as a stream, and
// the hooks by which forges say that something has moved.
//
// It changes nothing. GET only reads, and what is posted carries no data that is
// trusted: it wakes the look at Git, or at a pull request, that would have come
// anyway. Who may read
// is decided in one place, from the route table.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/status"
	"github.com/fairway-dev/fairway/pkg/webhook"
)

// Daemon is what the API tells of.
type Daemon interface {
	// Units are sorted by unit.
	Units() []status.Unit
	Clusters() []status.Cluster
	Source() status.Source
	// Ready reports whether every check passes.
	Ready() (bool, []Check)
	// Wake asks for a look at Git now. It must not block.
	Wake()
}

// Check is one thing the daemon needs in order to work. Example: "git".
type Check struct {
	Name    string
	OK      bool
	Message string
}

// Journal is the part of journal.Journal that is shown.
type Journal interface {
	Read(ctx context.Context, f journal.Filter) ([]journal.Record, error)
	Wait(ctx context.Context, since int64) ([]journal.Record, error)
	Head() journal.Head
}

// Options are what a Server is made of. Daemon, Journal, Gatherer and Logger
// must be given.
type Options struct {
	Daemon   Daemon
	Journal  Journal
	Gatherer prometheus.Gatherer
	Logger   *slog.Logger
	// Token is what readers from elsewhere than this machine must bring; without
	// one nobody from elsewhere may read.
	Token string
	// HookSecrets are shared with forges; without any there is no hook.
	HookSecrets []webhook.Secret
	// HookRequests counts requests to hooks by forge and verdict; nil counts none.
	HookRequests *prometheus.CounterVec
	// Pulls tells of pull requests; nil where there is no forge.
	Pulls Pulls
	// Previews tells of previews; nil where there is no forge.
	Previews Previews
	// OnHint is told which pull request may have changed, by a request that is
	// signed. It must not block. Nil is told nothing.
	OnHint func(webhook.Hint)
	// Heartbeat is how often an idle stream says that it lives; 0 is 15 seconds.
	Heartbeat time.Duration
	// Now is the daemon's clock, by which ages are told; nil is the machine's.
	Now func() time.Time
}

// Server answers requests.
type Server struct {
	o     Options
	hooks *webhook.Receiver
	// streams holds a place for each open event stream, so that their number is bounded.
	streams chan struct{}
}

// maxStreams bounds the event streams open at once.
const maxStreams = 256

// New makes a server.
func New(o Options) *Server {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{o: o, hooks: webhook.New(webhook.Options{Secrets: o.HookSecrets}), streams: make(chan struct{}, maxStreams)}
}

// Handler answers requests that come in on one listener. Loopback says that
// only this machine can reach it.
func (s *Server) Handler(loopback bool) http.Handler {
	mux := http.NewServeMux()
	at := map[string][]Route{}
	for _, r := range Routes() {
		at[r.Path] = append(at[r.Path], r)
	}
	for path, routes := range at {
		mux.Handle(path, s.guarded(routes, loopback))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "not-found", "there is nothing at this address")
	})
	return s.outer(mux)
}
