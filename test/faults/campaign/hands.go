package campaign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
)

// place is an object that somebody puts a hand on.
type place struct{ cluster, resource, namespace, name string }

func placeOf(c proxy.Call) place { return place{c.Server, c.Resource, c.Namespace, c.Name} }

func (r *Run) api(p place) dynamic.ResourceInterface {
	for _, kind := range oracle.Kinds() {
		if kind.Resource == p.resource {
			api := r.Admin()[p.cluster].Resource(kind.GroupVersionResource)
			if p.namespace == "" {
				return api
			}
			return api.Namespace(r.Own(strings.ReplaceAll(p.namespace, oracle.Records, r.System())))
		}
	}
	return nil
}

func (r *Run) get(ctx context.Context, p place) (*unstructured.Unstructured, error) {
	return r.api(p).Get(ctx, r.Own(p.name), metav1.GetOptions{})
}

// without is an object as somebody makes it anew from what kubectl get gave them.
func without(o *unstructured.Unstructured) *unstructured.Unstructured {
	c := o.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers", "ownerReferences"} {
		unstructured.RemoveNestedField(c.Object, "metadata", field)
	}
	delete(c.Object, "status")
	for _, field := range []string{"clusterIP", "clusterIPs"} {
		unstructured.RemoveNestedField(c.Object, "spec", field)
	}
	return c
}

// recreated are F26: before the daemon looks at an object that it is going to
// delete, or between its look and the deletion, somebody deletes it and makes
// one of the same name. That one must live.
func recreated(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, call := range want.Writes {
			if call.Verb != "delete" || call.Namespace == oracle.Records {
				continue
			}
			p := placeOf(call)
			for verb, word := range map[string]string{"get": "it is looked at", "delete": "it is deleted"} {
				late := call
				late.Verb = verb
				rule := proxy.Rule{ID: "late", Match: exactly(late, 1), Do: proxy.Action{Kind: proxy.Pass, Delay: 1500 * time.Millisecond}}
				out = append(out, Case{Fault: "F26", Name: fmt.Sprintf("%s: %s: made anew before %s", want.Name, call, word), Step: step,
					Rules: []proxy.Rule{rule}, Fires: "late", After: func(ctx context.Context, r *Run) error { return r.recreate(ctx, p) }})
			}
		}
	}
	slices.SortFunc(out, func(a, b Case) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (r *Run) recreate(ctx context.Context, p place) error {
	err := eventually(ctx, 20*time.Second, func() string {
		if len(r.Rules.Fired("late")) == 0 {
			return "there was no deletion"
		}
		return ""
	})
	if err != nil {
		return ctx.Err() // the case was not tried
	}
	old, err := r.get(ctx, p)
	if err != nil {
		return fmt.Errorf("read what is to be made anew: %w", err)
	}
	if err := r.api(p).Delete(ctx, old.GetName(), metav1.DeleteOptions{}); err != nil {
		return err
	}
	anew, err := r.api(p).Create(ctx, without(old), metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		return fmt.Errorf("make anew: %w", err)
	}
	if err := pause(ctx, 4*time.Second); err != nil {
		return err
	}
	now, err := r.get(ctx, p)
	if err != nil || now.GetUID() != anew.GetUID() || now.GetDeletionTimestamp() != nil {
		r.Wrong("%v, which somebody made anew, was deleted: %v", p, err)
		return nil
	}
	return r.api(p).Delete(ctx, now.GetName(), metav1.DeleteOptions{})
}

// recordsLost are F36: somebody deletes the daemon's records, one of them, all,
// or their namespace, while it runs and while it is dead. Nothing is pruned for it.
func recordsLost(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		if deletes(want) || stuck(want) {
			continue // what is removed, or held, while no record of it is there stays as it is
		}
		for _, what := range []string{"one record", "all records", "the namespace"} {
			for _, dead := range []bool{false, true} {
				word := "while the daemon runs"
				if dead {
					word = "while the daemon is dead"
				}
				out = append(out, Case{Fault: "F36", Name: fmt.Sprintf("%s: %s of ours is deleted %s", want.Name, what, word), Step: step,
					After: func(ctx context.Context, r *Run) error { return r.loseRecords(ctx, what, dead) }})
			}
		}
	}
	return out
}

func deletes(want Expected) bool {
	for _, c := range want.Counts {
		if c.Deletes > 0 {
			return true
		}
	}
	return false
}

// stuck reports whether a unit is not applied any more, and so not recorded either.
func stuck(want Expected) bool {
	for _, word := range want.Units {
		if word == "Held" || word == "Failed" {
			return true
		}
	}
	return false
}

func (r *Run) loseRecords(ctx context.Context, what string, dead bool) error {
	if err := r.Settle(ctx, settleLimit); err != nil {
		r.Wrong("before the fault: %v", err)
		return nil
	}
	if err := quiet(ctx, r.World, shortCalm, settleLimit); err != nil {
		return err
	}
	if dead {
		r.Daemon.Kill()
	}
	for _, cluster := range []string{"local", "prod-eu"} {
		if err := r.deleteRecords(ctx, cluster, what); err != nil {
			return err
		}
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if what == "the namespace" { // the rights in it went, too
		if err := r.Install(ctx); err != nil {
			return err
		}
	}
	if dead {
		return r.Daemon.Start()
	}
	// Records are written again with the next change; a death before that must
	// cost nothing either.
	r.Daemon.Kill()
	return r.Daemon.Start()
}

func (r *Run) deleteRecords(ctx context.Context, cluster, what string) error {
	if what == "the namespace" {
		spaces := place{cluster: cluster, resource: "namespaces"}
		if err := r.api(spaces).Delete(ctx, r.System(), metav1.DeleteOptions{}); err != nil {
			return err
		}
		return eventually(ctx, time.Minute, func() string {
			if _, err := r.api(spaces).Get(ctx, r.System(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return "the namespace is going"
			}
			return ""
		})
	}
	parts := r.api(place{cluster: cluster, resource: "configmaps", namespace: oracle.Records})
	list, err := parts.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i, part := range list.Items {
		if part.GetName() == "kube-root-ca.crt" || what == "one record" && i > 0 {
			continue
		}
		if err := parts.Delete(ctx, part.GetName(), metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// others are F27: somebody else has a hand in the objects, all the time.
func others(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		out = append(out,
			Case{Fault: "F27", Name: want.Name + ": an operator copies our labels and annotations", Step: step, Before: copyAll, After: copiesLive})
		if p, ok := first(want, "configmaps", "patch"); ok {
			out = append(out, Case{Fault: "F27", Name: want.Name + ": a controller fights for a field", Step: step,
				After: func(ctx context.Context, r *Run) error { return r.fight(ctx, p) }})
		}
		if p, ok := first(want, "services", "delete"); ok {
			out = append(out, Case{Fault: "F27", Name: want.Name + ": a foreign finalizer holds an object", Step: step,
				Before: func(ctx context.Context, r *Run) error { return r.finalizer(ctx, p, true) },
				After:  func(ctx context.Context, r *Run) error { return r.held(ctx, p) }})
		}
	}
	return out
}

// first is the first object of a resource that a step does something to.
func first(want Expected, resource, verb string) (place, bool) {
	for _, c := range want.Writes {
		if c.Resource == resource && c.Verb == verb && c.Namespace != oracle.Records {
			return placeOf(c), true
		}
	}
	return place{}, false
}

// copyAll makes, of every ConfigMap and Service of ours, one that carries the
// same labels and annotations, as operators do to what they make.
func copyAll(ctx context.Context, r *Run) error {
	objects, err := r.Live(ctx)
	if err != nil {
		return err
	}
	for _, l := range objects {
		if l.Kind.Name != "ConfigMap" || !l.Ours() {
			continue
		}
		c := without(l.Unstructured)
		c.SetName("copy-of-" + l.GetName())
		api := r.Admin()[l.Cluster].Resource(l.Kind.GroupVersionResource).Namespace(l.GetNamespace())
		if _, err := api.Create(ctx, c, metav1.CreateOptions{FieldManager: "operator"}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("copy %s: %w", l.Key(), err)
		}
	}
	return nil
}

// copiesLive holds that the daemon let the copies be, and takes them away.
func copiesLive(ctx context.Context, r *Run) error {
	from, err := r.Now()
	if err != nil {
		return err
	}
	if err := copyAll(ctx, r); err != nil { // of what the step made, too
		return err
	}
	if err := r.Settle(ctx, settleLimit); err != nil {
		r.Wrong("beside copies: %v", err)
	}
	requests, err := r.Since(from)
	if err != nil {
		return err
	}
	for _, q := range requests {
		if q.Mutates() && strings.HasPrefix(q.Object.Name, "copy-of-") {
			r.Wrong("a copy was touched: %s", q)
		}
	}
	objects, err := r.Live(ctx)
	if err != nil {
		return err
	}
	for _, l := range objects {
		if strings.HasPrefix(l.GetName(), "copy-of-") {
			api := r.Admin()[l.Cluster].Resource(l.Kind.GroupVersionResource).Namespace(l.GetNamespace())
			if err := api.Delete(ctx, l.GetName(), metav1.DeleteOptions{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// fightLimit is how often the daemon may put one field back while somebody else
// sets it again at once.
const fightLimit = 8

// fight sets a field again whenever the daemon put it back.
func (r *Run) fight(ctx context.Context, p place) error {
	if err := r.Settle(ctx, settleLimit); err != nil {
		r.Wrong("before the fault: %v", err)
		return nil
	}
	from, err := r.Now()
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < 6*time.Second; {
		o, err := r.get(ctx, p)
		if err != nil {
			return err
		}
		if text, _, _ := unstructured.NestedString(o.Object, "data", "LOG_LEVEL"); text != "mine" {
			if err := unstructured.SetNestedField(o.Object, "mine", "data", "LOG_LEVEL"); err != nil {
				return err
			}
			if _, err := r.api(p).Update(ctx, o, metav1.UpdateOptions{FieldManager: "rival"}); err != nil && !apierrors.IsConflict(err) {
				return err
			}
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	requests, err := r.Since(from)
	if err != nil {
		return err
	}
	writes := 0
	for _, q := range requests {
		if q.Mutates() && q.Object.Name == r.Own(p.name) && q.Object.Resource == p.resource {
			writes++
		}
	}
	if writes > fightLimit {
		r.Wrong("it wrote %v %d times in 6 s against another controller, want %d at most", p, writes, fightLimit)
	}
	// The rival gives up and puts the field back. A daemon that made a truce may
	// take its time to look; one that starts anew does not.
	if err := r.yield(ctx, p); err != nil {
		return err
	}
	r.Daemon.Kill()
	return r.Restart(ctx)
}

// yield has the rival put the field back to what it was before the fight, and own it no more:
// else the next change of it would be a conflict, as it should be.
func (r *Run) yield(ctx context.Context, p place) error {
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	o, err := r.get(ctx, p)
	if err != nil {
		return err
	}
	kind := r.Shared(p.cluster + " ConfigMap " + p.namespace + "/" + p.name)
	want := r.Want.State[kind]["/data/LOG_LEVEL"]
	if err := unstructured.SetNestedField(o.Object, want, "data", "LOG_LEVEL"); err != nil {
		return err
	}
	if _, err := r.api(p).Update(ctx, o, metav1.UpdateOptions{FieldManager: "rival"}); err != nil && !apierrors.IsConflict(err) {
		return err
	}
	for range 10 {
		if o, err = r.get(ctx, p); err != nil {
			return err
		}
		o.SetManagedFields(slices.DeleteFunc(o.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Manager == "rival" }))
		if _, err = r.api(p).Update(ctx, o, metav1.UpdateOptions{FieldManager: "rival"}); !apierrors.IsConflict(err) {
			return err
		}
	}
	return err
}

// finalizer puts somebody else's finalizer on an object, or takes it off.
func (r *Run) finalizer(ctx context.Context, p place, on bool) error {
	patch := `{"metadata":{"finalizers":null}}`
	if on {
		patch = `{"metadata":{"finalizers":["example.com/hold"]}}`
	}
	_, err := r.api(p).Patch(ctx, r.Own(p.name), "application/merge-patch+json", []byte(patch), metav1.PatchOptions{FieldManager: "holder"})
	return err
}

// held holds that a finalizer that never clears blocks its object alone, and
// that we do not strip it.
func (r *Run) held(ctx context.Context, p place) error {
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	o, err := r.get(ctx, p)
	switch {
	case err != nil:
		r.Wrong("%v was gone in spite of its finalizer: %v", p, err)
		return nil
	case o.GetDeletionTimestamp() == nil:
		r.Wrong("%v was not asked to go", p)
	case len(o.GetFinalizers()) == 0:
		r.Wrong("the finalizer of %v was stripped", p)
	}
	objects, err := r.Live(ctx)
	if err != nil {
		return err
	}
	for _, missing := range oracle.Unrecorded(objects, r.System()) {
		r.Wrong("while the finalizer holds it, %s", missing)
	}
	return r.finalizer(ctx, p, false)
}
