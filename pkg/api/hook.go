package api

import (
	"net/http"

	"github.com/fairway-dev/fairway/pkg/webhook"
)

// hookAt is the address of a forge's hook. What is signed wakes the daemon, and
// what is about a pull request is handed on as a hint; the answer does not wait
// for either. A delivery that was taken before does nothing again.
func hookAt(forge webhook.Forge) func(*Server) access {
	return func(s *Server) access {
		return func(w http.ResponseWriter, r *http.Request, _ bool) {
			hint, verdict := s.hooks.Receive(w, r, forge)
			s.countHook(forge, verdict)
			if verdict == webhook.Accepted {
				s.o.Daemon.Wake()
				if s.o.OnHint != nil && hint.PullRequest > 0 {
					s.o.OnHint(hint)
				}
			}
			answerHook(w, verdict)
		}
	}
}

// countHook counts a request by its address and verdict, of which there are few
// whoever sends what.
func (s *Server) countHook(forge webhook.Forge, v webhook.Verdict) {
	if s.o.HookRequests != nil {
		s.o.HookRequests.WithLabelValues(string(forge), string(v)).Inc()
	}
}

func answerHook(w http.ResponseWriter, v webhook.Verdict) {
	switch code := v.Status(); v {
	case webhook.Accepted:
		answer(w, code, map[string]string{"code": "accepted", "message": "Git is looked at now"})
	case webhook.Repeated:
		answer(w, code, map[string]string{"code": "repeated", "message": "this delivery was taken before"})
	case webhook.Absent:
		fail(w, code, "not-found", "there is nothing at this address")
	case webhook.Encoded:
		fail(w, code, "unsupported", "compressed bodies are not taken")
	case webhook.Large:
		fail(w, code, "too-large", "the body is too large")
	case webhook.Unreadable:
		fail(w, code, "bad-request", "the body could not be read")
	case webhook.Busy:
		w.Header().Set("Retry-After", "5")
		fail(w, code, "unavailable", "too many hooks are read at once")
	default: // what is wrong with a signature is nobody's business
		fail(w, code, "unauthorized", "not authorised")
	}
}
