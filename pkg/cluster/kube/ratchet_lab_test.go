package kube_test

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
)

// testRatchet: of two who record a revision at a time one is told to look again, and
// what somebody deleted is put back.
func testRatchet(t *testing.T, b *bench) {
	one, two, system := strings.Repeat("1", 40), strings.Repeat("2", 40), "fairway-ratchet-of-a-test"
	c := b.connect(t, kube.Options{Namespace: system})
	none, err := c.LoadRatchet(t.Context())
	if err != nil || none.Revision != "" || none.Version != "" {
		t.Fatalf("got %+v, %v, want nothing recorded", none, err)
	}
	none.Revision, none.Branch = one, "main"
	first, err := c.SaveRatchet(t.Context(), none) // which makes the namespace, too
	if err != nil || first.Version == "" {
		t.Fatalf("got %+v, %v", first, err)
	}
	if _, err := c.SaveRatchet(t.Context(), none); !errors.Is(err, cluster.ErrPrecondition) {
		t.Errorf("recorded for the first time twice: %v", err)
	}
	later := first
	later.Revision, later.Superseded = two, []string{one}
	if later, err = c.SaveRatchet(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SaveRatchet(t.Context(), first); !errors.Is(err, cluster.ErrPrecondition) {
		t.Errorf("recorded over a later record: %v", err)
	}
	if got, err := b.connect(t, kube.Options{Namespace: system}).LoadRatchet(t.Context()); err != nil || got.Revision != two || got.Superseded[0] != one || got.Version != later.Version {
		t.Errorf("another process reads %+v, %v", got, err)
	}
	if err := b.admin.CoreV1().ConfigMaps(system).Delete(t.Context(), kube.RatchetName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if again, err := c.SaveRatchet(t.Context(), later); err != nil || again.Version == later.Version {
		t.Errorf("put back: %+v, %v", again, err)
	}
}
