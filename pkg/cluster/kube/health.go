package kube

import (
	"github.com/argoproj/argo-cd/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// maxMessage is how much of a health message is kept of each object.
const maxMessage = 256

// healthOf asks gitops-engine how an object is doing. Kinds without a notion
// of health are HealthUnknown. Where the assessment itself fails, the object
// counts as progressing: it is not shown to be well.
func healthOf(fields map[string]any) (status cluster.HealthStatus, message string) {
	defer func() {
		if r := recover(); r != nil { // the assessors trust their input; a cluster's content is not to be trusted
			status, message = cluster.Progressing, "health could not be assessed"
		}
	}()
	u := &unstructured.Unstructured{Object: fields}
	if health.GetHealthCheckFunc(u.GroupVersionKind()) == nil && u.GetDeletionTimestamp() == nil {
		return cluster.HealthUnknown, ""
	}
	u.Object = assessed(fields)
	got, err := health.GetResourceHealth(u, nil)
	if err != nil || got != nil && got.Status == health.HealthStatusUnknown {
		return cluster.Progressing, "health could not be assessed"
	}
	if got == nil {
		return cluster.HealthUnknown, ""
	}
	if got.Status == health.HealthStatusHealthy {
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
