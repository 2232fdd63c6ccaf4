package paths_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// guarded puts a cluster's own policies in force, as its unit has them, and holds
// that a person who may do everything is refused what a guardrail denies, in a
// namespace of the platform and nowhere else.
func (a asker) guarded(t *testing.T, units []unit) {
	t.Helper()
	ours := ""
	for _, u := range units {
		for _, o := range u.Objects {
			if o.ID.Kind == "Namespace" && strings.HasSuffix(o.ID.Name, "-staging") {
				ours = o.ID.Name
			}
			if strings.HasPrefix(o.ID.Kind, "ValidatingAdmissionPolicy") {
				if err := a.Apply(t.Context(), o); err != nil {
					t.Fatalf("%s: make %s: %v", u.Name, o.ID, err)
				}
			}
		}
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := a.Ask(t.Context(), limitless(t, ours))
		if err != nil && strings.Contains(err.Error(), "policy limits-set: every container needs") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a pod without limits is not refused in %s by the policy: %v", ours, err)
		}
		time.Sleep(200 * time.Millisecond) // a policy is not in force at once
	}
	if err := a.Ask(context.Background(), limitless(t, "default")); err != nil {
		t.Errorf("refused where the platform has no say: %v", err)
	}
}

// limitless is a Deployment whose pods may use what they like.
func limitless(t *testing.T, namespace string) object.Object {
	t.Helper()
	o, err := object.Parse(fmt.Appendf(nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"by-hand","namespace":%q},"spec":{
		"selector":{"matchLabels":{"app":"by-hand"}},"template":{"metadata":{"labels":{"app":"by-hand"}},"spec":{
		"containers":[{"name":"main","image":"registry.example.com/by-hand"}]}}}}`, namespace))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
