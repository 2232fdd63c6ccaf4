package rest

import (
	"net/http"
	"sync"
	"time"
)

// clock is the server's clock, as far as its answers tell it: to the second, and late by
// the way of an answer. It never goes back: of what was told the most ahead counts.
type clock struct {
	mu   sync.Mutex
	told time.Time // what the server said
	at   time.Time // when that was, by ours
}

// hear takes the Date of an answer that came now. One that cannot be read tells nothing.
func (c *clock) hear(h http.Header, now time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if date.After(c.read(now)) {
		c.told, c.at = date, now
	}
}

// read is what was told and the time that went since, by the monotonic clock where now
// has it. The lock is held.
func (c *clock) read(now time.Time) time.Time {
	if c.told.IsZero() {
		return time.Time{}
	}
	return c.told.Add(max(now.Sub(c.at), 0))
}

// Clock is the server's clock, by the Date of its answers and the time that went since;
// zero before the first. It never goes back.
func (c *Client) Clock() time.Time {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.read(c.opts.Now())
}
