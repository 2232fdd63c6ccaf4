package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// A fleet describes the nodes of a plane.
type fleet struct {
	plane string
	count int
	zones []string
}

// names lists the nodes, which bear the plane's name so that it is plain in
// a pod's status which cluster it runs in.
func (f fleet) names() []string {
	var names []string
	for i := range f.count {
		names = append(names, fmt.Sprintf("%s-node-%d", f.plane, i+1))
	}
	return names
}

// create adds the nodes that are missing. Those of an earlier start with a
// higher count stay: pods may be on them.
func (f fleet) create(ctx context.Context, client kubernetes.Interface) error {
	for i, name := range f.names() {
		node := f.node(name, f.zones[i%len(f.zones)], nodeAddress(i))
		_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create node %s: %w", name, err)
		}
	}
	return nil
}

// node has room for anything a lab deploys; kwok adds its conditions.
func (f fleet) node(name, zone, address string) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("1000"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:       name,
				corev1.LabelTopologyZone:   zone,
				corev1.LabelTopologyRegion: f.plane,
				corev1.LabelOSStable:       "linux",
				corev1.LabelArchStable:     "amd64",
			},
		},
		Status: corev1.NodeStatus{
			Allocatable: room,
			Capacity:    room,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: address},
				{Type: corev1.NodeHostName, Address: name},
			},
		},
	}
}

// nodeAddress invents an address per node, so that tools that show or compare
// them have something to tell apart. Nothing listens there.
func nodeAddress(i int) string { return fmt.Sprintf("10.64.%d.%d", i/250, i%250+1) }
