package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// startLimit is how long a plane may take to become ready, far more than it
// ever does, even on a machine that compiles at the same time.
const startLimit = 3 * time.Minute

// pollEvery is short because a start is a chain of waits and each one costs
// half of it; all of it ends when the plane is ready.
const pollEvery = 50 * time.Millisecond

// waitUntil asks again and again until check succeeds. When the time is up it
// says what the last answer was.
func waitUntil(ctx context.Context, what string, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return fmt.Errorf("wait for %s: %w; the last answer was: %w", what, context.Cause(ctx), err)
			}
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// serverReady reports an error until the API server says it is ready.
func serverReady(client kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}
}

// namespaceReady reports an error until pods can be made in the namespace
// default: they need its service account.
func namespaceReady(client kubernetes.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	}
}

// nodesReady reports an error until every node of the fleet takes pods.
func nodesReady(client kubernetes.Interface, f fleet) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, name := range f.names() {
			node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if err := takesPods(node); err != nil {
				return fmt.Errorf("node %s: %w", name, err)
			}
		}
		return nil
	}
}

func takesPods(node *corev1.Node) error {
	for _, taint := range node.Spec.Taints {
		if taint.Key == corev1.TaintNodeNotReady {
			return errors.New("tainted not-ready")
		}
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return errors.New("not ready")
}
