package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

type fields = map[string]any

// Admission are the objects by which a cluster enforces the policies that have a
// form in CEL, on a day: a ValidatingAdmissionPolicy and its binding each. They
// judge whoever writes into a team's namespace, and so also what does not come
// from Git. Exceptions count in them until they end; so they are to be written
// anew when a day turns something. The empty cluster stands for all of them.
func Admission(cat *catalog.Catalog, cluster string, today Day) ([]object.Object, error) {
	var out []object.Object
	for _, name := range slices.Sorted(maps.Keys(cat.Policies)) {
		p := cat.Policies[name]
		environments := environmentsOf(cat, p, cluster)
		if p.Broken() || len(p.CEL) == 0 || len(environments) == 0 {
			continue
		}
		for _, f := range []fields{validating(cat, p, cluster, today), binding(p, environments, today)} {
			raw, err := object.Encode(f)
			if err != nil {
				return nil, fmt.Errorf("write admission of policy %s: %w", name, err)
			}
			o, err := object.Parse(raw)
			if err != nil {
				return nil, fmt.Errorf("write admission of policy %s: %w", name, err)
			}
			out = append(out, o)
		}
	}
	return out, nil
}

// environmentsOf are the environments on a cluster that a policy is for.
func environmentsOf(cat *catalog.Catalog, p *catalog.Policy, cluster string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(cat.Environments)) {
		env := cat.Environments[name]
		var declared struct {
			Rank int `json:"rank"`
		}
		_ = json.Unmarshal(env.Data, &declared) // typed by the schema
		here := cluster == "" || slices.Contains(env.Clusters, cluster)
		if here && declared.Rank >= p.Where.Rank && (len(p.Where.Environments) == 0 || slices.Contains(p.Where.Environments, name)) {
			out = append(out, name)
		}
	}
	return out
}

func named(kind, name, title string) fields {
	return fields{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
		"metadata": fields{
			"name": "fairway-policy-" + name, "labels": fields{"app.kubernetes.io/part-of": "fairway"},
			"annotations": fields{"fairway.dev/title": title},
		},
	}
}

// validating is the policy itself. Its expressions may use variables.pods, the
// specs of the pods that an object makes, and variables.containers, all of theirs.
func validating(cat *catalog.Catalog, p *catalog.Policy, cluster string, today Day) fields {
	var rules []any
	for _, c := range p.CEL {
		rules = append(rules, fields{"expression": c.Expression, "message": c.Message + " (policy " + p.Name + ": " + p.Title + ")"})
	}
	out := named("ValidatingAdmissionPolicy", p.Name, p.Title)
	spec := fields{
		"failurePolicy": "Fail", "validations": rules,
		"matchConstraints": fields{"resourceRules": resourceRules(cat, p, cluster)},
		"variables": []any{
			fields{"name": "pods", "expression": `object.kind == "CronJob" ? [object.spec.jobTemplate.spec.template.spec] : has(object.spec) && has(object.spec.template) && has(object.spec.template.spec) ? [object.spec.template.spec] : []`},
			fields{"name": "containers", "expression": `size(variables.pods) == 0 ? [] : variables.pods[0].containers + (has(variables.pods[0].initContainers) ? variables.pods[0].initContainers : [])`},
		},
	}
	if conditions := conditions(cat, p, today); len(conditions) > 0 {
		spec["matchConditions"] = conditions
	}
	out["spec"] = spec
	return out
}

func resourceRules(cat *catalog.Catalog, p *catalog.Policy, cluster string) []any {
	kinds := tenancy.Kinds()
	for name, c := range cat.Clusters {
		if cluster == "" || name == cluster {
			kinds = append(kinds, tenancy.Offer(c.Kinds).Kinds()...)
		}
	}
	resources := map[string][]any{}
	for _, k := range kinds {
		full := k.Kind
		if k.Group != "" {
			full += "." + k.Group
		}
		if slices.Contains(p.Where.Kinds, full) && !slices.Contains(resources[k.Group], any(k.Resource)) {
			resources[k.Group] = append(resources[k.Group], k.Resource)
		}
	}
	var out []any
	for _, group := range slices.Sorted(maps.Keys(resources)) {
		out = append(out, fields{
			"apiGroups": []any{group}, "apiVersions": []any{"*"}, "operations": []any{"CREATE", "UPDATE"}, "resources": resources[group],
		})
	}
	return out
}

// conditions narrow a policy to the paths it is for, and free who is excepted.
func conditions(cat *catalog.Catalog, p *catalog.Policy, today Day) []any {
	const label = `(has(object.metadata.labels) && %q in object.metadata.labels ? object.metadata.labels[%q] : "")`
	var out []any
	if len(p.Where.Paths) > 0 {
		const path = "app.kubernetes.io/component"
		out = append(out, fields{"name": "paths", "expression": fmt.Sprintf(label, path, path) + " in " + list(p.Where.Paths)})
	}
	for _, name := range slices.Sorted(maps.Keys(cat.Exceptions)) {
		e := cat.Exceptions[name]
		service := cat.Services[e.Service]
		if e.Broken() || e.Policy != p.Name || today >= e.Expires || service == nil {
			continue
		}
		var namespaces []string
		for _, env := range slices.Sorted(maps.Keys(cat.Environments)) {
			if e.Covers(p.Name, e.Service, env) {
				namespaces = append(namespaces, cat.Namespace(service.Team, env))
			}
		}
		is := fmt.Sprintf(label, "fairway.dev/service", "fairway.dev/service") + fmt.Sprintf(" == %q", e.Service)
		out = append(out, fields{"name": "not-" + name, "expression": fmt.Sprintf("!(%s && request.namespace in %s)", is, list(namespaces))})
	}
	return out
}

// list is a list of texts in CEL.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = fmt.Sprintf("%q", t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func binding(p *catalog.Policy, environments []string, today Day) fields {
	action := "Deny"
	if severity, _ := SeverityOn(p.Severity, today); severity == diag.Warning {
		action = "Warn"
	}
	var values []any
	for _, name := range environments {
		values = append(values, name)
	}
	out := named("ValidatingAdmissionPolicyBinding", p.Name, p.Title)
	out["spec"] = fields{
		"policyName": "fairway-policy-" + p.Name, "validationActions": []any{action},
		"matchResources": fields{"namespaceSelector": fields{"matchExpressions": []any{
			fields{"key": "fairway.dev/environment", "operator": "In", "values": values},
		}}},
	}
	return out
}
