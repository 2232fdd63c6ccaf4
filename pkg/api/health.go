package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// live answers as long as requests are answered at all.
func (s *Server) live() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		plain(w, http.StatusOK, "ok\n")
	}
}

// ready tells whether the daemon works, and with ?verbose or where it does not,
// which of its checks pass. Why one fails is told to readers only.
func (s *Server) ready() access {
	return func(w http.ResponseWriter, r *http.Request, reader bool) {
		ok, checks := s.o.Daemon.Ready()
		if ok && !r.URL.Query().Has("verbose") {
			plain(w, http.StatusOK, "ok\n")
			return
		}
		var b strings.Builder
		for _, c := range checks {
			switch {
			case c.OK:
				fmt.Fprintf(&b, "[+]%s ok\n", c.Name)
			case reader:
				fmt.Fprintf(&b, "[-]%s failed: %s\n", c.Name, oneLine(c.Message))
			default:
				fmt.Fprintf(&b, "[-]%s failed: reason withheld\n", c.Name)
			}
		}
		if ok {
			plain(w, http.StatusOK, b.String()+"readyz check passed\n")
			return
		}
		plain(w, http.StatusServiceUnavailable, b.String()+"readyz check failed\n")
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // who went away hears nothing
}
