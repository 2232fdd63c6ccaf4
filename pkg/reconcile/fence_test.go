package reconcile

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestFenceAfterANap: a process that was stopped writes nothing until a look at
// Git that began afterwards has ended.
func TestFenceAfterANap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f fence
		if err := f.check(); err != nil {
			t.Fatalf("before the first beat: %v", err)
		}
		woke := 0
		beat := func() { f.once(func() { woke++ }) }
		beat()
		time.Sleep(beatEvery)
		beat()
		before := f.seen()
		if err := f.check(); err != nil || woke != 0 {
			t.Fatalf("awake: %v, woken %d times", err, woke)
		}
		time.Sleep(napAfter + time.Second)
		if f.check() == nil {
			t.Error("after a nap, before the next beat, it writes")
		}
		beat()
		if f.check() == nil || woke != 1 {
			t.Errorf("after the beat that noticed the nap: writes, or woken %d times", woke)
		}
		f.lower(before)
		if f.check() == nil {
			t.Error("a look at Git from before the nap let it write")
		}
		f.lower(f.seen())
		if err := f.check(); err != nil {
			t.Errorf("after a look at Git: %v", err)
		}
	})
}
