package lease_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/cluster/lease"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestOneHolds: of two daemons one holds the lease; the other gets it when the
// first gives it up, and the first hears of it when it is taken away.
func TestOneHolds(t *testing.T) {
	p := labtest.Start(t, labtest.Options{})
	cfg, err := kube.Config(p.Kubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	standing := make(chan string, 1)
	options := func(identity string) lease.Options {
		return lease.Options{Identity: identity, Duration: 6 * time.Second, StandingBy: func(holder string) {
			if identity == "b" {
				standing <- holder
			}
		}}
	}
	held, release, err := lease.Hold(ctx, cfg, options("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	next := make(chan context.Context, 1)
	go func() {
		held, _, err := lease.Hold(ctx, cfg, options("b"))
		if err == nil {
			next <- held
		}
	}()
	if holder := <-standing; holder != "a" {
		t.Errorf("b stands by for %q, want a", holder)
	}
	select {
	case <-next:
		t.Fatal("two hold the lease")
	case <-held.Done():
		t.Fatal("a lost the lease though nothing happened")
	default:
	}
	release()
	if held.Err() == nil {
		t.Error("a gave the lease up and still acts")
	}
	second := <-next
	client, err := coordination.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	taken := fmt.Appendf(nil, `{"spec":{"holderIdentity":"thief","renewTime":%q}}`, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))
	if _, err := client.Leases("fairway-system").Patch(ctx, "reconciler", types.MergePatchType, taken, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-second.Done():
	case <-ctx.Done():
		t.Error("b acts on though the lease was taken from it")
	}
}
