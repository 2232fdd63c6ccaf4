package reconcile

import (
	"testing"
	"time"
)

// TestBackoffIsCapped: it doubles, and however often something failed, the
// next attempt is at most five minutes away (CON-7).
func TestBackoffIsCapped(t *testing.T) {
	for failures := range 200 {
		if d := backoff(failures); d <= 0 || d > 5*time.Minute {
			t.Fatalf("after %d failures it waits %s", failures, d)
		}
	}
	if first, fourth := backoff(1), backoff(4); first > firstRetry || fourth < 3*firstRetry {
		t.Errorf("it waits %s at first and %s after four failures, want it to double from %s", first, fourth, firstRetry)
	}
}
