package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// storageClass is the default class, so that claims that name none are bound.
const storageClass = "standard"

// provisioner is the name under which the supervisor provides volumes.
const provisioner = "lab.fairway.dev/volumes"

// volumes gives every claim of the default class a volume as soon as it is
// made, and removes the volume after the claim. Without it no stateful set
// with storage would ever get a pod scheduled. Nothing is ever mounted.
type volumes struct {
	client kubernetes.Interface
}

// provide runs until ctx ends.
func (v volumes) provide(ctx context.Context) error {
	if err := v.createClass(ctx); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(v.client, 0)
	core := factory.Core().V1()
	if err := onChange(core.PersistentVolumeClaims().Informer(), func(c *corev1.PersistentVolumeClaim) error {
		return v.provision(ctx, c)
	}); err != nil {
		return err
	}
	if err := onChange(core.PersistentVolumes().Informer(), func(p *corev1.PersistentVolume) error {
		return v.reclaim(ctx, p)
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return nil
}

// onChange calls do for every object there is and again whenever one changes.
// A few tries in place are enough: in a lab the only thing that fails is an
// API server that is being started again.
func onChange[T any](informer cache.SharedIndexInformer, do func(T) error) error {
	handle := func(object any) {
		o, ok := object.(T)
		for try := time.Duration(1); ok && try <= 16; try *= 2 {
			err := do(o)
			if err == nil {
				return
			}
			klog.Errorf("provide volumes: %v", err)
			time.Sleep(try * 100 * time.Millisecond)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    handle,
		UpdateFunc: func(_, object any) { handle(object) },
	})
	return err
}

func (v volumes) createClass(ctx context.Context) error {
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        storageClass,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:       provisioner,
		ReclaimPolicy:     new(corev1.PersistentVolumeReclaimDelete),
		VolumeBindingMode: new(storagev1.VolumeBindingImmediate),
	}
	_, err := v.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create storage class %s: %w", storageClass, err)
	}
	return nil
}

// provision makes the volume of a claim that waits for one; the controller
// manager then binds the two.
func (v volumes) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	class := claim.Spec.StorageClassName
	if claim.Status.Phase != corev1.ClaimPending || claim.DeletionTimestamp != nil || class == nil || *class != storageClass {
		return nil
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      claim.Spec.Resources.Requests,
			AccessModes:                   claim.Spec.AccessModes,
			StorageClassName:              storageClass,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: "/nonexistent/" + string(claim.UID)},
			},
		},
	}
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the volume of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}

// reclaim deletes a volume whose claim is gone.
func (v volumes) reclaim(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Status.Phase != corev1.VolumeReleased || volume.DeletionTimestamp != nil ||
		volume.Annotations["pv.kubernetes.io/provisioned-by"] != provisioner {
		return nil
	}
	err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete volume %s: %w", volume.Name, err)
	}
	return nil
}
