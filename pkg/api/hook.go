package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxHook bounds the body of a hook. GitHub sends at most 25 MiB and for a
// push far less; nothing of it is read but its signature.
const maxHook = 5 << 20

// hook wakes the daemon when a forge that knows the secret says something. The
// body is hashed as it comes and never kept or parsed, so there is nothing in
// it to trust and nothing to exhaust.
func (s *Server) hook() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		if s.o.HookSecret == "" {
			fail(w, http.StatusNotFound, "not-found", "there is nothing at this address")
			return
		}
		if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
			fail(w, http.StatusUnsupportedMediaType, "unsupported", "compressed bodies are not taken")
			return
		}
		if r.ContentLength > maxHook {
			fail(w, http.StatusRequestEntityTooLarge, "too-large", "the body is too large")
			return
		}
		ok, err := s.signed(w, r)
		tooLarge, isTooLarge := errors.AsType[*http.MaxBytesError](err)
		switch {
		case isTooLarge && tooLarge != nil:
			fail(w, http.StatusRequestEntityTooLarge, "too-large", "the body is too large")
		case err != nil:
			fail(w, http.StatusBadRequest, "bad-request", "the body could not be read")
		case !ok:
			fail(w, http.StatusUnauthorized, "unauthorized", "not authorised")
		default:
			s.o.Daemon.Wake()
			answer(w, http.StatusAccepted, map[string]string{"code": "accepted", "message": "Git is looked at now"})
		}
	}
}

// signed reports whether the request proves to know the secret, in any of the
// ways forges do. The body is read only where a well-formed signature makes
// that worth it.
func (s *Server) signed(w http.ResponseWriter, r *http.Request) (bool, error) {
	if token := r.Header.Get("X-Gitlab-Token"); token != "" && same(token, s.o.HookSecret) {
		return true, nil
	}
	if token, ok := bearer(r); ok && same(token, s.o.HookSecret) {
		return true, nil
	}
	signatures := signatures(r.Header)
	if len(signatures) == 0 {
		return false, nil
	}
	mac := hmac.New(sha256.New, []byte(s.o.HookSecret))
	if _, err := io.Copy(mac, http.MaxBytesReader(w, r.Body, maxHook)); err != nil {
		return false, err
	}
	want, ok := mac.Sum(nil), false
	for _, got := range signatures {
		ok = hmac.Equal(got, want) || ok
	}
	return ok, nil
}

// signatures are the well-formed ones among those the request brings: hex of
// an HMAC-SHA256, which GitHub prefixes with its name.
func signatures(h http.Header) [][]byte {
	var out [][]byte
	add := func(text string) {
		if b, err := hex.DecodeString(text); err == nil && len(b) == sha256.Size {
			out = append(out, b)
		}
	}
	if text, ok := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256="); ok {
		add(text)
	}
	add(h.Get("X-Gitea-Signature"))
	add(h.Get("X-Forgejo-Signature"))
	return out
}
