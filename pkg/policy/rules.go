package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// Rule is what a cluster refuses or warns of by itself, one expression of a policy.
// Its kinds are the product of Groups and Resources.
type Rule struct {
	// Action is "Deny" or "Warn".
	Action    string   `json:"action"`
	Groups    []string `json:"groups"`
	Resources []string `json:"resources"`
	// Holds is in CEL; it may use the variables of [Admission].
	Holds   string `json:"holds"`
	Message string `json:"message"`
}

// Rules are the policies that have a form in CEL as a cluster's own unit carries
// them, by the name of the policy, or name-2 and so on for its further expressions;
// and the next day on which they are others by themselves, empty for none. They say
// the same as [Admission], and share two objects whose names the daemon has rights
// for, so that a new policy needs no new right.
func Rules(cat *catalog.Catalog, cluster string, today Day) (rules map[string]Rule, next Day) {
	rules = map[string]Rule{}
	for _, name := range slices.Sorted(maps.Keys(cat.Policies)) {
		p := cat.Policies[name]
		environments := environmentsOf(cat, p, cluster)
		if p.Broken() || len(p.CEL) == 0 || len(environments) == 0 {
			continue
		}
		action := "Deny"
		severity, until := SeverityOn(p.Severity, today)
		if severity == diag.Warning {
			action = "Warn"
		}
		next = earlier(next, until)
		for _, e := range cat.Exceptions {
			if !e.Broken() && e.Policy == name && today < e.Expires {
				next = earlier(next, e.Expires)
			}
		}
		for i, c := range p.CEL {
			rule := Rule{Action: action, Message: c.Message + " (" + p.Title + ")"}
			for _, r := range resourceRules(cat, p, cluster) {
				f := r.(fields)
				rule.Groups = append(rule.Groups, texts(f["apiGroups"])...)
				rule.Resources = append(rule.Resources, texts(f["resources"])...)
			}
			rule.Holds = "!(" + strings.Join(scope(cat, p, environments, today), " && ") + ") || (" + c.Expression + ")"
			key := name
			if i > 0 {
				key = fmt.Sprintf("%s-%d", name, i+1)
			}
			if len(rule.Resources) > 0 {
				rules[key] = rule
			}
		}
	}
	return rules, next
}

// scope says in CEL where a policy is for an object: in the environments, paths and
// services it names, but for those that are excepted.
func scope(cat *catalog.Catalog, p *catalog.Policy, environments []string, today Day) []string {
	const label = "fairway.dev/environment"
	out := []string{
		"has(namespaceObject.metadata.labels)",
		fmt.Sprintf("%q in namespaceObject.metadata.labels", label),
		fmt.Sprintf("namespaceObject.metadata.labels[%q] in %s", label, list(environments)),
	}
	for _, c := range conditions(cat, p, today) {
		out = append(out, c.(fields)["expression"].(string))
	}
	return out
}

func texts(v any) []string {
	var out []string
	for _, t := range v.([]any) {
		out = append(out, t.(string))
	}
	return out
}
