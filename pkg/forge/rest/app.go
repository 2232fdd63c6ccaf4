package rest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// App is a GitHub App: a key of its own signs for a token of one installation, which
// lasts an hour and is renewed before.
type App struct {
	issuer       string
	installation int64
	key          *rsa.PrivateKey
	client       *Client // in the App's own name
	now          func() time.Time

	mu    sync.Mutex
	token string
	until time.Time
}

// NewApp reads the private key of an App. The issuer is its client ID or number, the
// installation the number of where it was installed.
func NewApp(base, issuer string, installation int64, keyFile string, opts Options) (*App, error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of the GitHub App: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the key of the GitHub App from %s: %w", keyFile, err)
	}
	if issuer == "" || installation <= 0 {
		return nil, errors.New("a GitHub App needs its client ID and the number of its installation")
	}
	a := &App{issuer: issuer, installation: installation, key: key, now: opts.filled().Now}
	a.client, err = New(base, signer{a}, opts)
	return a, err
}

func parseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errKey
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errKey
	}
	return key, nil
}

// Token implements Auth: the installation's token, a new one five minutes before its end.
func (a *App) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != "" && a.now().Before(a.until.Add(-5*time.Minute)) {
		return a.token, nil
	}
	var got struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
	}
	path := "/app/installations/" + strconv.FormatInt(a.installation, 10) + "/access_tokens"
	if err := a.client.JSON(ctx, Request{Method: http.MethodPost, Path: path}, &got); err != nil {
		return "", err
	}
	if got.Token == "" || got.Expires.IsZero() {
		return "", errors.New("the answer holds no token of the installation")
	}
	a.token, a.until = got.Token, got.Expires
	return a.token, nil
}

// Renew implements Auth.
func (a *App) Renew(refused string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == refused {
		a.token = ""
	}
	return true
}

// Login is the name that the App's comments carry.
func (a *App) Login(ctx context.Context) (string, error) {
	var app struct {
		Slug string `json:"slug"`
	}
	if err := a.client.JSON(ctx, Request{Path: "/app"}, &app); err != nil {
		return "", err
	}
	if app.Slug == "" {
		return "", errors.New("the answer does not name the App")
	}
	return app.Slug + "[bot]", nil
}

// signer asks in the App's own name.
type signer struct{ app *App }

// Token implements Auth: a JSON Web Token (RFC 7519) with RS256, for nine minutes. It
// begins a minute ago, as GitHub advises, because clocks differ.
func (s signer) Token(context.Context) (string, error) {
	now := s.app.now()
	claims, err := json.Marshal(map[string]any{
		"iss": s.app.issuer, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(9 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.app.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", errors.New("the key of the GitHub App does not sign")
	}
	return signed + "." + encode(signature), nil
}

// Renew implements Auth.
func (signer) Renew(string) bool { return false }
