package reconcile

import (
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// TestQuarrelEndsInATruce: whoever writes against us gets three answers, then
// one every five minutes, and the three again when it has been quiet.
func TestQuarrelEndsInATruce(t *testing.T) {
	id := object.ID{Kind: "ConfigMap", Namespace: "shop-prod", Name: "cart"}
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var q quarrels
	healed := 0
	for second := range 3600 { // the other one writes once a second, for an hour
		now := start.Add(time.Duration(second) * time.Second)
		if q.until(id, now).IsZero() {
			q.note(id, now)
			healed++
		}
	}
	if want := freeHeals + 3600/int(truce.Seconds()) - 1; healed != want {
		t.Errorf("put back %d times in an hour of quarrel, want %d", healed, want)
	}
	later := start.Add(2 * time.Hour)
	if next := q.until(id, later); !next.IsZero() {
		t.Errorf("after an hour of peace it waits until %s", next)
	}
	if next := q.until(object.ID{Kind: "ConfigMap", Namespace: "shop-prod", Name: "pay"}, start); !next.IsZero() {
		t.Errorf("another object waits until %s", next)
	}
}
