package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// reader reports whether the request may read: it brings the token, or it
// comes from this machine. On loopback the Host must be this machine's as
// well: a web page that made its own name point here is not.
func (s *Server) reader(r *http.Request, loopback bool) bool {
	if token, ok := bearer(r); ok {
		return s.o.Token != "" && same(token, s.o.Token)
	}
	return loopback && localHost(r.Host)
}

// foreign reports whether a page of another site could have sent the request: a browser
// asks us first before it sends JSON for one, and we let none.
func foreign(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err != nil || kind != "application/json" || r.Header.Get("Origin") != ""
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "bearer")
}

// same compares in a time that tells nothing, not even the length.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// Loopback reports whether only this machine can reach a listener's address.
func Loopback(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
