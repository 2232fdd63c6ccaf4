package main

import (
	"fmt"
	"sync"
	"time"
)

// progress shows on a person's terminal that something is going on, once it has
// taken a second. Anywhere else it says nothing.
func (a *app) progress(what string) (end func()) {
	if !terminal(a.err) {
		return func() {}
	}
	done := make(chan struct{})
	var finished sync.WaitGroup
	finished.Go(func() {
		start := time.Now()
		shown := false
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				if shown {
					fmt.Fprint(a.err, "\r\x1b[K")
				}
				return
			case <-tick.C:
				if took := time.Since(start); took > time.Second {
					fmt.Fprintf(a.err, "\r\x1b[K%s … %.1fs", what, took.Seconds())
					shown = true
				}
			}
		}
	})
	return func() {
		close(done)
		finished.Wait()
	}
}
