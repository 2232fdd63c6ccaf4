package git

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gogithttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

const (
	maxAdvert = 32 << 20 // bytes of a list of references
	maxReason = 64 << 10 // bytes of an answer that is no success
	maxFrames = 4 << 20  // bytes around a pack
)

// newWeb is the http transport of a store: bounded answers, no redirect to another
// host, one pool of connections.
func newWeb(options Options) (transport.Transport, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default http transport was replaced")
	}
	base = base.Clone()
	base.ResponseHeaderTimeout = time.Minute
	if len(options.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(options.CA) {
			return nil, errors.New("read certificates: no PEM certificate found")
		}
		base.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client := &http.Client{
		Transport:     bounded{base: base, pack: options.MaxPack},
		CheckRedirect: sameHost,
	}
	return gogithttp.NewClientWithOptions(client, &gogithttp.ClientOptions{}), nil
}

// sameHost refuses redirects away from what was asked first: another host, another
// port, or no TLS where there was. From none to TLS it may go.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) == 0 {
		return nil
	}
	from, to := via[0].URL, req.URL
	secured := from.Scheme == "http" && to.Scheme == "https"
	if from.Hostname() != to.Hostname() || !secured && (from.Scheme != to.Scheme || from.Port() != to.Port()) {
		return fmt.Errorf("redirect from %s://%s to %s://%s refused", from.Scheme, from.Host, to.Scheme, to.Host)
	}
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return nil
}

// bounded limits the bytes of answers.
type bounded struct {
	base http.RoundTripper
	pack int64
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	limit := int64(maxAdvert)
	switch {
	case res.StatusCode >= 300:
		limit = maxReason
	case req.Method == http.MethodPost:
		limit = b.pack + maxFrames
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{&cappedReader{r: res.Body, left: limit}, res.Body}
	return res, nil
}

// cappedReader fails with ErrTooLarge when there is more than it may pass.
type cappedReader struct {
	r    io.Reader
	left int64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if c.left < 0 {
		return n - 1, fmt.Errorf("answer of the remote: %w", ErrTooLarge)
	}
	return n, err
}
