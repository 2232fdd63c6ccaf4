package render

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/policy"
)

// teamPackage is the platform package that says what a team gets in an environment.
const teamPackage = "platform/baseline/team"

// clusterPackage is the platform package that says what a cluster has once.
const clusterPackage = "platform/baseline/cluster"

// codeStandsOn marks a unit that is held by somebody else's mistake, which is
// said where it was made and not again for each unit.
const codeStandsOn = "stands-on-mistake"

// attempt is one evaluation of a unit.
type attempt struct {
	key       cache.Key
	question  eval.UnitQuestion
	evaluated bool
	unsettled bool
	output    eval.Output
	digest    object.Digest
	diags     diag.List
}

// facts are what the fleet keeps of a unit that renders. They are kept beside
// its output, so that a unit rendered before is known without reading that.
type facts struct {
	Digest object.Digest     `json:"digest"`
	Idents []uint64          `json:"idents"`
	Claims []eval.Claim      `json:"claims,omitempty"`
	Demand []capacity.Demand `json:"demand,omitempty"`
	Asleep bool              `json:"asleep,omitempty"`
}

const keptFacts = "facts 4"

// unit makes a unit of what is declared; nil where nothing declares it.
func (r *Renderer) unit(ctx context.Context, st *State, es *eval.State, key catalog.UnitKey, b *bench) (*Unit, bool, error) {
	u := declared(es.Catalog, st, key)
	if u == nil {
		return nil, false, nil
	}
	a, err := r.ask(st, es, key)
	if err != nil {
		return nil, false, err
	}
	var known facts
	if u.key = a.key; len(a.diags) == 0 && r.Evaluator.Recall(a.key, keptFacts, &known) {
		return u, false, r.settle(ctx, es, u, &a, known, b)
	}
	if err := r.evaluate(ctx, es, key, &a); err != nil {
		return nil, false, err
	}
	u.unsettled = a.unsettled
	if u.Diags = a.diags; !u.Diags.Errors() {
		known, u.Diags = judge(es.Catalog, u, a)
	}
	if u.Diags.Errors() {
		return u, a.evaluated, nil
	}
	r.Evaluator.Keep(a.key, keptFacts, known)
	return u, a.evaluated, r.settle(ctx, es, u, &a, known, b)
}

// settle makes of a unit that renders what it is if no policy holds it.
func (r *Renderer) settle(ctx context.Context, es *eval.State, u *Unit, a *attempt, known facts, b *bench) error {
	if err := r.hold(ctx, es, u, a, b); err != nil {
		return err
	}
	if !u.Diags.Errors() {
		u.take(known)
	}
	return nil
}

func (u *Unit) take(f facts) {
	u.Digest, u.Objects, u.idents, u.claims = f.Digest, len(f.Idents), f.Idents, f.Claims
	u.demand, u.Asleep = f.Demand, f.Asleep
}

// judge holds an output against what the unit may contain.
func judge(cat *catalog.Catalog, u *Unit, a attempt) (facts, diag.List) {
	f := facts{Digest: a.digest, Claims: a.output.Claims, Idents: make([]uint64, 0, len(a.output.Objects))}
	objects, faults, err := guard(u.scope, a.output)
	if err != nil {
		return f, diag.List{platformFault(cat, u.Key, err.Error())}
	}
	for _, o := range objects {
		f.Idents = append(f.Idents, identity(u.Key.Cluster, o.ID))
	}
	f.Demand, f.Asleep = capacity.Of(objects), a.output.Asleep
	var list diag.List
	for _, fault := range faults {
		list = append(list, breach(cat, u.Key, objects, a.output, fault))
	}
	return f, append(list, outside(cat, u.Key, a.output.Claims)...)
}

// declared reports a unit without content if the catalog declares it.
func declared(cat *catalog.Catalog, st *State, key catalog.UnitKey) *Unit {
	if key.OfCluster() {
		c := cat.Clusters[key.Cluster]
		if c == nil || !c.Baseline {
			return nil
		}
		return &Unit{Key: key, Source: c.Source, scope: scopeOf(cat, key, "")}
	}
	env := cat.Environments[key.Environment]
	if env == nil || !slices.Contains(env.Clusters, key.Cluster) {
		return nil
	}
	if team, ok := key.Team(); ok {
		t := cat.Teams[team]
		if t == nil || !st.links.present(team, key.Environment) {
			return nil
		}
		return &Unit{Key: key, Team: team, Source: t.Source, scope: scopeOf(cat, key, team)}
	}
	s := cat.ServiceIn(key.Environment, key.Service)
	if s == nil || cat.Releases[catalog.ReleaseKey{Environment: key.Environment, Service: key.Service}] == nil || !cat.Runs(s, key.Environment, key.Cluster) {
		return nil
	}
	return &Unit{Key: key, Team: s.Team, Source: s.Source, scope: scopeOf(cat, key, s.Team)}
}

// ask puts together what a unit is rendered from, or says what keeps it from
// being rendered.
func (r *Renderer) ask(st *State, es *eval.State, key catalog.UnitKey) (attempt, error) {
	q, diags, err := st.input(es, key)
	if err != nil || diags.Errors() {
		return attempt{diags: diags}, err
	}
	q.Stamp = eval.Stamp{
		Labels:      map[string]string{object.LabelManagedBy: object.ManagedBy},
		Annotations: map[string]string{object.AnnotationUnit: key.String()},
	}
	a := attempt{question: q}
	a.key, err = r.Evaluator.UnitKey(es, a.question)
	return a, err
}

// evaluate renders what was asked, if anything can be.
func (r *Renderer) evaluate(ctx context.Context, es *eval.State, key catalog.UnitKey, a *attempt) error {
	if len(a.diags) > 0 {
		return nil
	}
	rendering, err := r.Evaluator.Unit(ctx, a.key, a.question)
	if err != nil {
		return err
	}
	a.evaluated, a.unsettled = rendering.Evaluated, rendering.Unsettled()
	for _, f := range rendering.Faults {
		a.diags = append(a.diags, attribute(es.Catalog, key, a.question.Package, f))
	}
	if len(a.diags) > 0 {
		return nil
	}
	a.digest = object.Sum(rendering.Output)
	if err := json.Unmarshal(rendering.Output, &a.output); err != nil {
		return fmt.Errorf("read output: %w", err)
	}
	return nil
}

// input puts together what the path may look at.
func (st *State) input(es *eval.State, key catalog.UnitKey) (q eval.UnitQuestion, diags diag.List, err error) {
	cat := es.Catalog
	env, cluster := cat.Environments[key.Environment], cat.Clusters[key.Cluster]
	if key.OfCluster() {
		if d := broken(es, key, cluster.Declared); d != nil {
			return q, d, nil
		}
		return st.clusterInput(es, key)
	}
	if team, ok := key.Team(); ok {
		t := cat.Teams[team]
		if d := broken(es, key, t.Declared, env.Declared, declaredCluster(cluster)); d != nil {
			return q, d, nil
		}
		if d := standsOn(es, key, st.links.taken[team]); len(d) > 0 {
			return q, d, nil
		}
		q.Package = teamPackage
		q.Input, err = object.Encode(map[string]any{
			"unit": key.String(), "namespace": cat.Namespace(team, key.Environment),
			"team": t.Data, "environment": env.Data, "cluster": cluster.Data,
		})
		return q, nil, err
	}
	s := cat.ServiceIn(key.Environment, key.Service)
	team := cat.Teams[s.Team]
	release := cat.Releases[catalog.ReleaseKey{Environment: key.Environment, Service: key.Service}]
	if d := broken(es, key, s.Declared, declaredTeam(team), env.Declared, declaredCluster(cluster), release.Declared); d != nil {
		return q, d, nil
	}
	if d := append(contested(es, key, s.Source, release.Source), standsOn(es, key, st.links.taken[s.Team])...); len(d) > 0 {
		return q, d, nil
	}
	needs, diags := cat.Resolve(s, key.Environment, key.Cluster)
	if diags.Errors() {
		return q, diags, nil
	}
	service, err := effective(s, saidOf(cat, s, key.Environment), &q)
	if err != nil {
		return q, nil, err
	}
	sealed, diags := sealedOf(s, service, key, cat.BaseOf(key.Environment))
	if diags.Errors() {
		return q, diags, nil
	}
	parts := map[string]any{
		"unit": key.String(), "source": s.Source, "namespace": cat.Namespace(s.Team, key.Environment),
		"service": service, "team": team.Data, "environment": env.Data, "cluster": cluster.Data, "release": release.Data,
		"needs": needs, "callers": st.callersOf(cat, key), "phase": st.phase(key.Environment),
	}
	if sealed != nil {
		parts["sealed"] = sealed
	}
	q.Package = "platform/paths/" + s.Path
	q.Input, err = object.Encode(parts)
	return q, nil, err
}

// clusterInput is what a cluster's own unit may look at: the cluster, and what
// policies have it refuse by itself. What is broken of these holds the unit, since a
// cluster that cannot be told all of them would be told fewer.
func (st *State) clusterInput(es *eval.State, key catalog.UnitKey) (q eval.UnitQuestion, diags diag.List, err error) {
	cat := es.Catalog
	var on []catalog.Declared
	for _, p := range cat.Policies {
		on = append(on, p.Declared)
	}
	for _, e := range cat.Exceptions {
		on = append(on, e.Declared)
	}
	for _, env := range cat.Environments {
		if slices.Contains(env.Clusters, key.Cluster) {
			on = append(on, env.Declared)
		}
	}
	slices.SortFunc(on, func(a, b catalog.Declared) int { return strings.Compare(a.Source, b.Source) })
	if d := broken(es, key, on...); d != nil {
		return q, d, nil
	}
	rules, _ := policy.Rules(cat, key.Cluster, st.day)
	q.Package = clusterPackage
	q.Input, err = object.Encode(map[string]any{"unit": key.String(), "cluster": cat.Clusters[key.Cluster].Data, "rules": rules})
	return q, nil, err
}

func declaredTeam(t *catalog.Team) catalog.Declared {
	if t == nil {
		return catalog.Declared{}
	}
	return t.Declared
}

func declaredCluster(c *catalog.Cluster) catalog.Declared {
	if c == nil {
		return catalog.Declared{}
	}
	return c.Declared
}

// broken repeats for a unit what is wrong with the declarations it stands on.
func broken(es *eval.State, key catalog.UnitKey, on ...catalog.Declared) diag.List {
	for _, d := range on {
		if !d.Broken() {
			continue
		}
		list := standsOn(es, key, es.DiagsOf(d.Source))
		if len(list) == 0 {
			list = diag.List{{
				Code: codeStandsOn, Severity: diag.Error, Pos: at(es.Catalog, key, ""), Subject: subjectOf(es.Catalog, key),
				Message: "the team or the cluster it belongs to is not declared",
			}}
		}
		return list
	}
	return nil
}

// contested holds a unit of which it is not clear whose it is, or where. Without it a team
// could take over another's unit, and move it to its own namespace, by declaring
// or releasing a service of that name as well.
func contested(es *eval.State, key catalog.UnitKey, service, release string) diag.List {
	return standsOn(es, key, slices.Concat(
		es.TwinsOf(service), es.TwinsOf(release),
		es.Catalog.CheckRelease(catalog.ReleaseKey{Environment: key.Environment, Service: key.Service}),
		es.Catalog.CheckPlace(key.Service, key.Environment),
	))
}

// standsOn says of a unit what is wrong with what it stands on.
func standsOn(es *eval.State, key catalog.UnitKey, wrong diag.List) diag.List {
	list := slices.Clone(wrong)
	for i := range list {
		list[i].Code, list[i].Subject = codeStandsOn, subjectOf(es.Catalog, key)
	}
	return list
}

// saidOf is the environment of which a service says what holds in an environment: that
// itself, or its base where the service says nothing of it.
func saidOf(cat *catalog.Catalog, s *catalog.Service, environment string) string {
	if base := cat.BaseOf(environment); base != "" && s.Overlays[environment] == nil {
		return base
	}
	return environment
}

// effective is the service as it is in an environment: its data with the
// environment's overlay merged over (RFC 7386). What the path does not look at, its
// patches and the files beside it, goes into the question by itself: nulls mean
// something in patches, and those of an environment come after those of all.
func effective(s *catalog.Service, environment string, q *eval.UnitQuestion) (json.RawMessage, error) {
	base, err := object.DecodeFields(s.Data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Source, err)
	}
	delete(base, "environments")
	if err := takeBeside(base, q); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Source, err)
	}
	if err := takePatches(base, "patches", q); err != nil {
		return nil, fmt.Errorf("read patches of %s: %w", s.Source, err)
	}
	if overlay := s.Overlays[environment]; overlay != nil {
		patch, err := object.DecodeFields(overlay)
		if err != nil {
			return nil, fmt.Errorf("read overlay %s of %s: %w", environment, s.Source, err)
		}
		if err := takePatches(patch, "environments."+environment+".patches", q); err != nil {
			return nil, fmt.Errorf("read patches of %s: %w", s.Source, err)
		}
		merge(base, patch)
	}
	delete(base, "regions") // they say which units there are, and nothing of what is in them
	return object.Encode(base)
}

// takePatches takes the patches out of a service's data or an overlay.
func takePatches(from map[string]any, field string, q *eval.UnitQuestion) error {
	list, _ := from["patches"].([]any)
	delete(from, "patches")
	for i, p := range list {
		data, err := object.Encode(p)
		if err != nil {
			return err
		}
		q.Patches = append(q.Patches, eval.Patch{Field: fmt.Sprintf("%s.%d", field, i), Data: data})
	}
	return nil
}

// takeBeside takes the files that stand beside a service out of its data.
func takeBeside(from map[string]any, q *eval.UnitQuestion) error {
	files, ok := from[eval.BesideKey].(map[string]any)
	delete(from, eval.BesideKey)
	if !ok {
		return nil
	}
	q.Beside = make(map[string]string, len(files))
	for name, v := range files {
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("the file %s is no text", name)
		}
		q.Beside[name] = text
	}
	return nil
}

func merge(base, patch map[string]any) {
	for k, v := range patch {
		pv, ok := v.(map[string]any)
		switch {
		case v == nil:
			delete(base, k)
		case ok:
			bv, both := base[k].(map[string]any)
			if !both {
				bv = map[string]any{} // what a patch takes away is not put where nothing was
				base[k] = bv
			}
			merge(bv, pv)
		default:
			base[k] = v
		}
	}
}
