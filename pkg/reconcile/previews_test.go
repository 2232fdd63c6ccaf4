package reconcile

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/preview"
)

// TestPreviewsStayUntilTheyEnd: that a preview is not declared is no proof that it ended.
func TestPreviewsStayUntilTheyEnd(t *testing.T) {
	set := preview.Open(nil)
	d := &Daemon{fleet: fleet.New(nil), opts: Options{Previews: set}}
	key := catalog.UnitKey{Environment: "pr-7", Cluster: "local", Service: "cart"}
	if why, err := d.ended(key, "environment pr-7 was removed from Git"); err == nil {
		t.Errorf("before the forge was heard it goes, as %q", why)
	}
	set.End(7, "pull request 7 was closed")
	if why, err := d.ended(key, ""); err != nil || why != "pull request 7 was closed" {
		t.Errorf("after it was closed: %q, %v", why, err)
	}
	d.opts.Previews = nil
	if why, err := d.ended(key, ""); err == nil {
		t.Errorf("a daemon without a forge takes previews away, as %q", why)
	}
}
