// Package capacity holds what services ask for against what clusters have.
//
// It goes by what is rendered and what is declared, and asks no cluster: whether
// a change fits is said before it is merged. What it says is a function of its
// arguments.
package capacity

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fairway-dev/fairway/pkg/object"
)

// ClassLabel is the label of nodes by which pods ask for a class of them.
const ClassLabel = "fairway.dev/node-class"

// Amount is a share of nodes.
type Amount struct {
	// CPU is in thousandths of a core, Memory in bytes.
	CPU    int64 `json:"cpu"`
	Memory int64 `json:"memory"`
	Pods   int64 `json:"pods"`
}

// Plus adds another amount so many times.
func (a Amount) Plus(b Amount, times int64) Amount {
	return Amount{a.CPU + b.CPU*times, a.Memory + b.Memory*times, a.Pods + b.Pods*times}
}

// Demand is what a unit's pods on one class of nodes request together.
type Demand struct {
	// Class is the class of nodes; "" for those that have none.
	Class string `json:"class,omitempty"`
	// Least is requested all the time, Most when the unit is scaled as far as it may
	// be and its jobs run.
	Least Amount `json:"least"`
	Most  Amount `json:"most"`
}

type fields = map[string]any

// scale is between how many pods something else keeps a workload.
type scale struct{ least, most int64 }

// Of reckons what a unit requests, by class of nodes, sorted. Workloads of kinds
// that it does not know count if they have a pod template and a number of
// replicas where Deployments do.
func Of(objects []object.Object) []Demand {
	decoded := make([]fields, len(objects))
	scales := map[string]scale{}
	for i, o := range objects {
		decoded[i] = o.Fields()
		if target, s, ok := scaler(o.ID.Kind, decoded[i]); ok {
			scales[target] = s
		}
	}
	sums := map[string]Demand{}
	for i, o := range objects {
		template, s := workload(o.ID.Kind, decoded[i])
		if template == nil {
			continue
		}
		if by, scaled := scales[o.ID.Kind+"/"+o.ID.Name]; scaled && s.most > 0 { // at 0 it sleeps, whatever would scale it
			s = by
		}
		pod, class := podOf(template)
		d := sums[class]
		d.Class, d.Least, d.Most = class, d.Least.Plus(pod, s.least), d.Most.Plus(pod, s.most)
		sums[class] = d
	}
	out := slices.Collect(maps.Values(sums))
	slices.SortFunc(out, func(a, b Demand) int { return cmp.Compare(a.Class, b.Class) })
	return slices.DeleteFunc(out, func(d Demand) bool { return d.Most == Amount{} })
}

// scaler reads what keeps the number of a workload's pods, which it names.
func scaler(kind string, f fields) (target string, s scale, ok bool) {
	spec := at(f, "spec")
	ref := at(spec, "scaleTargetRef")
	name, _ := ref["name"].(string)
	of, _ := ref["kind"].(string)
	target = cmp.Or(of, "Deployment") + "/" + name
	switch {
	case name == "":
	case kind == "HorizontalPodAutoscaler":
		return target, scale{number(spec, "minReplicas", 1), number(spec, "maxReplicas", 1)}, true
	case kind == "ScaledObject":
		return target, scale{number(spec, "minReplicaCount", 0), number(spec, "maxReplicaCount", 100)}, true
	}
	return "", scale{}, false
}

// workload gives the pod template of what brings pods about, and how many; nil for
// what does not.
func workload(kind string, f fields) (template fields, s scale) {
	spec := at(f, "spec")
	if kind == "CronJob" {
		if spec["suspend"] == true {
			return nil, s
		}
		spec = at(at(spec, "jobTemplate"), "spec")
	}
	template = at(spec, "template")
	if at(template, "spec")["containers"] == nil {
		return nil, s
	}
	if kind == "CronJob" || kind == "Job" {
		return template, scale{0, number(spec, "parallelism", 1)}
	}
	n := number(spec, "replicas", 1)
	return template, scale{n, n}
}

// podOf is what one pod requests, and the class of nodes it asks for. Containers
// that run before the others need no more room than the largest of them, but
// those that stay beside the others do.
func podOf(template fields) (Amount, string) {
	spec := at(template, "spec")
	class, _ := at(spec, "nodeSelector")[ClassLabel].(string)
	sum, before := Amount{}, Amount{}
	for _, c := range list(spec, "initContainers") {
		asked := asked(c)
		if c["restartPolicy"] == "Always" {
			sum = sum.Plus(asked, 1)
		}
		before.CPU, before.Memory = max(before.CPU, asked.CPU), max(before.Memory, asked.Memory)
	}
	for _, c := range list(spec, "containers") {
		sum = sum.Plus(asked(c), 1)
	}
	return Amount{CPU: max(sum.CPU, before.CPU), Memory: max(sum.Memory, before.Memory), Pods: 1}, class
}

func asked(container fields) Amount {
	resources := at(container, "resources")
	read := func(name string) resource.Quantity {
		text, _ := at(resources, "requests")[name].(string)
		if text == "" { // what is limited and not requested is requested as it is limited
			text, _ = at(resources, "limits")[name].(string)
		}
		return quantity(text)
	}
	cpu, memory := read("cpu"), read("memory")
	return Amount{CPU: cpu.MilliValue(), Memory: memory.Value()}
}

// quantity reads an amount; what is none counts as nothing, and the cluster will
// refuse it.
func quantity(text string) resource.Quantity {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}
	}
	return q
}

func at(f fields, name string) fields {
	m, _ := f[name].(fields)
	return m
}

func list(f fields, name string) []fields {
	var out []fields
	all, _ := f[name].([]any)
	for _, e := range all {
		if m, ok := e.(fields); ok {
			out = append(out, m)
		}
	}
	return out
}

func number(f fields, name string, otherwise int64) int64 {
	if n, ok := f[name].(int64); ok {
		return n
	}
	return otherwise
}
