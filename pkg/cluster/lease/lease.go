// Package lease lets one of several daemons act on a cluster at a time. It is
// Kubernetes' own leader election over a Lease in the cluster.
//
// It is for availability and not for safety: what keeps two daemons from
// harming each other is that every write is bound to what it was decided on.
package lease

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Options say who asks, and for what.
type Options struct {
	// Identity tells daemons apart.
	Identity string
	// Namespace and Name of the Lease; "fairway-system" and "reconciler" if empty.
	Namespace, Name string
	// Duration is how long a daemon that says nothing keeps the Lease; 30 s if zero.
	Duration time.Duration
	// StandingBy is told who holds it instead, while that is somebody else.
	StandingBy func(holder string)
}

func (o Options) filled() Options {
	if o.Namespace == "" {
		o.Namespace = "fairway-system"
	}
	if o.Name == "" {
		o.Name = "reconciler"
	}
	if o.Duration == 0 {
		o.Duration = 30 * time.Second
	}
	if o.StandingBy == nil {
		o.StandingBy = func(string) {}
	}
	return o
}

// Hold waits until the Lease is ours. The context it gives ends when the Lease
// is lost, well before another may take it; release gives it up, and is to be
// called when nothing is written any more.
func Hold(ctx context.Context, cfg *rest.Config, o Options) (held context.Context, release func(), err error) {
	o = o.filled()
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // as all that we send: it can be read on the way
	if err := ensureNamespace(ctx, cfg, o.Namespace); err != nil {
		return nil, nil, fmt.Errorf("take lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	client, err := coordination.NewForConfig(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("take lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	held, lose := context.WithCancel(ctx)
	got, ended := make(chan struct{}), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name},
			Client:    client, LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
		},
		LeaseDuration: o.Duration, RenewDeadline: o.Duration * 2 / 3, RetryPeriod: o.Duration / 6,
		ReleaseOnCancel: true, Name: o.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(got) },
			OnStoppedLeading: lose,
			OnNewLeader: func(holder string) {
				if holder != o.Identity {
					o.StandingBy(holder)
				}
			},
		},
	})
	if err != nil {
		stop()
		lose()
		return nil, nil, fmt.Errorf("take lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	go func() {
		defer close(ended)
		elector.Run(renewing)
	}()
	release = sync.OnceFunc(func() { stop(); <-ended; lose() })
	select {
	case <-got:
		return held, release, nil
	case <-ctx.Done():
		release()
		return nil, nil, ctx.Err()
	}
}

func ensureNamespace(ctx context.Context, cfg *rest.Config, name string) error {
	client, err := core.NewForConfig(cfg)
	if err != nil {
		return err
	}
	_, err = client.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	_, err = client.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
