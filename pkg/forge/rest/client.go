// Package rest asks forges over HTTP: bounded in time and size, patient with their
// limits, and sure of what a list holds.
//
// No token is in any error, address or log: what a server says is cleaned of it.
package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options tune a client. The zero value works.
type Options struct {
	Header   http.Header   // sent with every request
	Timeout  time.Duration // for one try, its answer included; 30 s if 0
	Tries    int           // of what may be repeated; 4 if 0
	Patience time.Duration // longest wait for a limit if the context has no end; 1 min if 0
	MaxBody  int64         // bytes of an answer, unpacked; 32 MiB if 0
	Cache    int           // bytes of answers kept for their ETags; 16 MiB if 0, none if negative
	CA       []byte        // PEM of more authorities to trust
	Plain    bool          // http is allowed to other machines too
	// Now and Sleep are the clock; the real one if nil. Sleep ends early with the context's error.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Client asks one server in one name. It may be used by many at once.
type Client struct {
	base   *url.URL
	auth   Auth
	http   *http.Client
	opts   Options
	cache  *etags
	limits limits
	clock  clock
}

// Request is one call. The zero Method is GET.
type Request struct {
	Method string
	Path   string // below the base address, escaped, from its first slash
	Query  url.Values
	Body   any // sent as JSON unless nil
	// Once has it sent once even if its method could be repeated.
	Once bool
}

// Answer is a whole answer with a status below 300.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// New gives a client of the server at base, for example https://api.github.com.
func New(base string, auth Auth, opts Options) (*Client, error) {
	address, err := url.Parse(strings.TrimSuffix(base, "/"))
	switch {
	case err != nil:
		return nil, errors.New("the address of the forge cannot be read as a URL") // it could hold a secret
	case address.User != nil:
		return nil, errors.New("the address of the forge holds a name or password; give a token instead")
	case address.Host == "" || address.Scheme != "https" && address.Scheme != "http" || address.RawQuery != "" || address.Fragment != "":
		return nil, fmt.Errorf("the address of the forge is %q; it has to be like https://git.example.com", base)
	case address.Scheme == "http" && !opts.Plain && !loopback(address.Hostname()):
		return nil, fmt.Errorf("the address of the forge is %q; a token would go there in plain: use https, or allow http", base)
	}
	opts = opts.filled()
	transport, err := transport(opts)
	if err != nil {
		return nil, err
	}
	c := &Client{base: address, auth: auth, opts: opts, cache: newETags(opts.Cache)}
	c.http = &http.Client{Transport: transport, CheckRedirect: sameHost}
	return c, nil
}

func (o Options) filled() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Tries == 0 {
		o.Tries = 4
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.MaxBody == 0 {
		o.MaxBody = 32 << 20
	}
	if o.Cache == 0 {
		o.Cache = 16 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return o
}

func transport(opts Options) (http.RoundTripper, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default http transport was replaced")
	}
	base = base.Clone()
	base.MaxResponseHeaderBytes = 64 << 10
	if len(opts.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(opts.CA) {
			return nil, errors.New("read certificates for the forge: no PEM certificate found")
		}
		base.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return base, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// sameHost lets a redirect lead only to the same server, and only what reads.
func sameHost(req *http.Request, via []*http.Request) error {
	from, to := via[0], req
	if from.URL.Scheme != to.URL.Scheme || from.URL.Host != to.URL.Host {
		return fmt.Errorf("a redirect from %s://%s to %s://%s was %w", from.URL.Scheme, from.URL.Host, to.URL.Scheme, to.URL.Host, errFinal)
	}
	if from.Method != http.MethodGet {
		return fmt.Errorf("a redirect of a %s was %w: the repository or the forge may have another address now", from.Method, errFinal)
	}
	if len(via) > 3 {
		return fmt.Errorf("the fourth redirect was %w", errFinal)
	}
	return nil
}

// JSON sends a request and decodes its answer, which has to be one whole JSON value.
func (c *Client) JSON(ctx context.Context, req Request, into any) error {
	answer, err := c.Do(ctx, req)
	if err != nil {
		return err
	}
	return c.decode(req, answer, into)
}

func (c *Client) decode(req Request, answer Answer, into any) error {
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return c.fault(req, answer.Status, fmt.Errorf("the answer is no JSON but %q", clean(answer.Header.Get("Content-Type"), "")))
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return c.fault(req, answer.Status, fmt.Errorf("the answer cannot be read: %w", err))
	}
	return nil
}

// fault is an error about an answer that came whole and is of no use.
func (c *Client) fault(req Request, status int, err error) error {
	return &Error{Method: req.method(), URL: c.address(req).String(), Status: status, Err: err}
}

func (r Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// repeatable says that sending it twice does what sending it once does.
func (r Request) repeatable() bool {
	return !r.Once && slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete}, r.method())
}

// address is where a request goes.
func (c *Client) address(req Request) *url.URL {
	to := *c.base
	to.RawPath = c.base.EscapedPath() + req.Path
	to.Path, _ = url.PathUnescape(to.RawPath)
	to.RawQuery = req.Query.Encode()
	return &to
}

// attempt sends a request once.
func (c *Client) attempt(ctx context.Context, req Request, body []byte, token string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	address := c.address(req).String()
	r, err := http.NewRequestWithContext(ctx, req.method(), address, bytes.NewReader(body))
	if err != nil {
		return Answer{}, errors.New("the address of the request cannot be read as a URL")
	}
	for key, values := range c.opts.Header {
		r.Header[key] = values
	}
	r.Header.Set("User-Agent", "fairway")
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	if req.Body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	known, etag := Answer{}, ""
	if req.method() == http.MethodGet {
		if known, etag = c.cache.get(address); etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
	}
	res, err := c.http.Do(r)
	if err != nil {
		return Answer{}, bare(err)
	}
	defer res.Body.Close()
	c.clock.hear(res.Header, c.opts.Now())
	answer, err := c.read(res)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case answer.Status == http.StatusNotModified && etag != "":
		known.Header = withLimits(known.Header, answer.Header)
		return known, nil
	case answer.Status == http.StatusOK && req.method() == http.MethodGet:
		c.cache.put(address, answer)
	}
	return answer, nil
}

// read takes the whole body, or none of it.
func (c *Client) read(res *http.Response) (Answer, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxBody+1))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer was cut: %w", bare(err))
	}
	if int64(len(body)) > c.opts.MaxBody {
		return Answer{}, fmt.Errorf("an answer of more than %d bytes was %w", c.opts.MaxBody, errFinal)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// bare is a network error without the address that net/http puts in front of it.
func bare(err error) error {
	if in := (*url.Error)(nil); errors.As(err, &in) {
		return in.Err
	}
	return err
}
