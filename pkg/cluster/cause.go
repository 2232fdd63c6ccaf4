package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Cause is why a cluster is asked for a change: the journal's record that says
// so. Every request that changes anything carries an id made from it, which
// the API server writes in its own audit log, so that either log leads to the
// other. It is safe for concurrent use.
type Cause struct {
	id   string
	step string
	sent *sent
}

// sent counts the requests of a cause and its steps, and lists them.
type sent struct {
	count atomic.Int64
	mu    sync.Mutex
	by    map[string][]string
}

// NewCause is the cause with an id that no other has.
// Example: "fw-4d0a1c9e77b2-91f3c07a-12".
func NewCause(id string) *Cause { return &Cause{id: id, sent: &sent{by: map[string][]string{}}} }

// ID is what the requests' ids begin with.
func (c *Cause) ID() string { return c.id }

// Step is the cause of what one step of a plan sends.
func (c *Cause) Step(n int) *Cause {
	if c == nil {
		return nil
	}
	return &Cause{id: c.id, step: fmt.Sprintf(".%d", n), sent: c.sent}
}

// Next gives the id of one more request.
// Example: "fw-4d0a1c9e77b2-91f3c07a-12.0.3", the third request, and for step 0.
func (c *Cause) Next() string {
	id := fmt.Sprintf("%s%s.%d", c.id, c.step, c.sent.count.Add(1))
	c.sent.mu.Lock()
	defer c.sent.mu.Unlock()
	c.sent.by[c.step] = append(c.sent.by[c.step], id)
	return id
}

// Sent lists the ids given so far for this step.
func (c *Cause) Sent() []string {
	if c == nil {
		return nil
	}
	c.sent.mu.Lock()
	defer c.sent.mu.Unlock()
	return slices.Clone(c.sent.by[c.step])
}

// causeKey is where a context has its cause.
type causeKey struct{}

// WithCause gives the requests made with the context their cause.
func WithCause(ctx context.Context, c *Cause) context.Context {
	if c == nil {
		return ctx
	}
	return context.WithValue(ctx, causeKey{}, c)
}

// CauseOf gives the cause of a context, or nil.
func CauseOf(ctx context.Context) *Cause {
	c, _ := ctx.Value(causeKey{}).(*Cause)
	return c
}

// Deed is a change that no plan asks for, such as a write of the inventory.
type Deed struct {
	// Cluster is what people call the cluster.
	Cluster string
	// Object is what is changed. Example: "/api/v1/namespaces/fairway-system/configmaps/inventory-dev.shop".
	Object string
	// Action is the verb of the request, in lower case. Example: "patch".
	Action string
	// Reason says why, for people.
	Reason string
	// Units and Revisions are those it is for.
	Units     []string
	Revisions []string
}

// Ledger takes down what a cluster is about to be asked for before it is
// asked, so that no request is without a record whatever happens next.
type Ledger interface {
	// Deed takes down a change that no plan asks for.
	Deed(ctx context.Context, d Deed) *Cause
}
