package render

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
)

// links is what the fleet keeps of how declarations hang together, so that a
// change finds its neighbours without looking at everything.
type links struct {
	needs      map[string][]string                 // by service: the services it needs
	callers    map[string]map[string]bool          // by service: the services that need it
	releasedBy map[catalog.ReleaseKey]string       // by release: the team it stands under
	released   map[teamIn]map[string]bool          // by team and environment: the services released
	units      map[string]map[catalog.UnitKey]bool // by the service part of the key
	taken      map[string]diag.List                // by team: namespaces it would share
	prefixes   map[string]string                   // by team: what its namespaces begin with
	bases      map[string]string                   // by environment: the one it stands on
}

type teamIn struct{ team, environment string }

func newLinks() links {
	return links{
		needs: map[string][]string{}, callers: map[string]map[string]bool{},
		releasedBy: map[catalog.ReleaseKey]string{}, released: map[teamIn]map[string]bool{},
		units: map[string]map[catalog.UnitKey]bool{}, prefixes: map[string]string{}, bases: map[string]string{},
	}
}

// present reports whether a team has any release in an environment.
func (l *links) present(team, environment string) bool {
	return len(l.released[teamIn{team, environment}]) > 0
}

// spread adds a service, those it needs, and those that need it: their network
// policies and addresses name each other.
func (l *links) spread(name string, services map[string]bool) {
	services[name] = true
	for _, target := range l.needs[name] {
		services[target] = true
	}
	for caller := range l.callers[name] {
		services[caller] = true
	}
}

// missing adds those who need a service that is not there: which name they are
// told to write instead depends on all the names there are.
func (l *links) missing(cat *catalog.Catalog, services map[string]bool) {
	for target, callers := range l.callers {
		if len(cat.VersionsOf(target)) > 0 {
			continue
		}
		for caller := range callers {
			services[caller] = true
		}
	}
}

// placed adds the services that are on some clusters only, with their neighbours:
// which ones depends on where all clusters of an environment stand.
func (l *links) placed(cat *catalog.Catalog, services map[string]bool) {
	everywhere := false
	for _, env := range cat.Environments {
		everywhere = everywhere || len(env.Regions) > 0
	}
	for name, s := range cat.Versions() {
		if standing := s.Standing(); everywhere || standing != nil && len(standing.Regions) > 0 {
			l.spread(name, services)
		}
	}
}

// rewire brings what is known of a service's needs up to date, in whatever environment
// it has them: those of its last good version, if it is broken, as that is what runs.
func (l *links) rewire(cat *catalog.Catalog, name string) {
	for _, target := range l.needs[name] {
		delete(l.callers[target], name)
	}
	delete(l.needs, name)
	for _, s := range cat.VersionsOf(name) {
		standing := s.Standing()
		if standing == nil {
			continue
		}
		for _, need := range standing.Needs {
			if !slices.Contains(l.needs[name], need.Service) {
				l.needs[name] = append(l.needs[name], need.Service)
			}
			add(l.callers, need.Service, name)
		}
	}
}

// release brings what is known of a release up to date.
func (l *links) release(cat *catalog.Catalog, key catalog.ReleaseKey) {
	if team, ok := l.releasedBy[key]; ok {
		delete(l.released[teamIn{team, key.Environment}], key.Service)
		delete(l.releasedBy, key)
	}
	if r := cat.Releases[key]; r != nil {
		l.releasedBy[key] = r.Team
		add(l.released, teamIn{r.Team, key.Environment}, key.Service)
	}
}

// namespaces brings what is known of teams' namespaces up to date, and lists the
// teams for which it changed: what theirs are called, or whether they are theirs.
func (l *links) namespaces(cat *catalog.Catalog, changed eval.Delta) []string {
	if len(changed.Teams) == 0 && len(changed.Environments) == 0 {
		return nil
	}
	var out []string
	taken := cat.CheckNamespaces()
	for name, t := range cat.Teams {
		moved := l.prefixes[name] != t.Namespace
		if l.prefixes[name] = t.Namespace; moved || len(taken[name]) > 0 || len(l.taken[name]) > 0 {
			out = append(out, name)
		}
	}
	for name := range l.prefixes {
		if cat.Teams[name] == nil {
			delete(l.prefixes, name)
			out = append(out, name)
		}
	}
	l.taken = taken
	return out
}

// releasesOf lists the releases of a service.
func (l *links) releasesOf(cat *catalog.Catalog, service string) map[catalog.ReleaseKey]bool {
	out := map[catalog.ReleaseKey]bool{}
	for env := range cat.Environments {
		key := catalog.ReleaseKey{Environment: env, Service: service}
		if _, ok := l.releasedBy[key]; ok {
			out[key] = true
		}
	}
	return out
}

// stand brings what is known of what environments stand on up to date, and gives
// those that changed, those that they stand on now or stood on before, as who calls
// there has changed, and those that stand on them, as what they call has.
func (l *links) stand(cat *catalog.Catalog, changed []string) map[string]bool {
	out := map[string]bool{}
	for _, name := range changed {
		base := cat.BaseOf(name)
		out[name], out[base], out[l.bases[name]] = true, true, true
		if l.bases[name] = base; base == "" {
			delete(l.bases, name)
		}
	}
	for name, base := range l.bases {
		out[name] = out[name] || slices.Contains(changed, base)
	}
	return out
}

func add[K, V comparable](m map[K]map[V]bool, key K, value V) {
	if m[key] == nil {
		m[key] = map[V]bool{}
	}
	m[key][value] = true
}

// dirty finds the units whose input may have changed. It is generous: a unit
// whose input turns out to be the same is not evaluated.
func (st *State) dirty(cat *catalog.Catalog, changed eval.Delta) map[catalog.UnitKey]bool {
	parts, everywhere := st.dirtyParts(cat, changed)
	out := map[catalog.UnitKey]bool{}
	maps.Copy(out, st.again)
	for part := range parts {
		for key := range st.links.units[part] {
			out[key] = true
		}
	}
	environments := st.links.stand(cat, changed.Environments)
	for key := range st.Units {
		if !everywhere {
			break
		}
		if changed.Platform || changed.Guardrails || environments[key.Environment] || slices.Contains(changed.Clusters, key.Cluster) {
			out[key] = true
		}
	}
	for name := range cat.Clusters {
		if changed.Platform || slices.Contains(changed.Clusters, name) || ruled(cat, changed) {
			out[catalog.ClusterUnit(name)] = true
		}
	}
	for name, env := range cat.Environments {
		st.wanted(cat, env, name, out, changed, parts)
	}
	return out
}

// ruled reports whether a change may touch what policies have clusters refuse: the
// policies, the environments they are for, and whose service is excepted.
func ruled(cat *catalog.Catalog, changed eval.Delta) bool {
	return changed.Guardrails || len(changed.Environments) > 0 ||
		len(cat.Exceptions) > 0 && (len(changed.Services) > 0 || len(changed.Teams) > 0)
}

// dirtyParts are the service parts of unit keys that the change touches, and
// whether it touches units whatever their service.
func (st *State) dirtyParts(cat *catalog.Catalog, changed eval.Delta) (parts map[string]bool, everywhere bool) {
	parts = map[string]bool{}
	team := func(name string) { parts[catalog.TeamUnit("", "", name).Service] = true }
	for _, key := range changed.Releases {
		if old, ok := st.links.releasedBy[key]; ok {
			team(old)
		}
		st.links.release(cat, key)
		if now, ok := st.links.releasedBy[key]; ok {
			team(now)
		}
		st.links.spread(key.Service, parts)
	}
	for _, name := range changed.Services {
		st.links.spread(name, parts) // what it needed before
		st.links.rewire(cat, name)
		st.links.spread(name, parts) // what it needs now
	}
	if len(changed.Clusters) > 0 {
		st.links.placed(cat, parts)
	}
	if len(changed.Services) > 0 {
		st.links.missing(cat, parts)
	}
	teams := st.links.namespaces(cat, changed)
	for _, name := range append(teams, changed.Teams...) {
		team(name)
		for service, s := range cat.Versions() {
			if s.Team == name && slices.Contains(teams, name) {
				st.links.spread(service, parts) // its neighbours name its namespace
			} else if s.Team == name {
				parts[service] = true
			}
		}
	}
	return parts, changed.Platform || changed.Guardrails || len(changed.Environments) > 0 || len(changed.Clusters) > 0
}

// wanted adds the units of one environment that the catalog declares and the
// change touches.
func (st *State) wanted(cat *catalog.Catalog, env *catalog.Environment, name string, out map[catalog.UnitKey]bool, changed eval.Delta, parts map[string]bool) {
	all := changed.Platform || slices.Contains(changed.Environments, name)
	for _, cluster := range env.Clusters {
		add := func(part string) {
			out[catalog.UnitKey{Environment: name, Cluster: cluster, Service: part}] = true
		}
		if !all && !slices.Contains(changed.Clusters, cluster) {
			for part := range parts {
				add(part) // those that are not declared come to nothing
			}
			continue
		}
		for key, team := range st.links.releasedBy {
			if key.Environment == name {
				add(key.Service)
				add(catalog.TeamUnit("", "", team).Service)
			}
		}
	}
}
