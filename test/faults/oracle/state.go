package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Object is one live object, flattened: each leaf under its path.
type Object map[string]string

// State is what is live: objects by "cluster kind namespace/name".
type State map[string]Object

// Kind is a kind of objects that states hold.
type Kind struct {
	schema.GroupVersionResource
	Name string
}

// Kinds are those that states hold: all that golden paths render, and what
// platforms write besides.
func Kinds() []Kind {
	of := func(group, version, resource, name string) Kind {
		return Kind{schema.GroupVersionResource{Group: group, Version: version, Resource: resource}, name}
	}
	return []Kind{
		of("", "v1", "namespaces", "Namespace"), of("", "v1", "configmaps", "ConfigMap"), of("", "v1", "secrets", "Secret"),
		of("", "v1", "services", "Service"), of("", "v1", "serviceaccounts", "ServiceAccount"),
		of("", "v1", "resourcequotas", "ResourceQuota"), of("", "v1", "limitranges", "LimitRange"),
		of("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
		of("apps", "v1", "deployments", "Deployment"), of("batch", "v1", "cronjobs", "CronJob"), of("batch", "v1", "jobs", "Job"),
		of("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"), of("networking.k8s.io", "v1", "ingresses", "Ingress"),
		of("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
		of("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
		of("rbac.authorization.k8s.io", "v1", "roles", "Role"), of("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
	}
}

// Live are the objects of a company on its clusters as they are now.
type Live struct {
	Cluster string
	Kind    Kind
	*unstructured.Unstructured
}

// Key names an object in a state.
func (l Live) Key() string {
	return l.Cluster + " " + l.Kind.Name + " " + l.GetNamespace() + "/" + l.GetName()
}

// Ours reports whether the daemon applied any of it.
func (l Live) Ours() bool {
	return slices.ContainsFunc(l.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return strings.HasPrefix(f.Manager, "fairway:") && f.Operation == metav1.ManagedFieldsOperationApply
	})
}

// Read lists the objects of clusters that belong to a company: those whose
// namespace, or own name, has the mark in it.
func Read(ctx context.Context, clients map[string]dynamic.Interface, mark string) ([]Live, error) {
	var out []Live
	for _, cluster := range slices.Sorted(maps.Keys(clients)) {
		for _, kind := range Kinds() {
			list, err := clients[cluster].Resource(kind.GroupVersionResource).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("read %s of %s: %w", kind.Resource, cluster, err)
			}
			for i := range list.Items {
				l := Live{Cluster: cluster, Kind: kind, Unstructured: &list.Items[i]}
				if strings.Contains(l.GetNamespace()+"/"+l.GetName(), mark) {
					out = append(out, l)
				}
			}
		}
	}
	return out, nil
}

// StateOf is the state of objects, with names given back: rename turns the
// servers' words into those that all companies share.
func StateOf(objects []Live, rename func(string) string) (State, error) {
	out := State{}
	for _, l := range objects {
		c := l.DeepCopy()
		delete(c.Object, "status")
		meta, _ := c.Object["metadata"].(map[string]any)
		for _, volatile := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"} {
			delete(meta, volatile)
		}
		raw, err := json.Marshal(c.Object)
		if err != nil {
			return nil, fmt.Errorf("flatten %s: %w", l.Key(), err)
		}
		var v any
		if err := json.Unmarshal([]byte(rename(string(raw))), &v); err != nil {
			return nil, fmt.Errorf("flatten %s: %w", l.Key(), err)
		}
		flat := Object{}
		flatten(flat, "", v)
		out[rename(l.Key())] = flat
	}
	return out, nil
}

func flatten(into Object, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, field := range v {
			flatten(into, path+"/"+strings.ReplaceAll(key, "/", "~1"), field)
		}
		if len(v) == 0 {
			into[path] = "{}"
		}
	case []any:
		for i, item := range v {
			flatten(into, path+"/"+strconv.Itoa(i), item)
		}
		if len(v) == 0 {
			into[path] = "[]"
		}
	default:
		into[path] = fmt.Sprint(v)
	}
}

// Mask is a set of "kind path" that differ though nothing is wrong.
type Mask map[string]bool

// Declared are the fields that say when and how an object was written and not
// what it is.
func Declared() Mask {
	out := Mask{}
	for _, kind := range Kinds() {
		out[kind.Name+" /metadata/annotations/fairway.dev~1commit"] = true
		out[kind.Name+" /metadata/annotations/deployment.kubernetes.io~1revision"] = true
	}
	// The UID of a Job is in its pods' labels.
	for _, path := range []string{"/spec/selector/matchLabels/", "/spec/template/metadata/labels/"} {
		out["Job "+path+"batch.kubernetes.io~1controller-uid"] = true
		out["Job "+path+"controller-uid"] = true
	}
	return out
}

// Learn adds what differs between states of runs in which nothing went wrong.
func (m Mask) Learn(a, b State) {
	for key, left := range a {
		kind := strings.Fields(key)[1]
		right, ok := b[key]
		if !ok {
			continue // an object that is only in one of them is a difference
		}
		for path := range union(left, right) {
			if left[path] != right[path] {
				m[kind+" "+path] = true
			}
		}
	}
}

func union(a, b Object) map[string]bool {
	out := map[string]bool{}
	for path := range a {
		out[path] = true
	}
	for path := range b {
		out[path] = true
	}
	return out
}

// Differences says how a state differs from the one wanted, one line each.
func (m Mask) Differences(want, got State) []string {
	var out []string
	for key, left := range want {
		right, ok := got[key]
		if !ok {
			out = append(out, key+" is missing")
			continue
		}
		kind := strings.Fields(key)[1]
		for path := range union(left, right) {
			if left[path] != right[path] && !m[kind+" "+path] {
				out = append(out, fmt.Sprintf("%s has %s: %q, want %q", key, path, right[path], left[path]))
			}
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			out = append(out, key+" is too many")
		}
	}
	slices.Sort(out)
	return out
}
