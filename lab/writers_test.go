package lab

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestEightWriters checks that priority and fairness lets eight writers of the
// user fairway through at once, which is how many Fairway uses per cluster.
func TestEightWriters(t *testing.T) {
	const writers, each = 8, 100
	c := client(t, start(t, t.TempDir()).Kubeconfig)
	began := time.Now()
	var wait sync.WaitGroup
	failed := make(chan error, writers)
	for i := range writers {
		wait.Go(func() {
			if err := write(t.Context(), c, i, each); err != nil {
				failed <- err
			}
		})
	}
	wait.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
	took := time.Since(began)
	t.Logf("%d objects in %s: %.0f writes a second", writers*each, took, writers*each/took.Seconds())
}

func write(ctx context.Context, c kubernetes.Interface, writer, count int) error {
	for i := range count {
		name := fmt.Sprintf("writer-%d-%d", writer, i)
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"key": name}}
		if _, err := c.CoreV1().ConfigMaps("default").Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
