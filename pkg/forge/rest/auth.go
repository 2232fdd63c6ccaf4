package rest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Auth is in whose name a client asks.
type Auth interface {
	// Token is what goes into the header now; empty for nobody.
	Token(ctx context.Context) (string, error)
	// Renew is told that a token was refused; true if the next one will be another.
	Renew(refused string) bool
}

// Nobody asks without a name.
func Nobody() Auth { return fixed("") }

// Token asks with one token, of a person, a project or a bot.
func Token(token string) Auth { return fixed(token) }

type fixed string

func (f fixed) Token(context.Context) (string, error) { return string(f), nil }
func (f fixed) Renew(string) bool                     { return false }

// TokenFile asks with the token in a file, and reads it anew when it is refused, so
// that it can be replaced while the daemon runs.
func TokenFile(path string) Auth { return &file{path: path} }

type file struct {
	path string
	mu   sync.Mutex
	now  string
}

func (f *file) Token(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != "" {
		return f.now, nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return "", fmt.Errorf("read the forge's token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("read the forge's token from %s: it has to hold one word", f.path)
	}
	f.now = token
	return token, nil
}

func (f *file) Renew(refused string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != "" && f.now != refused {
		return true // another call has done so
	}
	text, err := os.ReadFile(f.path)
	f.now = ""
	return err == nil && strings.TrimSpace(string(text)) != refused
}

// errKey is a key that no request can be signed with. What is in the file is not said.
var errKey = errors.New("it has to hold an RSA private key in PEM, as GitHub gives it")
