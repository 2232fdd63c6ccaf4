package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// watching is one kind being watched.
type watching struct {
	res    resource
	stop   context.CancelFunc
	synced chan struct{} // closed when the first listing is in
	down   time.Time     // since when it is cut off; zero while it is not
}

func (w *watching) isSynced() bool {
	select {
	case <-w.synced:
		return true
	default:
		return false
	}
}

// Ensure watches kinds and waits until the index knows them. Kinds that the
// cluster does not serve are ErrNoKind, each named, while the others still
// start; call again when a CustomResourceDefinition has arrived.
func (c *Cluster) Ensure(ctx context.Context, kinds []Kind) error {
	var errs []error
	started := make([]*watching, 0, len(kinds))
	for _, kind := range kinds {
		w, err := c.ensure(ctx, kind)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		started = append(started, w)
	}
	for _, w := range started {
		select {
		case <-w.synced:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("wait for first listing of %s: %w: %w", w.res.Kind, cluster.ErrUnreachable, ctx.Err()))
		}
	}
	return errors.Join(errs...)
}

func (c *Cluster) ensure(ctx context.Context, kind Kind) (*watching, error) {
	gk := schema.GroupKind{Group: kind.Group, Kind: kind.Kind}
	if w := c.index.watched(gk, kind.Version); w != nil {
		return w, nil
	}
	res, err := c.kinds.resolve(ctx, kind)
	if err != nil {
		return nil, err
	}
	return c.watch(gk, res), nil
}

// watched gives the watch of a kind if it needs no other: a kind is watched in
// the newest version that anyone uses it in.
func (x *index) watched(gk schema.GroupKind, want string) *watching {
	x.mu.RLock()
	defer x.mu.RUnlock()
	k := x.kinds[gk]
	if k == nil || k.watch == nil || outdated(k.watch, want) {
		return nil
	}
	return k.watch
}

func outdated(w *watching, want string) bool {
	return want != "" && version.CompareKubeAwareVersionStrings(want, w.res.Version) > 0
}

func (c *Cluster) watch(gk schema.GroupKind, res resource) *watching {
	x := c.index
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.kind(gk)
	if k.watch != nil {
		if !outdated(k.watch, res.Version) {
			return k.watch
		}
		k.watch.stop()
	}
	c.open(gk, k, &watching{res: res, synced: make(chan struct{}), down: x.now()})
	return k.watch
}

// open begins a watch. The caller holds the index's lock.
func (c *Cluster) open(gk schema.GroupKind, k *kindIndex, w *watching) {
	ctx, stop := context.WithCancel(klog.NewContext(c.running, c.quietLog()))
	w.stop, k.watch = stop, w
	c.kinds.prefer(w.res.Kind)
	f := &feed{index: c.index, kind: k, gk: gk, watch: w, api: c.client.streams.Resource(w.res.gvr()), silence: c.opts.Silence}
	log := c.quietLog()
	reflector := cache.NewReflectorWithOptions(f.listWatch(), nil, f, cache.ReflectorOptions{
		Logger: &log, Name: c.opts.Name + " " + w.res.Kind.String(), TypeDescription: w.res.Kind.String(),
	})
	c.done.Go(func() { reflector.RunWithContext(ctx) })
}

// watchAnew lists a kind and watches it again, if it is watched. What is known of its
// objects stays known meanwhile, and how they are doing is news if it changed.
func (c *Cluster) watchAnew(gk schema.GroupKind) {
	c.index.mu.Lock()
	defer c.index.mu.Unlock()
	k := c.index.kinds[gk]
	if k == nil || k.watch == nil {
		return
	}
	old := k.watch
	old.stop()
	c.open(gk, k, &watching{res: old.res, synced: old.synced, down: old.down})
}

// quietLog passes client-go's own log on as debug lines: what it reports is
// retried by it, and what lasts shows as an unknown set.
func (c *Cluster) quietLog() klog.Logger {
	return logr.FromSlogHandler(debugOnly{c.opts.Log.Handler()})
}

// blind says why the index cannot answer for a kind; nil if it can.
func (x *index) blind(gk schema.GroupKind, grace time.Duration) error {
	k := x.kinds[gk]
	switch {
	case k == nil || k.watch == nil:
		return fmt.Errorf("%s is not watched: %w", gk, cluster.ErrNoKind)
	case !k.watch.isSynced():
		return fmt.Errorf("%s is not yet listed: %w", gk, cluster.ErrUnreachable)
	case !k.watch.down.IsZero() && x.now().Sub(k.watch.down) > grace:
		return fmt.Errorf("watch of %s is cut off since %s: %w", gk, k.watch.down.UTC().Format(time.RFC3339), cluster.ErrUnreachable)
	}
	return nil
}

// up and cut say whether a watch is open.
func (x *index) up(w *watching) {
	x.mu.Lock()
	defer x.mu.Unlock()
	w.down = time.Time{}
}

func (x *index) cut(w *watching) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if w.down.IsZero() {
		w.down = x.now()
	}
}
