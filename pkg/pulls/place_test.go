package pulls

import (
	"log/slog"
	"sync"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/preview"
)

// TestNoMorePreviewsThanThereMayBe: of pull requests that are looked at at the same moment
// only so many have a preview as there may be; the others are told that they wait.
func TestNoMorePreviewsThanThereMayBe(t *testing.T) {
	rules := &catalog.Previews{Most: 2}
	for range 500 {
		set := preview.Open(nil)
		f := NewFollower(Options{Previews: set, Journal: silent{}, Log: slog.New(slog.DiscardHandler)})
		var pulls [8]Pull
		var ready, placed sync.WaitGroup
		ready.Add(len(pulls))
		for i := range pulls {
			pulls[i].PullRequest = forge.PullRequest{Number: i + 1}
			pulls[i].stage.made = preview.Preview{Number: i + 1, Files: map[string][]byte{"previews/x": []byte("x")}}
			placed.Go(func() {
				ready.Done()
				ready.Wait()
				f.place(rules, &pulls[i])
			})
		}
		placed.Wait()
		waits := 0
		for _, p := range pulls {
			if p.stage.leave.Waits {
				waits++
			}
		}
		if there := len(set.List()); there != rules.Most || waits != len(pulls)-rules.Most {
			t.Fatalf("%d previews are there and %d wait; there may be %d", there, waits, rules.Most)
		}
	}
}
