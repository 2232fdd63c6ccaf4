package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// Policy is a guardrail, as far as the engine acts upon it. Its constraint is CUE
// and stays with the workers that evaluate.
type Policy struct {
	Declared
	Title string `json:"title"`
	Why   string `json:"why"`
	Owner string `json:"owner"`
	// Severity is "deny", "warn" or "warn until 2027-03-01".
	Severity string `json:"severity"`
	// Subject is what is judged: "service", "object" or "plan".
	Subject string `json:"subject"`
	Where   Where  `json:"where"`
	// Field is the field of the service that people are sent to when what breaks the
	// policy is none.
	Field string `json:"field"`
	CEL   []CEL  `json:"cel"`
	// Passes and Fails are the examples, Says what is said of each that fails.
	Passes map[string]Example  `json:"passes"`
	Fails  map[string]Example  `json:"fails"`
	Says   map[string][]string `json:"says"`
}

// Where says which units, and what of them, a policy is for. What is empty does
// not narrow it.
type Where struct {
	Environments []string `json:"environments"`
	// Rank is the lowest rank of environments it is for.
	Rank  int      `json:"rank"`
	Tiers []string `json:"tiers"`
	Paths []string `json:"paths"`
	// Kinds are kinds of objects. Example: "Deployment.apps".
	Kinds []string `json:"kinds"`
}

// CEL is what the clusters' API servers check of a policy.
type CEL struct {
	Expression string `json:"expression"`
	Message    string `json:"message"`
}

// Example is what a policy is tried with: any part of what it looks at.
type Example struct {
	Object map[string]any `json:"object"`
}

// Exception frees a service from a policy until a day.
type Exception struct {
	Declared
	Policy       string   `json:"policy"`
	Service      string   `json:"service"`
	Environments []string `json:"environments"`
	Owner        string   `json:"owner"`
	Reason       string   `json:"reason"`
	// Expires is the first day on which it does not count any more. Example: "2027-03-01".
	Expires string `json:"expires"`
}

// Covers reports whether an exception is for a policy and a service in an
// environment, whatever the day.
func (e *Exception) Covers(policy, service, environment string) bool {
	return !e.Broken() && e.Policy == policy && e.Service == service &&
		(len(e.Environments) == 0 || slices.Contains(e.Environments, environment))
}

// CheckException looks at what an exception names, and at its day: the zero day
// is before all others.
func (c *Catalog) CheckException(name, today string) diag.List {
	e := c.Exceptions[name]
	if e == nil || e.Broken() {
		return nil
	}
	var list diag.List
	add := func(severity diag.Severity, code, field, message, hint string) {
		list = append(list, diag.Diag{Code: code, Severity: severity, Pos: e.At(field), Message: message, Hint: hint})
	}
	if c.Policies[e.Policy] == nil {
		add(diag.Error, "unknown-policy", "policy", fmt.Sprintf("policy: there is no policy %q", e.Policy), nearest(e.Policy, c.Policies))
	}
	if c.Services[e.Service] == nil {
		hint := nearest(e.Service, c.Services)
		if hint == "" {
			hint = "remove the exception if the service is gone"
		}
		add(diag.Error, "unknown-service", "service", fmt.Sprintf("service: there is no service %q", e.Service), hint)
	}
	for i, env := range e.Environments {
		if c.Environments[env] == nil {
			add(diag.Error, "unknown-environment", fmt.Sprintf("environments.%d", i),
				fmt.Sprintf("environments: there is no environment %q", env), "the environments are "+names(c.Environments))
		}
	}
	if today >= e.Expires {
		add(diag.Warning, "exception-expired", "expires", fmt.Sprintf("expires: the exception ended on %s and counts no more", e.Expires),
			fmt.Sprintf("remove the file, or have %s agree to another day", c.ownerOf(e.Policy)))
	}
	return list
}

// ownerOf is whom to ask about a policy.
func (c *Catalog) ownerOf(policy string) string {
	if p := c.Policies[policy]; p != nil && p.Owner != "" {
		return p.Owner
	}
	return "the owner of the policy"
}

// CheckPolicy looks at the environments and paths a policy names: one that is for
// nothing there is would be kept by everybody.
func (c *Catalog) CheckPolicy(name string) diag.List {
	p := c.Policies[name]
	if p == nil || p.Broken() {
		return nil
	}
	var list diag.List
	for i, env := range p.Where.Environments {
		if c.Environments[env] == nil {
			list = append(list, diag.Diag{
				Code: "unknown-environment", Severity: diag.Error, Pos: p.At(fmt.Sprintf("where.environments.%d", i)),
				Message: fmt.Sprintf("where.environments: there is no environment %q", env),
				Hint:    "the environments are " + strings.Join(slices.Sorted(maps.Keys(c.Environments)), ", "),
			})
		}
	}
	if len(p.CEL) > 0 && (p.Subject != "object" || len(p.Where.Kinds) == 0 || len(p.Where.Tiers) > 0) {
		list = append(list, diag.Diag{
			Code: "cel", Severity: diag.Error, Pos: p.At("cel"), Message: "cel: a cluster cannot tell what this is for",
			Hint: "only policies on objects, for kinds that where.kinds names, and of all tiers, have a form in CEL",
		})
	}
	return list
}
