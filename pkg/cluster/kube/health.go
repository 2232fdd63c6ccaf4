package kube

import (
	"maps"

	engine "github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/health"
)

// maxMessage is how much of a health message is kept of each object.
const maxMessage = 256

// judges are the rules that the platform declares, by kind.
type judges map[schema.GroupKind]*health.Rules

// SetHealth has objects judged by rules from now on. Kinds whose rules changed are
// listed anew where they are watched; rules that are as they were cost no request.
func (c *Cluster) SetHealth(rules []*health.Rules) {
	next := judges{}
	for _, r := range rules {
		next[schema.GroupKind{Group: r.Kind.Group, Kind: r.Kind.Kind}] = r
	}
	c.judging.Lock()
	defer c.judging.Unlock()
	before := c.index.judging()
	c.index.judges.Store(&next)
	for gk := range both(before, next) {
		if !before[gk].Equal(next[gk]) {
			c.watchAnew(gk)
		}
	}
}

func both(a, b judges) judges {
	out := maps.Clone(b)
	maps.Copy(out, a)
	return out
}

// judging are the rules at present.
func (x *index) judging() judges {
	if j := x.judges.Load(); j != nil {
		return *j
	}
	return judges{}
}

// healthOf asks the platform's rules and else gitops-engine how an object is doing. Kinds without a notion
// of health are HealthUnknown. Where the assessment itself fails, the object
// counts as progressing: it is not shown to be well.
func (j judges) healthOf(fields map[string]any) (status cluster.HealthStatus, message string) {
	defer func() {
		if r := recover(); r != nil { // the assessors trust their input; a cluster's content is not to be trusted
			status, message = cluster.Progressing, "health could not be assessed"
		}
	}()
	u := &unstructured.Unstructured{Object: fields}
	if rules := j[u.GroupVersionKind().GroupKind()]; rules != nil && u.GetDeletionTimestamp() == nil {
		told, message := rules.Assess(fields)
		return cluster.HealthStatus(told), message
	}
	if engine.GetHealthCheckFunc(u.GroupVersionKind()) == nil && u.GetDeletionTimestamp() == nil {
		return cluster.HealthUnknown, ""
	}
	u.Object = assessed(fields)
	got, err := engine.GetResourceHealth(u, nil)
	if err != nil || got != nil && got.Status == engine.HealthStatusUnknown {
		return cluster.Progressing, "health could not be assessed"
	}
	if got == nil {
		return cluster.HealthUnknown, ""
	}
	if got.Status == engine.HealthStatusHealthy {
		return cluster.Healthy, ""
	}
	return cluster.HealthStatus(got.Status), got.Message[:min(len(got.Message), maxMessage)]
}

// assessed leaves out what no assessor reads and every one would convert: the
// managed fields and the pod template.
func assessed(fields map[string]any) map[string]any {
	out := without(fields, "metadata", "managedFields")
	spec, _ := out["spec"].(map[string]any)
	if _, ok := spec["template"]; ok {
		out["spec"] = copyWithout(spec, "template")
	}
	return out
}

// without copies an object but for one field of one part of it.
func without(fields map[string]any, part, field string) map[string]any {
	out := make(map[string]any, len(fields))
	for k, v := range fields {
		out[k] = v
	}
	if m, ok := fields[part].(map[string]any); ok {
		out[part] = copyWithout(m, field)
	}
	return out
}

func copyWithout(m map[string]any, field string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if k != field {
			out[k] = v
		}
	}
	return out
}
