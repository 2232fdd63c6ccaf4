package kube

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Patience keeps what a server put off from being asked again by somebody else of this
// process before the server's time: who was put off waits by himself (client-go does), but
// several units may ask for the same thing, and so may whoever reaches the cluster anew
// after it was lost. Until then the process answers as the server did. The zero Patience is
// ready to use, by any number of clusters.
type Patience struct {
	now func() time.Time // nil is time.Now

	mu    sync.Mutex
	until map[string]time.Time // by method, server and path
}

func (p *Patience) clock() time.Time {
	if p.now != nil {
		return p.now()
	}
	return time.Now()
}

// wrap answers what was put off, and takes down what is.
func (p *Patience) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		key := req.Method + " " + req.URL.Host + req.URL.Path
		if wait := p.left(key); wait > 0 {
			return putOff(req, wait), nil
		}
		resp, err := next.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			p.note(key, resp.Header.Get("Retry-After"))
		}
		return resp, err
	})
}

// left is how long something is put off still.
func (p *Patience) left(key string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, off := p.until[key]
	if !off {
		return 0
	}
	wait := until.Sub(p.clock())
	if wait <= 0 {
		delete(p.until, key)
	}
	return wait
}

// note takes down a Retry-After in seconds, which is what API servers give.
func (p *Patience) note(key, after string) {
	seconds, err := strconv.Atoi(after)
	if err != nil || seconds <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[string]time.Time{}
	}
	now := p.clock()
	for k, until := range p.until { // what nobody asks for again
		if until.Before(now) {
			delete(p.until, k)
		}
	}
	p.until[key] = now.Add(time.Duration(seconds) * time.Second)
}

// putOff is what the server would say again.
func putOff(req *http.Request, wait time.Duration) *http.Response {
	const said = "the server asked for patience"
	return &http.Response{
		StatusCode: http.StatusTooManyRequests, Status: "429 Too Many Requests", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(wait.Seconds())))}, "Content-Type": {"text/plain"}},
		Body:          io.NopCloser(strings.NewReader(said)),
		ContentLength: int64(len(said)), Request: req,
	}
}
