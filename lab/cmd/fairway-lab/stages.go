package main

import (
	"fmt"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"
)

// readyAnnotation on a pod with the value "never" keeps it from becoming
// ready, so that a test can see a rollout get stuck.
const readyAnnotation = "lab.fairway.dev/ready"

// ingressServed plays an ingress controller, which gives every Ingress an address.
const ingressServed = `
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: ingress-served}
spec:
  resourceRef: {apiGroup: networking.k8s.io/v1, kind: Ingress}
  selector:
    matchExpressions:
    - {key: .status.loadBalancer.ingress, operator: DoesNotExist}
  next:
    patches:
    - subresource: status
      root: status
      type: merge
      template: |
        loadBalancer: {ingress: [{ip: 127.0.0.1}]}
`

// autoscalerActive plays the autoscaler, which finds every target to be as
// large as it should be. There are no metrics here to say otherwise.
const autoscalerActive = `
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: autoscaler-active}
spec:
  resourceRef: {apiGroup: autoscaling/v2, kind: HorizontalPodAutoscaler}
  selector:
    matchExpressions:
    - {key: '.status.conditions', operator: DoesNotExist}
  next:
    patches:
    - subresource: status
      root: status
      type: merge
      template: |
        currentReplicas: {{ .spec.minReplicas }}
        desiredReplicas: {{ .spec.minReplicas }}
        conditions:
        - {type: AbleToScale, status: "True", reason: ReadyForNewScale, lastTransitionTime: {{ Now | Quote }}, message: "played by the lab"}
        - {type: ScalingActive, status: "True", reason: ValidMetricFound, lastTransitionTime: {{ Now | Quote }}, message: "played by the lab"}
`

// fastStages are kwok's own stages without delays: a node is ready as soon as
// it exists, a pod as soon as it is scheduled, a job's pod succeeds at once,
// and a deleted pod is gone. The stages of add-ons come with them.
func fastStages(more []*internalversion.Stage) (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	stages := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, text := range []string{
		nodefast.DefaultNodeInit,
		podfast.DefaultPodReady,
		podfast.DefaultPodComplete,
		podfast.DefaultPodDelete,
		ingressServed,
		autoscalerActive,
	} {
		stage, err := parseStage(text)
		if err != nil {
			return nil, err
		}
		stages[stage.Spec.ResourceRef] = append(stages[stage.Spec.ResourceRef], stage)
	}
	for _, stage := range more {
		stages[stage.Spec.ResourceRef] = append(stages[stage.Spec.ResourceRef], stage)
	}
	return stages, nil
}

func parseStage(text string) (*internalversion.Stage, error) {
	var v v1alpha1.Stage
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("read a stage of kwok: %w", err)
	}
	stage, err := internalversion.ConvertToInternalStage(&v)
	if err != nil {
		return nil, fmt.Errorf("read kwok's stage %s: %w", v.Name, err)
	}
	if stage.Name == "pod-ready" {
		unlessNever := internalversion.SelectorJQ{
			Key:      fmt.Sprintf(".metadata.annotations[%q]", readyAnnotation),
			Operator: internalversion.SelectorOpNotIn,
			Values:   []string{"never"},
		}
		stage.Spec.Selector.MatchExpressions = append(stage.Spec.Selector.MatchExpressions,
			internalversion.MatchExpression{JQ: &unlessNever})
	}
	return stage, nil
}
