package render

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// caller is a service that needs the unit's service.
type caller struct {
	Service    string `json:"service"`
	ObjectName string `json:"objectName"`
	Team       string `json:"team"`
	Namespace  string `json:"namespace"`
}

// callersOf lists who needs the unit's service, in its environment and in those that
// stand on it.
func (st *State) callersOf(cat *catalog.Catalog, key catalog.UnitKey) []caller {
	out := []caller{}
	for _, environment := range append([]string{key.Environment}, cat.StandingOn(key.Environment, key.Cluster)...) {
		if cat.In(environment, key.Service) != key.Environment {
			continue
		}
		for name := range st.links.callers[key.Service] {
			s := cat.ServiceIn(environment, name)
			if s == nil || !needs(cat, s, key.Service) || cat.Releases[catalog.ReleaseKey{Environment: environment, Service: name}] == nil || !cat.Runs(s, environment, key.Cluster) {
				continue
			}
			called := name
			if standing := s.Standing(); standing != nil {
				called = standing.ObjectName
			}
			out = append(out, caller{Service: name, ObjectName: called, Team: s.Team, Namespace: cat.Namespace(s.Team, environment)})
		}
	}
	slices.SortFunc(out, func(a, b caller) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Namespace, b.Namespace))
	})
	return out
}

// needs reports whether a service that is known to need another in some environment
// does so as it is here. Where there is one version of it, it is known.
func needs(cat *catalog.Catalog, s *catalog.Service, target string) bool {
	if len(cat.VersionsOf(s.Name)) == 1 {
		return true
	}
	standing := s.Standing()
	return standing != nil && slices.ContainsFunc(slices.Collect(maps.Values(standing.Needs)), func(n catalog.Need) bool { return n.Service == target })
}
