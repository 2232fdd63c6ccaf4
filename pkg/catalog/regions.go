package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// A service says in which regions it runs, and a cluster where it stands; on which of
// an environment's clusters there is a unit of the service follows from the two.
//
// Whoever says less removes units, so less counts only where all of it can be read:
// of what is broken the last good version decides, and a region without a cluster is
// taken for a typing mistake, which removes nothing.

// RegionsOf are the regions a service runs in in an environment: what it says of the
// environment, or of all, or what the environment says of those that say nothing.
// None stands for all there are.
func (c *Catalog) RegionsOf(s *Service, environment string) []string {
	if own, said := s.Regions[environment]; said {
		return own
	}
	if own := c.regionsOfBase(s, environment); len(own) > 0 {
		return own
	}
	if own, said := s.Regions[""]; said {
		return own
	}
	if env := c.Environments[environment]; env != nil {
		return env.Regions
	}
	return nil
}

// regionsOfBase are those of the regions that a service names of an environment's base in
// which the environment has clusters too: it may have fewer.
func (c *Catalog) regionsOfBase(s *Service, environment string) []string {
	base := c.BaseOf(environment)
	if base == "" {
		return nil
	}
	own := s.Regions[base]
	there, known := c.regionsIn(environment)
	if !known {
		return own
	}
	return slices.DeleteFunc(slices.Clone(own), func(region string) bool { return !slices.Contains(there, region) })
}

// Runs reports whether a service has its place on a cluster of an environment that
// releases it. Where that cannot be said it has: what stands there is held then, and
// not taken for removed.
func (c *Catalog) Runs(s *Service, environment, cluster string) bool {
	standing := s.Standing()
	if standing == nil {
		return true
	}
	regions := c.RegionsOf(standing, environment)
	if len(regions) == 0 {
		return true
	}
	at := c.Clusters[cluster]
	return at == nil || at.Region == "" || slices.Contains(regions, at.Region) || len(c.without(regions, environment)) > 0
}

// without are the places in a list of regions in which an environment has no cluster.
// While one of its clusters may be anywhere there are none.
func (c *Catalog) without(regions []string, environment string) []int {
	there, known := c.regionsIn(environment)
	if !known {
		return nil
	}
	var out []int
	for i, region := range regions {
		if !slices.Contains(there, region) {
			out = append(out, i)
		}
	}
	return out
}

// regionsIn are the regions of an environment's clusters; false where one of them is
// not known.
func (c *Catalog) regionsIn(environment string) ([]string, bool) {
	env := c.Environments[environment]
	if env == nil {
		return nil, false
	}
	var out []string
	for _, name := range env.Clusters {
		cluster := c.Clusters[name]
		if cluster == nil || cluster.Region == "" {
			return nil, false
		}
		out = append(out, cluster.Region)
	}
	slices.Sort(out)
	return slices.Compact(out), true
}

// CheckRegions looks at the regions that a service names, in an environment that
// releases it.
func (c *Catalog) CheckRegions(name, environment string) diag.List {
	s := c.ServiceIn(environment, name)
	if s == nil || s.Broken() || c.Releases[ReleaseKey{Environment: environment, Service: name}] == nil {
		return nil
	}
	field := "environments." + environment + ".regions"
	regions, said := s.Regions[environment]
	if !said && len(c.regionsOfBase(s, environment)) > 0 {
		return nil
	}
	if !said {
		field, regions = "regions", s.Regions[""]
	}
	return c.placeless(regions, environment, field, s.Declared, diag.Subject{Team: s.Team, Service: name, Environment: environment})
}

// CheckPlace is [Catalog.CheckRegions], or what is wrong with the regions of the
// environment where those count: the service is held then.
func (c *Catalog) CheckPlace(name, environment string) diag.List {
	s, env := c.ServiceIn(environment, name), c.Environments[environment]
	if s == nil || env == nil || env.Broken() || s.Regions[environment] != nil || s.Regions[""] != nil || len(c.regionsOfBase(s, environment)) > 0 {
		return c.CheckRegions(name, environment)
	}
	return c.checkRegions(env)
}

func (c *Catalog) checkRegions(env *Environment) diag.List {
	return c.placeless(env.Regions, env.Name, "regions", env.Declared, diag.Subject{Environment: env.Name})
}

// placeless says of each of a list of regions that an environment has no cluster there.
func (c *Catalog) placeless(regions []string, environment, field string, d Declared, subject diag.Subject) diag.List {
	there, _ := c.regionsIn(environment)
	var list diag.List
	for _, i := range c.without(regions, environment) {
		list = append(list, diag.Diag{
			Code: "unknown-region", Severity: diag.Error, Pos: d.At(fmt.Sprintf("%s.%d", field, i)), Subject: subject,
			Message: fmt.Sprintf("%s: %s has no cluster in the region %q", field, environment, regions[i]),
			Hint:    fmt.Sprintf("its clusters are in %s; what is another in %s is said in environments.%s.regions of a service", strings.Join(there, ", "), environment, environment),
		})
	}
	return list
}
