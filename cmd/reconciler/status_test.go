package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/status"
)

// TestAgesAreByTheDaemonsClock: what time it is here does not matter for how long
// something has been so there.
func TestAgesAreByTheDaemonsClock(t *testing.T) {
	var out bytes.Buffer
	a := &app{streams: streams{out: &out, err: &out}}
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	held := status.Unit{Sync: status.Held, Reason: "Invalid", Message: "it is wrong", Since: noon.Add(-90 * time.Second), Attempts: 2, Next: noon.Add(5 * time.Second)}
	list := unitList{Items: []status.Unit{held}}
	list.Metadata.Now = noon
	if err := a.statusTable(list, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" 1m30s\n", "held for 1m30s (Invalid)", "next in 5s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
}
