package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/fairway-dev/fairway/pkg/object"
)

// seen is an object on its way into the index: its record and as much of its
// metadata as client-go's reflector needs. Objects become this while they
// stream in, so a listing of any length never holds manifests.
type seen struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	record record
}

// DeepCopyObject makes a copy, as a runtime.Object must.
func (s *seen) DeepCopyObject() runtime.Object {
	c := *s
	return &c
}

func (s *seen) id(gk schema.GroupKind) object.ID {
	return object.ID{Group: gk.Group, Kind: gk.Kind, Namespace: s.Namespace, Name: s.Name}
}

// seenList is a whole listing.
type seenList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []seen
}

// DeepCopyObject makes a copy, as a runtime.Object must.
func (l *seenList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

// feed brings one kind into the index. Towards the reflector it is both the
// source, which shrinks what it reads, and the store.
type feed struct {
	index   *index
	kind    *kindIndex
	gk      schema.GroupKind
	watch   *watching
	api     dynamic.NamespaceableResourceInterface
	silence time.Duration
}

func (f *feed) listWatch() *cache.ListWatch {
	return &cache.ListWatch{ListWithContextFunc: f.list, WatchFuncWithContext: f.open}
}

func selector() string { return object.LabelManagedBy + "=" + object.ManagedBy }

func (f *feed) shrink(u *unstructured.Unstructured) *seen {
	return &seen{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: shared(u.GetNamespace()), Name: u.GetName(),
			UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(),
		},
		record: f.index.record(u.Object, ""),
	}
}

// list reads page by page and keeps no page. A listing "as of any version" is
// made a consistent one: a lagging API server must make us wait, not act.
func (f *feed) list(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
	if opts.ResourceVersion == "0" {
		opts.ResourceVersion = ""
	}
	opts.LabelSelector, opts.Limit = selector(), 500
	out := &seenList{}
	for {
		page, err := f.api.List(ctx, opts)
		if err != nil {
			f.index.cut(f.watch)
			return nil, err
		}
		if page.GetResourceVersion() == "" {
			return nil, fmt.Errorf("list %s: answer has no resourceVersion", f.gk)
		}
		for i := range page.Items {
			out.Items = append(out.Items, *f.shrink(&page.Items[i]))
		}
		out.ResourceVersion = page.GetResourceVersion()
		if opts.Continue = page.GetContinue(); opts.Continue == "" {
			return out, nil
		}
		opts.ResourceVersion, opts.ResourceVersionMatch = "", ""
	}
}

func (f *feed) open(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	opts.LabelSelector = selector()
	in, err := f.api.Watch(ctx, opts)
	if err != nil {
		f.index.cut(f.watch)
		return nil, err
	}
	f.index.up(f.watch)
	s := &stream{feed: f, in: in, out: make(chan watch.Event), stopped: make(chan struct{})}
	go s.run()
	return s, nil
}

// stream shrinks the objects of an open watch. One that has been silent for
// too long, bookmarks included, is taken for dead and closed, so that the
// reflector opens another where it left off.
type stream struct {
	feed    *feed
	in      watch.Interface
	out     chan watch.Event
	stopped chan struct{}
	once    sync.Once
}

// Stop ends the stream; ResultChan delivers it. Both are watch.Interface's.
func (s *stream) Stop()                          { s.once.Do(func() { close(s.stopped) }) }
func (s *stream) ResultChan() <-chan watch.Event { return s.out }

func (s *stream) run() {
	defer close(s.out)
	defer s.feed.index.cut(s.feed.watch)
	defer s.in.Stop()
	quiet := time.NewTimer(s.feed.silence)
	defer quiet.Stop()
	for {
		select {
		case ev, ok := <-s.in.ResultChan():
			if !ok || !s.pass(ev) {
				return
			}
			quiet.Reset(s.feed.silence)
		case <-quiet.C:
			return
		case <-s.stopped:
			return
		}
	}
}

func (s *stream) pass(ev watch.Event) bool {
	if u, ok := ev.Object.(*unstructured.Unstructured); ok && ev.Type != watch.Bookmark && ev.Type != watch.Error {
		ev.Object = s.feed.shrink(u)
	}
	select {
	case s.out <- ev:
		return true
	case <-s.stopped:
		return false
	}
}

// Add, Update, Delete, Replace and Resync are the reflector's store.
func (f *feed) Add(obj any) error { return f.Update(obj) }

// Update takes in one state of one object.
func (f *feed) Update(obj any) error {
	s, ok := obj.(*seen)
	if !ok {
		return fmt.Errorf("take in %T: it is no object seen", obj)
	}
	f.index.mu.Lock()
	defer f.index.mu.Unlock()
	if f.kind.watch == f.watch {
		f.index.observed(f.kind, s.id(f.gk), s.record, false)
	}
	return nil
}

// Delete takes in that an object left the selection.
func (f *feed) Delete(obj any) error {
	s, ok := obj.(*seen)
	if !ok {
		return fmt.Errorf("take in %T: it is no object seen", obj)
	}
	f.index.mu.Lock()
	defer f.index.mu.Unlock()
	if f.kind.watch == f.watch {
		f.index.gone(f.kind, s.id(f.gk), string(s.UID), s.ResourceVersion)
	}
	return nil
}

// Replace takes in a whole listing.
func (f *feed) Replace(list []any, rv string) error {
	all := make([]*seen, 0, len(list))
	for _, obj := range list {
		s, ok := obj.(*seen)
		if !ok {
			return fmt.Errorf("take in %T: it is no object seen", obj)
		}
		all = append(all, s)
	}
	f.index.mu.Lock()
	defer f.index.mu.Unlock()
	if f.kind.watch != f.watch {
		return nil // another version of the kind is watched by now
	}
	first := !f.watch.isSynced()
	f.index.replaced(f.gk, f.kind, all, rv, first)
	if first {
		close(f.watch.synced)
	}
	return nil
}

// Resync has nothing to do: nothing here is queued.
func (f *feed) Resync() error { return nil }

// debugOnly lowers every log line to debug.
type debugOnly struct{ slog.Handler }

// Enabled asks whether debug lines are wanted, whatever the level.
func (d debugOnly) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle passes the line on as a debug line.
func (d debugOnly) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the lowering.
func (d debugOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return debugOnly{d.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the lowering, too.
func (d debugOnly) WithGroup(name string) slog.Handler { return debugOnly{d.Handler.WithGroup(name)} }
