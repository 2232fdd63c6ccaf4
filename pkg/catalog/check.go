package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/schedule"
)

// The checks between declarations, which no type can make. Each looks at one
// declaration and what it names, so that a change needs only its neighbours
// looked at again.

// CheckService looks at a service's team and the environments it speaks of.
func (c *Catalog) CheckService(name string) diag.List {
	s := c.Services[name]
	if s == nil || s.Broken() {
		return nil
	}
	var list diag.List
	subject := diag.Subject{Team: s.Team, Service: name}
	if c.Teams[s.Team] == nil {
		list = append(list, diag.Diag{
			Code: "unknown-team", Severity: diag.Error, Pos: s.At(""), Subject: subject,
			Message: fmt.Sprintf("team %q is not declared", s.Team),
			Hint:    fmt.Sprintf("add teams/%s/team.cue, or move the service to its team's folder", s.Team),
		})
	}
	for _, env := range slices.Sorted(maps.Keys(s.Overlays)) {
		if c.Environments[env] != nil {
			continue
		}
		list = append(list, diag.Diag{
			Code: "unknown-environment", Severity: diag.Error, Pos: s.At("environments." + env), Subject: subject,
			Message: fmt.Sprintf("environments.%s: there is no environment %q", env, env),
			Hint:    "the environments are " + names(c.Environments),
		})
	}
	for _, env := range slices.Sorted(maps.Keys(c.Environments)) {
		list = append(list, c.CheckRegions(name, env)...)
	}
	return list
}

// CheckNamespaces finds the teams whose namespaces are not theirs alone, by team:
// each of them could write into what belongs to the other.
func (c *Catalog) CheckNamespaces() map[string]diag.List {
	type place struct{ team, environment string }
	claims := map[string][]place{}
	for _, team := range slices.Sorted(maps.Keys(c.Teams)) {
		for _, env := range slices.Sorted(maps.Keys(c.Environments)) {
			name := c.Namespace(team, env)
			claims[name] = append(claims[name], place{team, env})
		}
	}
	out := map[string]diag.List{}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		for i, at := range claims[name] {
			other := claims[name][(i+1)%len(claims[name])]
			if other.team == at.team || len(out[at.team]) > 0 {
				continue
			}
			out[at.team] = diag.List{{
				Code: "namespace-taken", Severity: diag.Error, Pos: c.Teams[at.team].At("namespace"), Subject: diag.Subject{Team: at.team},
				Message: fmt.Sprintf("the namespace %s of team %s would be team %s's as well", name, at.team, other.team),
				Hint:    "give one of the two teams another namespace",
				Related: []diag.Related{{Pos: c.Teams[other.team].At("namespace"), Note: "the other team"}},
			}}
		}
	}
	return out
}

// CheckEnvironment looks at the clusters an environment runs on.
func (c *Catalog) CheckEnvironment(name string) diag.List {
	env := c.Environments[name]
	if env == nil || env.Broken() {
		return nil
	}
	var list diag.List
	for i, cluster := range env.Clusters {
		if c.Clusters[cluster] != nil {
			continue
		}
		list = append(list, diag.Diag{
			Code: "unknown-cluster", Severity: diag.Error, Pos: env.At(fmt.Sprintf("clusters.%d", i)),
			Subject: diag.Subject{Environment: name, Cluster: cluster},
			Message: fmt.Sprintf("clusters: there is no cluster %q", cluster),
			Hint:    "the clusters are " + names(c.Clusters),
		})
	}
	list = append(list, c.checkRegions(env)...)
	list = append(list, c.checkBase(env)...)
	return append(list, checkSleep(env)...)
}

// checkSleep finds what CUE cannot see of a schedule. With a mistake in it the
// environment does not sleep.
func checkSleep(env *Environment) diag.List {
	if env.Sleep == nil {
		return nil
	}
	_, err := schedule.Parse(*env.Sleep)
	var fault *schedule.Fault
	if !errors.As(err, &fault) {
		return nil
	}
	return diag.List{{
		Code: "schedule", Severity: diag.Error, Pos: env.At("sleep." + fault.Field), Subject: diag.Subject{Environment: env.Name},
		Message: "sleep." + fault.Error(), Hint: "the environment stays awake until this is mended",
	}}
}

// CheckRelease looks at what a release releases, and where.
func (c *Catalog) CheckRelease(key ReleaseKey) diag.List {
	r := c.Releases[key]
	if r == nil {
		return nil
	}
	subject := diag.Subject{Service: key.Service, Environment: key.Environment}
	problem := func(code, message, hint string) diag.List {
		return diag.List{{Code: code, Severity: diag.Error, Pos: r.At(""), Subject: subject, Message: message, Hint: hint}}
	}
	if c.Environments[key.Environment] == nil {
		return problem("unknown-environment", fmt.Sprintf("environment %q is not declared", key.Environment),
			fmt.Sprintf("add environments/%s/environment.cue, or remove the release", key.Environment))
	}
	s := c.ServiceIn(key.Environment, key.Service)
	if s == nil {
		return problem("release-without-service", fmt.Sprintf("there is no service %q to release", key.Service),
			fmt.Sprintf("remove this file, or bring teams/%s/%s back", r.Team, key.Service))
	}
	if s.Team != r.Team {
		return problem("release-team", fmt.Sprintf("service %q belongs to team %s, not %s", key.Service, s.Team, r.Team),
			fmt.Sprintf("move this file to environments/%s/releases/%s/", key.Environment, s.Team))
	}
	return nil
}

// Resolved is a need and the service that fills it.
type Resolved struct {
	Service    string   `json:"service"`
	ObjectName string   `json:"objectName"`
	Team       string   `json:"team"`
	Namespace  string   `json:"namespace"`
	Endpoint   Endpoint `json:"endpoint"`
}

// Resolve finds what fills a service's needs in an environment, on one of its clusters.
func (c *Catalog) Resolve(s *Service, environment, cluster string) (map[string]Resolved, diag.List) {
	out := make(map[string]Resolved, len(s.Needs))
	var list diag.List
	for _, as := range slices.Sorted(maps.Keys(s.Needs)) {
		need := s.Needs[as]
		resolved, why, hint := c.resolve(need, environment, cluster)
		if why == "" {
			out[as] = resolved
			continue
		}
		list = append(list, diag.Diag{
			Code: "unmet-need", Severity: diag.Error, Pos: s.At("needs." + as + ".service"),
			Subject: diag.Subject{Team: s.Team, Service: s.Name, Environment: environment},
			Message: fmt.Sprintf("needs.%s: %s", as, why), Hint: hint,
		})
	}
	return out, list
}

func (c *Catalog) resolve(need Need, environment, cluster string) (r Resolved, why, hint string) {
	asked := environment
	environment = c.In(asked, need.Service)
	target := c.ServiceIn(environment, need.Service)
	if target == nil {
		return r, fmt.Sprintf("there is no service %q", need.Service), nearest(need.Service, c.Services)
	}
	if c.Releases[ReleaseKey{environment, need.Service}] == nil {
		where := environment
		if asked != environment {
			where = asked + ", and not in " + environment + " either, on which it stands"
		}
		return r, fmt.Sprintf("service %q is not released in %s", need.Service, where),
			fmt.Sprintf("release it with environments/%s/releases/%s/%s.cue first", environment, target.Team, need.Service)
	}
	if asked != environment && !slices.Contains(c.Environments[environment].Clusters, cluster) {
		return r, fmt.Sprintf("service %q is called in %s, which is not on %s", need.Service, environment, cluster),
			fmt.Sprintf("release it in %s as well, or do not run on %s", asked, cluster)
	}
	if !c.Runs(target, environment, cluster) {
		return r, fmt.Sprintf("service %q does not run on %s: in %s it has its place in %s", need.Service, cluster, environment,
				strings.Join(c.RegionsOf(target.Standing(), environment), ", ")),
			fmt.Sprintf("have the regions of %s name %s as well, or do not run there", target.Source, c.Clusters[cluster].Region)
	}
	standing := target.Standing()
	if standing == nil {
		return r, fmt.Sprintf("service %q has a mistake of its own", need.Service), "see " + target.Source
	}
	endpoint, ok := standing.Endpoints[need.Endpoint]
	if !ok {
		return r, fmt.Sprintf("service %q has no endpoint %q", need.Service, need.Endpoint), "its endpoints are: " + names(standing.Endpoints)
	}
	if need.Protocol != "" && need.Protocol != endpoint.Protocol {
		return r, fmt.Sprintf("endpoint %q of service %q speaks %s, and not %s", need.Endpoint, need.Service, endpoint.Protocol, need.Protocol),
			"speak " + endpoint.Protocol + ", or have " + target.Source + " changed back"
	}
	return Resolved{
		Service: need.Service, ObjectName: standing.ObjectName, Team: target.Team, Namespace: c.Namespace(target.Team, environment), Endpoint: endpoint,
	}, "", ""
}

func names[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// nearest suggests the name a person probably meant.
func nearest[V any](name string, m map[string]V) string {
	if best := diag.Nearest(name, slices.Sorted(maps.Keys(m))); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}
