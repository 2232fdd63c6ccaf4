// Package fleet is everything that should be, at one tree: from a revision to the units
// of every cluster, what is wrong with them, and how they stand to each other and to what
// clusters have. It asks no cluster and waits for nobody.
package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/health"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/render"
)

// Fleet is everything that should be, at one tree: the catalog and the units.
// The CLI makes one and drops it; the daemon brings one from revision to
// revision. Its methods are safe for concurrent use.
type Fleet struct {
	// Now is the moment that environments sleep and wake by; without it, none sleeps.
	Now func() time.Time
	// Fleeting has nothing kept for later processes: what the fleet is brought to may
	// never come into force, and what was there before decides what broken declarations are.
	Fleeting bool

	evaluator *eval.Evaluator
	renderer  *render.Renderer

	mu       sync.RWMutex // held while a tree is evaluated, which may take long
	beside   map[string][]byte
	declared *eval.State
	units    *render.State
	next     map[string]Phase // what is published with them

	// What the loops go by is kept apart, so that an evaluation that takes its
	// time delays no healing: the units and drift modes of the last whole tree.
	published  sync.RWMutex
	standing   map[catalog.UnitKey]*render.Unit
	held       map[catalog.UnitKey]bool     // those of them that cannot be evaluated
	declaring  map[uint64][]catalog.UnitKey // by object, hashed: who declares it
	drift      map[string]catalog.DriftMode
	rules      map[string]catalog.Deletions // by environment
	consents   map[string]map[string]string // by cluster
	health     []*health.Rules
	generation int
	tree       *git.Tree // what all of this is of
	// judgesPlans tells that there are policies on plans.
	judgesPlans bool
	phases      map[string]Phase // by environment; those that never sleep are not in it
}

// New is the fleet of an empty tree.
func New(e *eval.Evaluator) *Fleet {
	return &Fleet{
		evaluator: e, renderer: &render.Renderer{Evaluator: e},
		declared: eval.NewState(), units: render.NewState(),
		standing: map[catalog.UnitKey]*render.Unit{}, drift: map[string]catalog.DriftMode{},
		held: map[catalog.UnitKey]bool{}, declaring: map[uint64][]catalog.UnitKey{},
	}
}

// Aside is a fleet of nothing yet that evaluates as this one does, and of which nothing
// is kept.
func (f *Fleet) Aside() *Fleet {
	aside := New(f.evaluator)
	aside.Now, aside.Fleeting = f.Now, true
	return aside
}

// Change says what an Advance did.
type Change struct {
	render.Delta
	// Declarations is how many declarations were evaluated; Delta.Evaluations
	// counts the units.
	Declarations int
	// Generation counts the trees that were shown to the loops.
	Generation int
	// Slept are the environments that fell asleep or woke up.
	Slept []string
}

// On says on which day policies are decided from the next Advance on. Until it is
// called no day has come yet: what warns until one warns, and exceptions count.
func (f *Fleet) On(today string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renderer.Today = today
}

// Turned reports that policies decide otherwise on a day than when the fleet was
// judged last: the same tree is worth another Advance, which evaluates nothing.
func (f *Fleet) Turned(today string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.units.Turned(today)
}

// Advance brings the fleet to a tree. The first one starts from the fleet as an
// earlier process kept it, if there is one. Where one fails, the next starts so
// again, or from nothing, which the cache makes cheap.
func (f *Fleet) Advance(ctx context.Context, tree *git.Tree, history eval.History) (Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	anew := f.declared.Tree == nil
	change, resumed := Change{}, false
	whole, err := withPreviews(tree, f.beside)
	if err != nil {
		return Change{}, err
	}
	if anew {
		change, resumed = f.resume(ctx, whole, history)
	}
	if !resumed {
		if change, err = f.advance(ctx, whole, history); err != nil {
			return Change{}, err
		}
	}
	change.Generation = f.publish(tree, &change.Delta, anew)
	if !f.Fleeting {
		f.renderer.Keep(f.declared, f.units)
	}
	if f.evaluator.Cache != nil {
		_ = f.evaluator.Cache.Flush() // a cache that cannot be written costs time only
	}
	return change, nil
}

func (f *Fleet) advance(ctx context.Context, tree *git.Tree, history eval.History) (Change, error) {
	declared, err := f.evaluator.Advance(ctx, f.declared, tree, history)
	if err != nil {
		return Change{}, fmt.Errorf("evaluate: %w", err)
	}
	slept := f.sleep()
	declared.Environments = append(declared.Environments, slept...)
	delta, err := f.renderer.Advance(ctx, f.units, f.declared, declared)
	if err != nil {
		f.declared, f.units = eval.NewState(), render.NewState()
		return Change{}, err
	}
	return Change{Delta: delta, Declarations: declared.Evaluations, Slept: slept}, nil
}

// resume starts from the fleet as it was kept. Where that does not work the
// fleet is empty as before: what was kept is a help and never a condition.
func (f *Fleet) resume(ctx context.Context, tree *git.Tree, history eval.History) (Change, bool) {
	declared, units, ok := f.renderer.Resume(ctx, tree)
	if !ok {
		return Change{}, false
	}
	f.declared, f.units = declared, units
	change, err := f.advance(ctx, tree, history)
	if err != nil {
		f.declared, f.units = eval.NewState(), render.NewState()
		return Change{}, false
	}
	change.Changed = slices.Collect(maps.Keys(f.units.Units)) // to who starts, all is new
	return change, true
}

// Unsettled reports that something is held for reasons that need not last, such
// as an evaluator that was killed by the system: the same tree is worth another
// Advance.
func (f *Fleet) Unsettled() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.declared.Unsettled() || f.units.Unsettled()
}

// Health are the rules for kinds that Kubernetes does not know, as the last whole
// tree has them.
func (f *Fleet) Health() []*health.Rules {
	f.published.RLock()
	defer f.published.RUnlock()
	return f.health
}

// publish shows the loops what changed. After a start from nothing the delta
// does not say what went since the last whole tree, so that is found here.
func (f *Fleet) publish(tree *git.Tree, delta *render.Delta, anew bool) int {
	f.published.Lock()
	defer f.published.Unlock()
	f.health = slices.Collect(maps.Values(f.declared.Catalog.Health))
	if anew {
		for key := range f.standing {
			if f.units.Units[key] == nil {
				delta.Removed = append(delta.Removed, key)
			}
		}
	}
	for _, key := range delta.Changed {
		f.show(key, f.units.Units[key])
	}
	for _, key := range delta.Removed {
		f.show(key, nil)
	}
	f.rules, f.consents = map[string]catalog.Deletions{}, map[string]map[string]string{}
	for name, env := range f.declared.Catalog.Environments {
		f.drift[name], f.rules[name] = env.Drift, env.Deletions
	}
	for name, c := range f.declared.Catalog.Clusters {
		f.consents[name] = c.Consents
	}
	f.judgesPlans = false
	for _, p := range f.declared.Catalog.Policies {
		f.judgesPlans = f.judgesPlans || p.Subject == "plan"
	}
	f.phases, f.tree = f.next, tree
	f.generation++
	return f.generation
}

// Tree is the last whole tree, which the loops go by, as Git has it; nil before the first.
func (f *Fleet) Tree() *git.Tree {
	f.published.RLock()
	defer f.published.RUnlock()
	return f.tree
}

// Generation counts the trees that were shown to the loops.
func (f *Fleet) Generation() int {
	f.published.RLock()
	defer f.published.RUnlock()
	return f.generation
}

// Diags lists all that is wrong with what Git declares.
func (f *Fleet) Diags() diag.List {
	ours, _ := f.mistakes()
	return ours
}

// Verdict is one hash over all that is wrong and all that should be: equal
// trees judged by equal engines have equal verdicts.
func (f *Fleet) Verdict() object.Digest {
	f.mu.Lock() // the verdict keeps sums
	defer f.mu.Unlock()
	return render.Verdict(f.declared, f.units)
}

// Catalog is what is declared. It must not be used while Advance runs.
func (f *Fleet) Catalog() *catalog.Catalog {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.declared.Catalog
}

// Read shows what is declared to a function, while no Advance runs.
func (f *Fleet) Read(look func(cat *catalog.Catalog)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	look(f.declared.Catalog)
}

// Unit gives one unit, or nil.
func (f *Fleet) Unit(key catalog.UnitKey) *render.Unit {
	f.published.RLock()
	defer f.published.RUnlock()
	return f.standing[key]
}

// Units lists the units on a cluster, or all for "".
func (f *Fleet) Units(cluster string) []*render.Unit {
	f.published.RLock()
	defer f.published.RUnlock()
	var out []*render.Unit
	for key, u := range f.standing {
		if cluster == "" || key.Cluster == cluster {
			out = append(out, u)
		}
	}
	return out
}

// Bundle gives a unit's objects.
func (f *Fleet) Bundle(ctx context.Context, u *render.Unit) (render.Bundle, error) {
	if b, ok := f.renderer.Cached(u); ok {
		return b, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renderer.Bundle(ctx, f.units, f.declared, u)
}

// Why says what set a field of an object of a unit.
func (f *Fleet) Why(ctx context.Context, key catalog.UnitKey, kind, name string, field []string) (render.Because, diag.List, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.units.Units[key] == nil {
		return render.Because{}, nil, fmt.Errorf("there is no unit %s", key)
	}
	return f.renderer.Why(ctx, f.units, f.declared, key, kind, name, field)
}

// Applied gives the objects of a bundle that was rendered earlier, if the cache
// still has them.
func (f *Fleet) Applied(key cache.Key) ([]object.Object, bool) { return f.renderer.Objects(key) }

// Drift says what an environment wants done about changes by hand.
func (f *Fleet) Drift(environment string) catalog.DriftMode {
	f.published.RLock()
	defer f.published.RUnlock()
	if f.drift[environment] == catalog.Report {
		return catalog.Report
	}
	return catalog.Heal
}

// Gone says why a unit is not declared, from what the tree holds and not from
// what evaluated; false where that cannot be said.
func (f *Fleet) Gone(key catalog.UnitKey) (string, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	cat := f.declared.Catalog
	if key.OfCluster() {
		c := cat.Clusters[key.Cluster]
		gone := f.units.Units[key] == nil && c != nil && !c.Broken() && !c.Baseline
		return fmt.Sprintf("cluster %s has no baseline any more", key.Cluster), gone
	}
	env := cat.Environments[key.Environment]
	if f.units.Units[key] != nil || f.units.Unknown[key.Environment] || len(cat.Environments) == 0 {
		return "", false
	}
	switch {
	case env == nil:
		return fmt.Sprintf("environment %s was removed from Git", key.Environment), true
	case !slices.Contains(env.Clusters, key.Cluster):
		return fmt.Sprintf("environment %s does not run on %s any more", key.Environment, key.Cluster), true
	}
	if team, ok := key.Team(); ok {
		if cat.Teams[team] == nil {
			return fmt.Sprintf("team %s was removed from Git", team), true
		}
		return fmt.Sprintf("team %s releases nothing in %s any more", team, key.Environment), true
	}
	if cat.ServiceIn(key.Environment, key.Service) == nil {
		return fmt.Sprintf("service %s was removed from Git", key.Service), true
	}
	if cat.Releases[catalog.ReleaseKey{Environment: key.Environment, Service: key.Service}] != nil {
		return f.moved(key)
	}
	return fmt.Sprintf("service %s is not released in %s any more", key.Service, key.Environment), true
}

// moved says why a service that is released has no unit on one of its environment's
// clusters: the regions that it names, all of which has to be readable now. The
// caller holds mu.
func (f *Fleet) moved(key catalog.UnitKey) (string, bool) {
	cat := f.declared.Catalog
	s, at := cat.ServiceIn(key.Environment, key.Service), cat.Clusters[key.Cluster]
	if s.Broken() || at == nil || at.Broken() || cat.Runs(s, key.Environment, key.Cluster) {
		return "", false
	}
	return fmt.Sprintf("service %s does not run in the region %s any more", key.Service, at.Region), true
}

// Before is the history of a commit: the versions of a folder in the commits
// before it.
func Before(store *git.Store, commit git.Hash) eval.History {
	return func(dir string, visit func(*git.Tree) bool) error {
		return store.Versions(commit, dir, visit)
	}
}
