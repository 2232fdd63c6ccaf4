package catalog

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// An environment may stand on another, its base: what is needed in it and is not
// released there is called in the base, on the same cluster, and what services say of
// the base holds for it where they say nothing of itself. A base stands on nothing.

// In is where a service is called that is needed in an environment: there, if it is
// released there or the environment's base is not declared, or else in the base.
func (c *Catalog) In(environment, service string) string {
	base := c.BaseOf(environment)
	if c.Environments[base] == nil || c.Releases[ReleaseKey{environment, service}] != nil {
		return environment
	}
	return base
}

// BaseOf is the base of an environment; "" where it stands on its own, as does one that
// names itself.
func (c *Catalog) BaseOf(environment string) string {
	if env := c.Environments[environment]; env != nil && env.Base != environment {
		return env.Base
	}
	return ""
}

// StandingOn are the environments on a cluster that stand on an environment, sorted.
func (c *Catalog) StandingOn(environment, cluster string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.Environments)) {
		if env := c.Environments[name]; c.BaseOf(name) == environment && slices.Contains(env.Clusters, cluster) {
			out = append(out, name)
		}
	}
	return out
}

// checkBase looks at what an environment stands on.
func (c *Catalog) checkBase(env *Environment) diag.List {
	base := c.Environments[env.Base]
	message, hint := "", "name one that stands on its own"
	switch {
	case env.Base == "":
		return nil
	case base == nil:
		message, hint = fmt.Sprintf("there is no environment %q", env.Base), nearest(env.Base, c.Environments)
	case env.Base == env.Name:
		message = "an environment does not stand on itself"
	case base.Base != "":
		message, hint = fmt.Sprintf("%s stands on %s, and only one that stands on its own can be stood on", env.Base, base.Base), "stand on "+base.Base
	default:
		return nil
	}
	return diag.List{{
		Code: "base", Severity: diag.Error, Pos: env.At("base"), Subject: diag.Subject{Environment: env.Name}, Message: "base: " + message, Hint: hint,
	}}
}
