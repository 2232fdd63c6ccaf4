package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/object"
)

// A night evaluates the units of the environment that sleeps, once; the next
// morning and the next night evaluate nothing, and give what there was.
func TestNightsEvaluateOnce(t *testing.T) {
	w, c, base := small(t)
	phase := func(asleep map[string]bool) (map[string]object.Digest, int) {
		w.asleep = asleep
		_, delta := w.advance(c.write(base))
		return w.digests(), delta.Evaluations
	}
	day := w.digests()
	night, first := phase(map[string]bool{"dev": true})
	for key := range day {
		_, isTeam := w.unit(key).Key.Team()
		sleeps := strings.HasPrefix(key, "dev/") && !isTeam
		if w.unit(key).Asleep != sleeps || (night[key] != day[key]) != sleeps {
			t.Errorf("%s: asleep is %v, want %v, and another rendering only if so", key, w.unit(key).Asleep, sleeps)
		}
	}
	if first == 0 {
		t.Error("the first night evaluated nothing")
	}
	morning, again := phase(nil)
	if diff := cmp.Diff(day, morning); diff != "" || again != 0 {
		t.Errorf("the morning took %d evaluations (-day +morning)\n%s", again, diff)
	}
	second, again := phase(map[string]bool{"dev": true})
	if diff := cmp.Diff(night, second); diff != "" || again != 0 {
		t.Errorf("the second night took %d evaluations (-first +second)\n%s", again, diff)
	}
}
