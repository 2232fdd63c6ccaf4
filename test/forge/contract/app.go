package contract

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// appKey is the GitHub App that the server knows.
type appKey struct {
	issuer string
	key    *rsa.PublicKey
	lasts  time.Duration
	user   *User
	given  int
}

// Install installs a GitHub App as number 7, in the name SLUG[bot], whose tokens last
// that long from now.
func (s *Server) Install(issuer, slug string, key *rsa.PublicKey, lasts time.Duration) {
	bot := s.AddUser(slug+"[bot]", Admin)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app = appKey{issuer: issuer, key: key, lasts: lasts, user: bot}
}

// Given is how many tokens the App was given.
func (s *Server) Given() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app.given
}

// Withdraw makes the App's token worthless before its time.
func (s *Server) Withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app.user.Token = "withdrawn"
}

// apps answers what is asked in the App's own name.
func (s *Server) apps(w http.ResponseWriter, r *http.Request, token string) {
	if err := s.app.verify(token); err != nil {
		answer(w, http.StatusUnauthorized, object{"message": err.Error()})
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /app":
		answer(w, http.StatusOK, object{"id": 1, "slug": strings.TrimSuffix(s.app.user.Name, "[bot]")})
	case "POST /app/installations/7/access_tokens":
		s.app.given++
		s.app.user.Token = fmt.Sprintf("installation-token-%d", s.app.given)
		answer(w, http.StatusCreated, object{"token": s.app.user.Token, "expires_at": time.Now().Add(s.app.lasts).UTC().Format(time.RFC3339)})
	default:
		answer(w, http.StatusNotFound, object{"message": "Not Found"})
	}
}

// verify holds a JSON Web Token against what GitHub documents: RS256, our issuer,
// begun already, and not for more than ten minutes.
func (a appKey) verify(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || a.key == nil {
		return errors.New("a JSON web token could not be decoded")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return errors.New("a JSON web token could not be decoded")
		}
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(a.key, crypto.SHA256, digest[:], decoded[2]) != nil {
		return errors.New("a JSON web token could not be decoded")
	}
	var head struct{ Alg, Typ string }
	var claims struct {
		Iss      string
		Iat, Exp int64
	}
	if json.Unmarshal(decoded[0], &head) != nil || json.Unmarshal(decoded[1], &claims) != nil || head.Alg != "RS256" || claims.Iss != a.issuer {
		return errors.New("a JSON web token could not be decoded")
	}
	now := time.Now().Unix()
	switch {
	case claims.Iat > now:
		return errors.New("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case claims.Exp <= now || claims.Exp > now+600:
		return errors.New("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}
