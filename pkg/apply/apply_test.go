package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	places "github.com/fairway-dev/fairway/pkg/wave"
)

type fields = map[string]any

const unit = "prod/eu/checkout"

func key() catalog.UnitKey {
	return catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "checkout"}
}

// fake is no cluster: it keeps objects in a map and takes down what it is asked,
// so that the order of requests can be looked at. What a real API server makes
// of them is for test/e2e.
type fake struct {
	mu        sync.Mutex
	calls     []string
	objects   map[object.ID]cluster.Live
	inventory map[object.ID]cluster.Owned
	health    map[object.ID]cluster.Entry // what the index says beside "healthy"
	fails     map[string]error            // by call
	unknown   bool                        // the inventory cannot be read
	sticky    bool                        // deleted objects stay, held by a finalizer
	shared    bool                        // others write every object, too
	made      int
}

func newFake() *fake {
	return &fake{objects: map[object.ID]cluster.Live{}, inventory: map[object.ID]cluster.Owned{}, health: map[object.ID]cluster.Entry{}, fails: map[string]error{}}
}

func (f *fake) call(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	f.calls = append(f.calls, call)
	return f.fails[call]
}

func (f *fake) Apply(_ context.Context, r cluster.ApplyRequest) (cluster.Applied, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bound := ""
	if r.UID != "" {
		bound = " uid=" + r.UID
	}
	if r.Force && r.UID != "" {
		bound += " force"
	}
	if err := f.call("apply %s%s", r.Object.ID.Name, bound); err != nil {
		return cluster.Applied{}, err
	}
	live, there := f.objects[r.Object.ID]
	if !there {
		f.made++
		live = cluster.Live{ID: r.Object.ID, UID: fmt.Sprint("made-", f.made), ResourceVersion: "1"}
	}
	live.Fields = r.Object.Fields()
	mark(live.Fields, r.Unit)
	f.objects[r.Object.ID] = live
	return cluster.Applied{UID: live.UID, Created: !there, Shared: f.shared}, nil
}

func mark(f fields, owner string) {
	meta := f["metadata"].(fields)
	meta["annotations"] = fields{object.AnnotationUnit: owner}
}

func (f *fake) Get(_ context.Context, id object.ID, _ string) (cluster.Live, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("get %s", id.Name); err != nil {
		return cluster.Live{}, err
	}
	live, there := f.objects[id]
	if !there {
		return cluster.Live{}, cluster.ErrNotFound
	}
	return live, nil
}

func (f *fake) Delete(_ context.Context, id object.ID, uid, resourceVersion string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("delete %s uid=%s rv=%s", id.Name, uid, resourceVersion); err != nil {
		return err
	}
	if !f.sticky {
		delete(f.objects, id)
	}
	return nil
}

func (f *fake) Observe(ids []object.ID) object.Set[object.ID, cluster.Entry] {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[object.ID]cluster.Entry{}
	for _, id := range ids {
		if _, there := f.objects[id]; there {
			out[id] = cluster.Entry{Health: cluster.Healthy}
		}
		if e, said := f.health[id]; said {
			out[id] = e
		}
	}
	return object.Known(out)
}

func (f *fake) ReadInventory(context.Context, string) object.Set[object.ID, cluster.Owned] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unknown {
		return object.Unknown[object.ID, cluster.Owned](errors.New("no answer"))
	}
	return object.Known(f.inventory)
}

func (f *fake) Intend(_ context.Context, shard, unit, revision string, objects []cluster.Intent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, len(objects))
	for i, in := range objects {
		names[i] = in.ID.Name
		if in.UID != "" {
			names[i] += "=" + in.UID
		}
		if in.Anew && f.inventory[in.ID].UID != "" {
			names[i] += " anew"
		}
	}
	return f.call("intend %s %s %s: %s", shard, unit, revision, strings.Join(names, " "))
}

func (f *fake) Confirm(_ string, id object.ID, uid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.call("confirm %s %s", id.Name, uid)
	f.inventory[id] = cluster.Owned{UID: uid}
}

func (f *fake) Forget(_ string, id object.ID, uid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.call("forget %s %s", id.Name, uid)
	delete(f.inventory, id)
}

func (f *fake) Condemn(_ context.Context, unit string, uids map[object.ID]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for id := range uids {
		names = append(names, id.Name)
	}
	slices.Sort(names)
	if err := f.call("condemn %s: %s", unit, strings.Join(names, " ")); err != nil {
		return err
	}
	for id, uid := range uids {
		f.inventory[id] = cluster.Owned{UID: uid, Condemned: true}
	}
	return nil
}

func (f *fake) Yield(_ context.Context, id object.ID, uid, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("yield %s uid=%s", id.Name, uid)
}

func (f *fake) Release(_ context.Context, id object.ID, uid, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("release %s uid=%s", id.Name, uid)
}

// has puts an object of ours there.
func (f *fake) has(o object.Object) *fake {
	live := cluster.Live{ID: o.ID, UID: "uid-" + o.ID.Name, ResourceVersion: "7", Fields: o.Fields()}
	mark(live.Fields, unit)
	f.objects[o.ID], f.inventory[o.ID] = live, cluster.Owned{UID: live.UID}
	return f
}

func made(kind, name string, annotations fields) object.Object {
	version := map[string]string{"Deployment": "apps/v1", "Job": "batch/v1", "Ingress": "networking.k8s.io/v1"}[kind]
	if version == "" {
		version = "v1"
	}
	o, err := object.FromFields(fields{"apiVersion": version, "kind": kind, "metadata": fields{"name": name, "namespace": "shop-prod", "annotations": annotations}})
	if err != nil {
		panic(err)
	}
	return o
}

func config(name string) object.Object { return made("ConfigMap", name, nil) }

func hook(name, phase, policy string) object.Object {
	return made("Job", name, fields{"argocd.argoproj.io/hook": phase, "argocd.argoproj.io/hook-delete-policy": policy})
}

func wave(o object.Object, n string) object.Object {
	return made(o.ID.Kind, o.ID.Name, fields{"argocd.argoproj.io/sync-wave": n})
}

// run plans for a fake and carries the plan out, with what is wanted of it.
func run(t *testing.T, f *fake, removed string, objects ...object.Object) apply.Result {
	t.Helper()
	seen := map[object.ID]plan.Seen{}
	for id, live := range f.objects {
		seen[id] = plan.Seen{Entry: cluster.Entry{UID: live.UID, ResourceVersion: live.ResourceVersion, Unit: object.Annotation(live.Fields, object.AnnotationUnit), Clean: true}}
	}
	inventory := map[object.ID]cluster.Owned{}
	for id, owned := range f.inventory {
		inventory[id] = owned
	}
	d := plan.Desired{Unit: key(), Revision: "c0ffee", Objects: objects, Removed: removed}
	return carryOut(t, f, plan.Compute(d, plan.Live{Objects: object.Known(seen), Inventory: object.Known(inventory)}))
}

func carryOut(t *testing.T, f *fake, p plan.Plan) apply.Result {
	t.Helper()
	a := &apply.Applier{Target: f, Shard: func(catalog.UnitKey) string { return "prod.shop" }, Parallel: 1, WaveTimeout: 100 * time.Millisecond}
	return a.Run(t.Context(), p)
}

func (f *fake) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.calls); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
}

// The inventory is widened before the first object is made, each is confirmed
// when it is there, and phases, waves and kinds follow each other.
func TestOrder(t *testing.T) {
	f := newFake()
	r := run(t, f, "", made("Ingress", "ingress", nil), made("Deployment", "deploy", nil), wave(config("late"), "1"), hook("before", "PreSync", ""),
		hook("after", "PostSync", ""), config("config"), made("ServiceAccount", "account", nil))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t,
		"intend prod.shop prod/eu/checkout c0ffee: before account config deploy ingress late after",
		"apply before", "confirm before made-1", "apply account", "confirm account made-2", "apply config", "confirm config made-3",
		"apply deploy", "confirm deploy made-4", "apply ingress", "confirm ingress made-5", "apply late", "confirm late made-6", "apply after", "confirm after made-7")
	if r.Writes() != 7 {
		t.Errorf("writes: got %d, want 7", r.Writes())
	}
}

func TestNothingToCreateRecordsNothing(t *testing.T) {
	f := newFake().has(config("a"))
	if r := run(t, f, "", config("a")); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t, "apply a")
}

func TestNoObjectIsMadeWhenTheInventoryCannotBeWidened(t *testing.T) {
	f := newFake()
	f.fails["intend prod.shop prod/eu/checkout c0ffee: a"] = errors.New("no answer")
	if r := run(t, f, "", config("a")); r.Err == nil || !strings.Contains(r.Err.Error(), "record in the inventory what will be created: no answer") {
		t.Errorf("got %v", r.Err)
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a")
}

func TestFailureStopsWhatStandsAfter(t *testing.T) {
	gone := config("gone")
	f := newFake().has(gone)
	f.fails["apply a"] = cluster.ErrInvalid
	r := run(t, f, "", config("a"), config("b"), made("Deployment", "deploy", nil))
	if !errors.Is(r.Err, cluster.ErrInvalid) || r.Err.Error() != "create ConfigMap shop-prod/a: refused as invalid" {
		t.Errorf("got %v", r.Err)
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a b deploy", "apply a", "apply b", "confirm b made-1")
	if r.Writes() != 1 || len(r.Outcomes) != 2 || r.Outcomes[0].Error == "" {
		t.Errorf("got %+v", r.Outcomes)
	}
}

// A conflict is told, and the unit's other objects go on.
func TestConflictIsTold(t *testing.T) {
	f := newFake().has(config("a"))
	delete(f.inventory, config("a").ID)
	mark(f.objects[config("a").ID].Fields, "prod/eu/other")
	r := run(t, f, "", config("a"), config("b"))
	want := "ConfigMap shop-prod/a: belongs to prod/eu/other: is there and is not ours; rename it, or have its owner give it up"
	if r.Err == nil || r.Err.Error() != want {
		t.Errorf("got %v\nwant %s", r.Err, want)
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: b", "apply b", "confirm b made-1")
}

func TestHeldPlanDoesNothing(t *testing.T) {
	f := newFake()
	a := config("a")
	p := plan.Plan{Unit: key(), Hold: &plan.Hold{Reason: plan.HoldInvalid}, Steps: []plan.Step{{ID: a.ID, Action: plan.Create, Object: &a, Record: true}}}
	if r := carryOut(t, f, p); r.Err != nil || len(f.calls) > 0 {
		t.Errorf("got %v, %v", r.Err, f.calls)
	}
}

func TestPruneIsBoundToWhatWasRead(t *testing.T) {
	f := newFake().has(config("a")).has(made("Ingress", "ingress", nil))
	if r := run(t, f, "removed"); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t,
		"get ingress", "delete ingress uid=uid-ingress rv=7", "get ingress", "forget ingress uid-ingress",
		"get a", "delete a uid=uid-a rv=7", "get a", "forget a uid-a")
}

// TestGate tries to delete, through a plan that is wrong or old, what must not go.
func TestGate(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(f *fake)
	}{
		{"another owner", `delete ConfigMap shop-prod/a: it belongs to "prod/eu/other" and not to prod/eu/checkout`, func(f *fake) {
			mark(f.objects[config("a").ID].Fields, "prod/eu/other")
		}},
		{"no owner", `delete ConfigMap shop-prod/a: it belongs to "" and not to prod/eu/checkout`, func(f *fake) {
			mark(f.objects[config("a").ID].Fields, "")
		}},
		{"another UID", "delete ConfigMap shop-prod/a: it was made anew by somebody else (UID uid-a, ours was uid-old)", func(f *fake) {
			f.inventory[config("a").ID] = cluster.Owned{UID: "uid-old"}
		}},
		{"not in the inventory", "delete ConfigMap shop-prod/a: it is not in the inventory of prod/eu/checkout", func(f *fake) {
			delete(f.inventory, config("a").ID)
		}},
		{"unknown inventory", "delete ConfigMap shop-prod/a: the inventory of prod/eu/checkout cannot be read", func(f *fake) { f.unknown = true }},
		{"cannot be read", "read ConfigMap shop-prod/a before deleting it: cluster is unreachable", func(f *fake) { f.fails["get a"] = cluster.ErrUnreachable }},
		{"not confirmed", "delete ConfigMap shop-prod/a: its creation was not confirmed yet; it is now, and will be deleted", func(f *fake) {
			f.inventory[config("a").ID] = cluster.Owned{}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake().has(config("a"))
			test.change(f)
			r := carryOut(t, f, plan.Plan{Unit: key(), Steps: []plan.Step{{ID: config("a").ID, Action: plan.Prune, UID: "uid-a", ResourceVersion: "7", Owned: "uid-a"}}})
			if r.Err == nil || r.Err.Error() != test.want {
				t.Errorf("got %v\nwant %s", r.Err, test.want)
			}
			f.expectNo(t, "delete", "forget")
		})
	}
}

func (f *fake) expectNo(t *testing.T, verbs ...string) {
	t.Helper()
	for _, call := range f.calls {
		if verb, _, _ := strings.Cut(call, " "); slices.Contains(verbs, verb) {
			t.Errorf("there was a %q", call)
		}
	}
}

func TestProtectedKindsAreNeverDeleted(t *testing.T) {
	claim := made("PersistentVolumeClaim", "data", nil)
	f := newFake().has(claim)
	r := carryOut(t, f, plan.Plan{Unit: key(), Steps: []plan.Step{{ID: claim.ID, Action: plan.Prune, UID: "uid-data"}}})
	if r.Err == nil || !strings.Contains(r.Err.Error(), "it goes with consent only") {
		t.Errorf("got %v", r.Err)
	}
	f.expect(t, "get data")
}

// What a finalizer holds stays in the inventory, and is looked at again.
func TestForgetOnlyAfterConfirmedAbsence(t *testing.T) {
	f := newFake().has(config("a"))
	f.sticky = true
	if r := run(t, f, "removed"); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t, "get a", "delete a uid=uid-a rv=7", "get a")

	f = newFake().has(config("a"))
	f.fails["delete a uid=uid-a rv=7"] = cluster.ErrPrecondition
	if r := run(t, f, "removed"); !errors.Is(r.Err, cluster.ErrPrecondition) {
		t.Errorf("got %v", r.Err)
	}
	f.expectNo(t, "forget")
}

func TestReleaseForgetsAndDeletesNothing(t *testing.T) {
	f := newFake().has(config("a")).has(config("b"))
	f.inventory[config("b").ID] = cluster.Owned{UID: "uid-old"}
	if r := run(t, f, "", config("a")); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t, "apply a", "forget b uid-old")
}

// What was not seen is forgotten only when a read confirms that it is gone: a
// listing can leave out what is there.
func TestReleaseOfTheUnseenIsConfirmed(t *testing.T) {
	id := config("b").ID
	unseen := plan.Plan{Unit: key(), Steps: []plan.Step{{ID: id, Action: plan.Release, Owned: "uid-b"}}}
	f := newFake().has(config("b"))
	if r := carryOut(t, f, unseen); r.Err == nil || !strings.Contains(r.Err.Error(), "it was not seen and is there") {
		t.Errorf("got %v", r.Err)
	}
	f.expect(t, "get b")

	f = newFake().has(config("b"))
	delete(f.objects, id)
	if r := carryOut(t, f, unseen); r.Err != nil {
		t.Error(r.Err)
	}
	f.expect(t, "get b", "forget b uid-b")

	f = newFake().has(config("b"))
	mark(f.objects[id].Fields, "prod/eu/other")
	if r := carryOut(t, f, unseen); r.Err != nil {
		t.Error(r.Err)
	}
	f.expect(t, "get b", "forget b uid-b")
}

// What was deleted by hand is recorded as going to be made before it is: a crash
// right after it is made leaves no record that names only the one that is gone.
func TestRecreatedIsRecordedFirst(t *testing.T) {
	f := newFake().has(config("a"))
	delete(f.objects, config("a").ID)
	if r := run(t, f, "", config("a")); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a anew", "apply a", "confirm a made-1")
}

func TestHooks(t *testing.T) {
	t.Run("an earlier run goes first", func(t *testing.T) {
		job := hook("job", "PreSync", "BeforeHookCreation")
		f := newFake().has(job)
		if r := run(t, f, "", job, config("a")); r.Err != nil {
			t.Fatal(r.Err)
		}
		f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a", "get job", "delete job uid=uid-job rv=7", "get job",
			"intend prod.shop prod/eu/checkout c0ffee: job anew", "apply job", "confirm job made-1", "apply a", "confirm a made-2")
	})
	t.Run("a run that succeeded goes after", func(t *testing.T) {
		f := newFake()
		if r := run(t, f, "", hook("job", "PostSync", "HookSucceeded"), config("a")); r.Err != nil {
			t.Fatal(r.Err)
		}
		f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a job", "apply a", "confirm a made-1", "apply job", "confirm job made-2",
			"get job", "delete job uid=made-2 rv=1", "get job", "forget job made-2")
	})
	t.Run("a run that failed stops the sync and stays", func(t *testing.T) {
		f := newFake()
		job := hook("job", "PreSync", "HookSucceeded")
		f.health[job.ID] = cluster.Entry{Health: cluster.Degraded, Message: "exit 1"}
		if r := run(t, f, "", job, config("a")); r.Err == nil || r.Err.Error() != "Job shop-prod/job is degraded: exit 1" {
			t.Errorf("got %v", r.Err)
		}
		f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: job a", "apply job", "confirm job made-1")
	})
	t.Run("another's object of its name is left alone", func(t *testing.T) {
		job := hook("job", "PreSync", "BeforeHookCreation")
		f := newFake().has(job)
		mark(f.objects[job.ID].Fields, "prod/eu/other")
		_ = run(t, f, "", job, config("a"))
		f.expectNo(t, "delete")
	})
}

// A hook that was begun before is not begun again, and what comes after it waits
// for it all the same.
func TestHookGoesOn(t *testing.T) {
	job, late := hook("job", "Sync", "BeforeHookCreation"), made("Deployment", "late", nil)
	steps := []plan.Step{
		{ID: job.ID, Action: plan.Await, Object: &job, Place: places.Place{Wave: 1}},
		{ID: late.ID, Action: plan.Create, Object: &late, Record: true, Place: places.Place{Wave: 2}},
	}
	p := plan.Plan{Unit: key(), Revision: "c0ffee", Steps: steps}
	for _, test := range []struct {
		name  string
		state cluster.Entry
		want  []string
	}{
		{"runs", cluster.Entry{Health: cluster.Progressing}, nil},
		{"failed meanwhile", cluster.Entry{Health: cluster.Degraded}, nil},
		{"ended", cluster.Entry{Health: cluster.Healthy}, []string{"apply late", "confirm late made-1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake().has(job)
			f.health[job.ID] = test.state
			r := carryOut(t, f, p)
			if (r.Err == nil) != (test.want != nil) {
				t.Errorf("got error %v", r.Err)
			}
			f.expect(t, append([]string{"intend prod.shop prod/eu/checkout c0ffee: late"}, test.want...)...)
		})
	}
}

// Waiting for a wave is bounded, ends with the context, and says what for.
func TestWaiting(t *testing.T) {
	slow := func() *fake {
		f := newFake()
		f.health[config("a").ID] = cluster.Entry{Health: cluster.Progressing, Message: "0 of 2 ready"}
		return f
	}
	f := slow()
	r := run(t, f, "", config("a"), wave(config("b"), "1"))
	if !errors.Is(r.Err, context.DeadlineExceeded) || !strings.Contains(r.Err.Error(), "ConfigMap shop-prod/a: 0 of 2 ready") {
		t.Errorf("got %v", r.Err)
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a b", "apply a", "confirm a made-1")

	a, b := config("a"), wave(config("b"), "1")
	p := plan.Compute(plan.Desired{Unit: key(), Objects: []object.Object{a, b}}, plan.Live{
		Objects: object.Known(map[object.ID]plan.Seen{}), Inventory: object.Known(map[object.ID]cluster.Owned{}),
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	newer := errors.New("a newer revision came")
	time.AfterFunc(50*time.Millisecond, func() { cancel(newer) })
	patient := &apply.Applier{Target: slow(), Shard: func(catalog.UnitKey) string { return "s" }, Parallel: 1, WaveTimeout: time.Hour}
	if r := patient.Run(ctx, p); !errors.Is(r.Err, newer) {
		t.Errorf("got %v, want %v", r.Err, newer)
	}
}

// Steps of one tier go side by side, as many as may.
func TestParallel(t *testing.T) {
	f := newFake()
	var steps []plan.Step
	for i := range 20 {
		o := config(fmt.Sprint("c", i))
		steps = append(steps, plan.Step{ID: o.ID, Action: plan.Create, Object: &o, Record: true})
	}
	a := &apply.Applier{Target: f, Shard: func(catalog.UnitKey) string { return "s" }, Parallel: 4, WaveTimeout: time.Second}
	r := a.Run(t.Context(), plan.Plan{Unit: key(), Steps: steps})
	if r.Err != nil || r.Writes() != 20 || len(f.objects) != 20 {
		t.Errorf("got %v, %d writes, %d objects", r.Err, r.Writes(), len(f.objects))
	}
	for i, o := range r.Outcomes {
		if o.ID != steps[i].ID {
			t.Fatalf("outcome %d is of %s", i, o.ID)
		}
	}
}

// What needs consent is recorded as condemned in one write before the first
// deletion, and nothing is deleted where that cannot be stored.
func TestCondemnedBeforeTheFirstDeletion(t *testing.T) {
	claim := made("PersistentVolumeClaim", "data", nil)
	steps := func() []plan.Step {
		return []plan.Step{
			{ID: config("a").ID, Action: plan.Prune, Owned: "uid-a", Condemn: true},
			{ID: claim.ID, Action: plan.Prune, Owned: "uid-data", Condemn: true, Guarded: true},
		}
	}
	f := newFake().has(config("a")).has(claim)
	if r := carryOut(t, f, plan.Plan{Unit: key(), Steps: steps()}); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t, "condemn prod/eu/checkout: a data", "get a", "delete a uid=uid-a rv=7", "get a", "forget a uid-a",
		"get data", "delete data uid=uid-data rv=7", "get data", "forget data uid-data")

	f = newFake().has(config("a")).has(claim)
	f.fails["condemn prod/eu/checkout: a data"] = errors.New("no answer")
	if r := carryOut(t, f, plan.Plan{Unit: key(), Steps: steps()}); r.Err == nil {
		t.Error("deletions that could not be recorded are no error")
	}
	f.expectNo(t, "delete")
}

// TestGateOfWhatIsGuarded: what is protected, locked by the environment or by the
// object itself needs to be condemned by its UID; what was adopted is never deleted.
func TestGateOfWhatIsGuarded(t *testing.T) {
	claim := made("PersistentVolumeClaim", "a", nil)
	for _, test := range []struct {
		name   string
		object object.Object
		step   plan.Step
		change func(f *fake)
	}{
		{"protected kind", claim, plan.Step{}, func(*fake) {}},
		{"locked by the environment", config("a"), plan.Step{Guarded: true}, func(*fake) {}},
		{"locked by a person", config("a"), plan.Step{}, func(f *fake) {
			f.objects[config("a").ID].Fields["metadata"].(fields)["annotations"].(fields)[object.AnnotationLock] = "true"
		}},
		{"condemned under another UID", claim, plan.Step{}, func(f *fake) {
			f.inventory[claim.ID] = cluster.Owned{UID: "another", Condemned: true}
		}},
		{"adopted", config("a"), plan.Step{}, func(f *fake) {
			f.inventory[config("a").ID] = cluster.Owned{UID: "uid-a", Adopted: true, Condemned: true}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake().has(test.object)
			test.change(f)
			test.step.ID, test.step.Action, test.step.Owned = test.object.ID, plan.Prune, "uid-a"
			if r := carryOut(t, f, plan.Plan{Unit: key(), Steps: []plan.Step{test.step}}); r.Err == nil {
				t.Error("it was deleted")
			}
			f.expectNo(t, "delete", "forget")
			if _, adopted := f.inventory[test.object.ID]; !adopted || f.inventory[test.object.ID].Adopted || f.inventory[test.object.ID].UID == "another" {
				return
			}
			f.calls, f.inventory[test.object.ID] = nil, cluster.Owned{UID: "uid-a", Condemned: true}
			if r := carryOut(t, f, plan.Plan{Unit: key(), Steps: []plan.Step{test.step}}); r.Err != nil {
				t.Errorf("condemned, and not deleted: %v", r.Err)
			}
		})
	}
}

// An object that moves is in the new unit's inventory by its UID before it is
// written, and is bound to that UID; the old unit gives its fields up before it
// forgets the object, and does not forget it where that fails.
func TestHandover(t *testing.T) {
	a := config("a")
	other := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "other"}
	f := newFake().has(a)
	take := plan.Step{ID: a.ID, Action: plan.Update, Object: &a, Record: true, Force: true, UID: "uid-a", From: other}
	if r := carryOut(t, f, plan.Plan{Unit: key(), Revision: "c0ffee", Steps: []plan.Step{take}}); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a=uid-a", "apply a uid=uid-a force", "confirm a uid-a")

	f = newFake().has(a)
	give := plan.Step{ID: a.ID, Action: plan.Release, GiveUp: plan.GiveUpFields, Owned: "uid-a", UID: "uid-a"}
	f.fails["yield a uid=uid-a"] = cluster.ErrUnreachable
	if r := carryOut(t, f, plan.Plan{Unit: key(), Steps: []plan.Step{give}}); r.Err == nil {
		t.Error("a failed release is no error")
	}
	f.expect(t, "yield a uid=uid-a")
	delete(f.fails, "yield a uid=uid-a")
	f.calls = nil
	if r := carryOut(t, f, plan.Plan{Unit: key(), Steps: []plan.Step{give}}); r.Err != nil {
		t.Error(r.Err)
	}
	f.expect(t, "yield a uid=uid-a", "forget a uid-a")
}

// An object that somebody makes between the look and the creation is theirs: what
// was written on it is taken back, and it is not recorded by its UID.
func TestMadeMeanwhile(t *testing.T) {
	a := config("a")
	f := newFake().has(a)
	f.shared = true
	delete(f.inventory, a.ID)
	create := plan.Step{ID: a.ID, Action: plan.Create, Object: &a, Record: true}
	if r := carryOut(t, f, plan.Plan{Unit: key(), Revision: "c0ffee", Steps: []plan.Step{create}}); r.Err == nil {
		t.Error("it was taken over without a word")
	}
	f.expect(t, "intend prod.shop prod/eu/checkout c0ffee: a", "apply a", "yield a uid=uid-a")
	if f.inventory[a.ID].UID != "" {
		t.Error("it is recorded as ours")
	}
}
