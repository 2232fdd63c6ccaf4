package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options make a proxy.
type Options struct {
	// Name is what calls have as their Server. Example: "prod-eu".
	Name string
	// Target is the server's address.
	Target *url.URL
	// Transport reaches the server; http.DefaultTransport if nil.
	Transport http.RoundTripper
	// Certificate has the proxy speak TLS, HTTP/1.1 and HTTP/2; plain HTTP if nil.
	Certificate *tls.Certificate
	// Git says that the server is a Git server and not an API server.
	Git bool
	// Aliases are words of the daemon's and the words the server gets for them, in
	// paths and bodies, and back in answers: daemons that call all their
	// namespaces the same then have some of their own each.
	Aliases []Alias
	// Foreign reports whether an event of a watch, in the server's words, is of
	// somebody else and not to be seen; nil if none is.
	Foreign func(event []byte) bool
	// Rules say what to do; nothing if nil.
	Rules *Rules
	// Log takes down every request; nothing if nil.
	Log *Log
	// Kill kills the daemon and returns when it is dead.
	Kill func()
}

// Alias is one word of the daemon's and what the server gets for it.
type Alias struct{ Daemon, Server string }

// Proxy is one that listens.
type Proxy struct {
	opts     Options
	listener net.Listener
	server   *http.Server
	busy     atomic.Int64 // requests that the server may be working on
	snapshot atomic.Pointer[Snapshot]

	mu      sync.Mutex
	watches map[int]context.CancelFunc
	watched map[Stream]time.Time // when last
	next    int
}

// Start makes a proxy on a free port of the loopback interface.
func Start(o Options) (*Proxy, error) {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Rules == nil {
		o.Rules = NewRules(0)
	}
	if o.Log == nil {
		o.Log = &Log{}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy %s: %w", o.Name, err)
	}
	p := &Proxy{opts: o, listener: l, watches: map[int]context.CancelFunc{}, watched: map[Stream]time.Time{}}
	p.server = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	serve := func() error { return p.server.Serve(l) }
	if o.Certificate != nil {
		p.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*o.Certificate}}
		serve = func() error { return p.server.ServeTLS(l, "", "") }
	}
	go func() { _ = serve() }() // it ends with Close
	return p, nil
}

// Address is where it listens. Example: "127.0.0.1:40123".
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Close ends it with all its connections.
func (p *Proxy) Close() {
	p.CutWatches()
	p.server.Close()
}

// CutWatches ends every watch that is open.
func (p *Proxy) CutWatches() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cancel := range p.watches {
		cancel()
	}
}

// Stream is what a watch is for.
type Stream struct{ Server, Group, Resource, Namespace string }

// Stream is what a call that opens a watch is for.
func (c Call) Stream() Stream { return Stream{c.Server, c.Group, c.Resource, c.Namespace} }

// Watched is everything that a watch was opened for since some moment.
func (p *Proxy) Watched(since time.Time) []Stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Stream
	for stream, last := range p.watched {
		if !last.Before(since) {
			out = append(out, stream)
		}
	}
	return out
}

// Quiesce waits until the server has answered all that was forwarded to it, as
// it must before anybody looks at what a killed daemon left.
func (p *Proxy) Quiesce() {
	for p.busy.Load() > 0 {
		time.Sleep(2 * time.Millisecond)
	}
}

// exchange is one request on its way.
type exchange struct {
	*Proxy
	w     http.ResponseWriter
	r     *http.Request
	call  Call
	do    Action
	entry Entry
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Proxy: p, w: w, r: r, call: apiCall(p.opts.Name, r), do: Action{Kind: Pass}}
	if p.opts.Git {
		x.call = gitCall(p.opts.Name, r)
	}
	if err := p.rename(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	x.entry = Entry{Time: time.Now(), Call: x.call}
	if rule := p.opts.Rules.decide(x.call); rule != nil {
		x.do, x.entry.Rule, x.entry.Action = rule.Do, rule.ID, rule.Do.Kind
	}
	defer func() {
		x.entry.Took = time.Since(x.entry.Time)
		p.opts.Log.add(x.entry)
	}()
	x.run()
}

// rename puts the server's words for the aliases into a request.
func (p *Proxy) rename(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	path := []byte(r.URL.RequestURI())
	for _, a := range p.opts.Aliases {
		body = bytes.ReplaceAll(body, []byte(a.Daemon), []byte(a.Server))
		path = bytes.ReplaceAll(path, []byte(a.Daemon), []byte(a.Server))
		if as := r.Header.Get("Impersonate-User"); as != "" {
			r.Header.Set("Impersonate-User", strings.ReplaceAll(as, a.Daemon, a.Server))
		}
	}
	if r.URL, err = url.ParseRequestURI(string(path)); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// back puts the daemon's words for the aliases into an answer.
func (p *Proxy) back(body []byte) []byte {
	for _, a := range slices.Backward(p.opts.Aliases) {
		body = bytes.ReplaceAll(body, []byte(a.Server), []byte(a.Daemon))
	}
	return body
}

// run does what is to be done to the request.
func (x *exchange) run() {
	if x.do.Delay > 0 && x.do.Kind != Slow {
		select {
		case <-time.After(x.do.Delay):
		case <-x.r.Context().Done():
		}
	}
	switch {
	case x.do.Kind == DropBefore:
		x.abort()
	case x.do.Kind == Answer:
		x.answer()
	case x.do.Kind == NotServed:
		http.NotFound(x.w, x.r)
	case x.do.Kind == HTML:
		x.page()
	case x.do.Kind == Stale && x.stale():
	case x.do.Kind == Kill && x.do.Phase == BeforeSend:
		x.opts.Kill()
		x.abort()
	case x.call.Verb == "watch":
		x.watch()
	default:
		x.forward()
	}
}

// forward asks the server, and does to the answer what is to be done to it.
func (x *exchange) forward() {
	res, body, err := x.ask()
	if err != nil {
		x.entry.Error = err.Error()
		x.abort()
		return
	}
	x.entry.Status = res.StatusCode
	switch {
	case x.do.Kind == DropAfter:
		x.abort()
		return
	case x.do.Kind == Reset, x.do.Kind == Kill && x.do.Phase == ResetNoKill:
		x.reset()
		return
	case x.do.Kind == AnswerAfter:
		x.answer()
		return
	case x.do.Kind == Kill && x.do.Phase == NoResponse:
		x.opts.Kill()
		x.abort()
		return
	}
	x.reply(res, x.spoil(body))
	if x.do.Kind == Kill && x.do.Phase == AfterResponse {
		_ = http.NewResponseController(x.w).Flush() // the connection may be gone
		x.opts.Kill()
	}
}

// patience bounds how long a server is waited for.
const patience = time.Minute

// ask forwards the request and reads the whole answer. What was sent is not
// taken back when the daemon goes away: the server may have it already.
func (x *exchange) ask() (*http.Response, []byte, error) {
	x.busy.Add(1)
	defer x.busy.Add(-1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), patience)
	defer cancel()
	res, err := x.opts.Transport.RoundTrip(x.outgoing(ctx))
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// outgoing is the request as the server gets it.
func (x *exchange) outgoing(ctx context.Context) *http.Request {
	out := x.r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = x.opts.Target.Scheme, x.opts.Target.Host, ""
	out.Host = x.opts.Target.Host
	out.Header.Del("Connection")
	out.Header.Set("Accept-Encoding", "identity")
	if x.do.Kind == LosePages {
		query := out.URL.Query()
		query.Set("limit", "2")
		out.URL.RawQuery = query.Encode()
	}
	return out
}

// reply gives the daemon an answer.
func (x *exchange) reply(res *http.Response, body []byte) {
	body = x.back(body)
	header := x.w.Header()
	for key, values := range res.Header {
		header[key] = values
	}
	header.Del("Content-Length")
	header.Del("Connection")
	if x.do.Kind == Truncate {
		header.Set("Content-Length", strconv.Itoa(len(body)))
		x.w.WriteHeader(res.StatusCode)
		_, _ = x.w.Write(body[:len(body)/2])
		_ = http.NewResponseController(x.w).Flush() // what follows is the end of the connection
		x.abort()
		return
	}
	x.w.WriteHeader(res.StatusCode)
	if x.do.Kind == Slow {
		x.drip(body)
		return
	}
	_, _ = x.w.Write(body) // a daemon that is gone needs no answer
}

// drip sends a body in a hundred pieces.
func (x *exchange) drip(body []byte) {
	size := len(body)/100 + 1
	for len(body) > 0 && x.r.Context().Err() == nil {
		n := min(size, len(body))
		_, _ = x.w.Write(body[:n])
		_ = http.NewResponseController(x.w).Flush()
		body = body[n:]
		time.Sleep(x.do.Delay / 100)
	}
}

// abort ends the connection without an answer. On HTTP/2 it ends the stream.
func (x *exchange) abort() {
	panic(http.ErrAbortHandler)
}

// reset ends the connection as a middlebox does that forgot it.
func (x *exchange) reset() {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if errors.Is(err, http.ErrNotSupported) || conn == nil {
		x.abort()
		return
	}
	if outer, ok := conn.(*tls.Conn); ok {
		conn = outer.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is orderly, which is a fault, too
	}
	conn.Close()
}
