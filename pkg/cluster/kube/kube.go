// Package kube is the live side of Kubernetes: it applies, reads and deletes
// single objects, keeps a watch-fed index of what is ours, and records in the
// cluster which objects each unit may one day remove.
//
// In go object.Object and object.ID; out come cluster.Entry, cluster.Live and
// the errors of package cluster. The one thing to know: the index answers
// "is it as we left it" without a request, and it never answers "may it be
// deleted"; that takes a fresh read and the inventory.
package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/inventory"
)

// Options tune a Cluster. The zero value works.
type Options struct {
	// Name is what people call the cluster. Example: "prod-eu".
	Name string
	// Log receives what happens in the background; nil discards it.
	Log *slog.Logger
	// Grace is how long a watch may be broken before the index stops
	// answering; 30 s if zero.
	Grace time.Duration
	// Silence is how long a watch may say nothing, not even a bookmark, before
	// it is taken for dead and opened anew; 3 min if zero.
	Silence time.Duration
	// FlushAfter is how long a confirmed UID may wait to be written; 1 s if zero.
	FlushAfter time.Duration
	// Timeout bounds each request that is not a watch; 15 s if zero.
	Timeout time.Duration
	// Namespace holds the inventory; "fairway-system" if empty.
	Namespace string
	// Guard is asked before every request that changes anything; its error is
	// that of the request, which is not sent. Nil lets all pass.
	Guard func() error
	// Ledger is told of every change that no plan asks for before it is sent;
	// nil tells nobody.
	Ledger cluster.Ledger
	// Patience is shared by all that reach clusters, one after another; nil is one of its own.
	Patience *Patience
	// Seal is the secret that marks are kept under: what was written under
	// another is not taken.
	Seal []byte
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Grace == 0 {
		o.Grace = 30 * time.Second
	}
	if o.Silence == 0 {
		o.Silence = 3 * time.Minute
	}
	if o.FlushAfter == 0 {
		o.FlushAfter = time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Namespace == "" {
		o.Namespace = "fairway-system"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Patience == nil {
		o.Patience = &Patience{}
	}
	return o
}

// Cluster is one Kubernetes cluster. Its methods are safe for concurrent use.
type Cluster struct {
	opts      Options
	uid       string
	client    *client
	kinds     *kinds
	index     *index
	events    *events
	inventory *inventory.Inventory
	judging   sync.Mutex // held while the rules of health change

	running context.Context // ends with Close; watches live as long
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Connect reaches a cluster and learns its identity, the UID of the namespace
// kube-system. Nothing is watched until Ensure, and no inventory is known
// until LoadInventory.
func Connect(ctx context.Context, cfg *rest.Config, opts Options) (*Cluster, error) {
	opts = opts.filled()
	cl, err := newClient(cfg, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to cluster %s: %w", opts.Name, err)
	}
	c := &Cluster{opts: opts, client: cl, kinds: newKinds(cl, opts.Now)}
	c.running, c.stop = context.WithCancel(context.Background())
	c.events = newEvents()
	c.index = newIndex(c.events, opts.Now)
	c.inventory = inventory.New(&configMaps{client: cl, namespace: opts.Namespace}, opts.FlushAfter, opts.Log)
	if c.uid, err = c.identify(ctx); err != nil {
		c.stop()
		return nil, fmt.Errorf("connect to cluster %s: %w", opts.Name, err)
	}
	c.done.Go(func() { c.events.pump(c.running) })
	return c, nil
}

func (c *Cluster) identify(ctx context.Context) (string, error) {
	meta, err := c.client.metadata(ctx, "/api/v1/namespaces/kube-system")
	if err != nil {
		return "", refusal("identify by namespace kube-system", err)
	}
	return string(meta.UID), nil
}

// UID identifies the cluster for as long as it exists.
func (c *Cluster) UID() string { return c.uid }

// Name is what people call the cluster.
func (c *Cluster) Name() string { return c.opts.Name }

// Ping reports whether the cluster answers, and is still the one that was
// connected to.
func (c *Cluster) Ping(ctx context.Context) error {
	uid, err := c.identify(ctx)
	if err != nil {
		return fmt.Errorf("ping cluster %s: %w", c.opts.Name, err)
	}
	if uid != c.uid {
		return fmt.Errorf("ping cluster %s: another cluster answers (%s, was %s)", c.opts.Name, uid, c.uid)
	}
	return nil
}

// Close ends the watches and writes what the inventory still holds back, for
// at most a few seconds. UIDs that could not be written are found again by
// the next process.
func (c *Cluster) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.inventory.Close(ctx); err != nil {
		c.opts.Log.Error("write inventory at close", "cluster", c.opts.Name, "err", err)
	}
	c.stop()
	c.done.Wait()
	c.client.close()
}

// Kind is a kind of object in one API version, spelled as in a manifest. An
// empty Version asks for the one the cluster prefers.
type Kind struct{ Group, Version, Kind string }

// String spells the kind as kubectl does. Example: "Deployment.v1.apps".
func (k Kind) String() string {
	s := k.Kind
	if k.Version != "" {
		s += "." + k.Version
	}
	if k.Group != "" {
		s += "." + k.Group
	}
	return s
}

// Stats are counters for metrics and for tests that gate on them.
type Stats struct {
	// Requests counts requests by verb and resource. Example: "patch deployments.apps".
	Requests map[string]int64
	// Watches is how many kinds are watched; Broken how many of these are cut off.
	Watches, Broken int
	// Entries is how many objects the index holds.
	Entries int
	// Events counts watch events taken in, Quiet those of them that meant nothing.
	Events, Quiet int64
}

// Requests counts the requests sent so far by verb and resource.
func (c *Cluster) Requests() map[string]int64 { return c.client.requests.counts() }

// Stats gives the counters.
func (c *Cluster) Stats() Stats {
	s := c.index.stats()
	s.Requests = c.Requests()
	return s
}
