package rest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// limits is how long the server wants to be left alone.
type limits struct {
	mu    sync.Mutex
	until time.Time
	hits  int // refusals in a row that did not say until when
}

// longest is the most that a server's word is believed: GitHub's limits are by the hour.
const longest = 65 * time.Minute

// note reads what an answer says of limits. It gives until when nothing should be
// asked, and whether this answer is a refusal because of that. GitHub documents 403
// or 429, with Retry-After, or x-ratelimit-reset where x-ratelimit-remaining is 0, or
// else at least a minute, growing; GitLab 429 with Retry-After and RateLimit-Reset.
func (l *limits) note(answer Answer, now time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reset, spent := spent(answer.Header)
	refused := answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusForbidden &&
		(spent || answer.Header.Get("Retry-After") != "" || strings.Contains(strings.ToLower(message(answer, "")), "rate limit"))
	if !refused {
		if answer.Status != 0 && answer.Status < 400 {
			l.hits = 0
		}
		if spent && reset.After(now) {
			l.until = earliest(reset, now.Add(longest))
		}
		return time.Time{}, false
	}
	until := after(answer.Header, now)
	if until.IsZero() && spent && reset.After(now) {
		until = reset
	}
	if until.IsZero() {
		until = now.Add(min(time.Minute<<min(l.hits, 4), 15*time.Minute))
		l.hits++
	}
	until = earliest(until, now.Add(longest))
	if until.After(l.until) {
		l.until = until
	}
	return until, true
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// spent is when the allowance is new, and whether there is none left.
func spent(h http.Header) (time.Time, bool) {
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if seconds, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil && seconds > 0 {
			return time.Unix(seconds, 0), true
		}
	}
	return time.Time{}, false
}

// after is the time that Retry-After names, in seconds or as a date; zero if none.
func after(h http.Header, now time.Time) time.Time {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// withLimits is a kept answer's header with what the new one says of limits.
func withLimits(kept, fresh http.Header) http.Header {
	out := kept.Clone()
	for _, key := range []string{"X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Remaining", "RateLimit-Reset"} {
		out.Del(key)
		if v := fresh.Get(key); v != "" {
			out.Set(key, v)
		}
	}
	return out
}

// pass waits until the server may be asked, if the context lasts as long.
func (c *Client) pass(ctx context.Context, req Request) error {
	c.limits.mu.Lock()
	until := c.limits.until
	c.limits.mu.Unlock()
	now := c.opts.Now()
	if !until.After(now) {
		return nil
	}
	end, ends := ctx.Deadline()
	if !ends {
		end = now.Add(c.opts.Patience)
	}
	if until.After(end) {
		return &Error{Method: req.method(), URL: c.address(req).String(), Until: until, Err: errors.New("not sent")}
	}
	if err := c.opts.Sleep(ctx, until.Sub(now)); err != nil {
		return &Error{Method: req.method(), URL: c.address(req).String(), Until: until, Err: err}
	}
	return nil
}
