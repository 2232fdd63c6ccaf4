// Package gitealab gives tests a real Gitea out of the lab: on a free port of this
// machine, with a folder of its own, until the test ends.
//
// Like labtest it never skips by itself: FAIRWAY_FORGE names the binary, and where it
// is not set, lab/forge/build.sh builds it once and keeps it. FAIRWAY_FORGE=skip is
// for who wants to wait for no build.
package gitealab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/labtest"
)

// Admin is the user that Run makes, who may do everything.
const Admin = "fairway"

// Server is a running Gitea.
type Server struct {
	URL   string `json:"url"`   // http://127.0.0.1:PORT
	Token string `json:"token"` // Admin's
	Dir   string `json:"-"`

	binary string
	cmd    *exec.Cmd
	stdin  io.Closer
}

// Start runs a Gitea until the test ends, with more settings (app.ini) if there are any.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	if os.Getenv("FAIRWAY_FORGE") == "skip" {
		t.Skip("FAIRWAY_FORGE=skip: no Gitea is wanted")
	}
	s, err := Run("", more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Run runs a Gitea until Stop, on a folder that may be used again, or a temporary one
// if it is empty. It ends with this process in any case, as it watches its standard input.
func Run(dir string, more ...string) (*Server, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	temporary := dir == ""
	if temporary {
		if dir, err = os.MkdirTemp("", "fairway-forge-"); err != nil {
			return nil, fmt.Errorf("start Gitea: %w", err)
		}
	}
	s := &Server{Dir: dir, binary: binary}
	if err := s.start(strings.Join(more, "\n")); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start Gitea: %w", err)
	}
	if temporary {
		s.stdin = &both{s.stdin, dir}
	}
	return s, nil
}

// both closes the process' input; Stop removes the folder after it ended.
type both struct {
	io.Closer
	dir string
}

// Stop ends the Gitea and removes its folder if that was temporary.
func (s *Server) Stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.stdin.Close()
	timer := time.AfterFunc(30*time.Second, func() { s.cmd.Process.Signal(syscall.SIGKILL) })
	s.cmd.Wait()
	timer.Stop()
	if b, ok := s.stdin.(*both); ok {
		os.RemoveAll(b.dir)
	}
}

// Binary gives the forge's binary: the one in FAIRWAY_FORGE, or else the one that the
// repository's lab/forge/build.sh builds once and keeps.
func Binary() (string, error) {
	if path := os.Getenv("FAIRWAY_FORGE"); path != "" {
		return path, nil
	}
	cmd := exec.Command(filepath.Join(labtest.Top(), "lab", "forge", "build.sh"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build the forge of the lab: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

func (s *Server) start(more string) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "extra.ini"), []byte(more), 0o600); err != nil {
		return err
	}
	var said bytes.Buffer
	s.cmd = exec.Command(s.binary, "serve", "--dir", s.Dir)
	s.cmd.Stderr = &said
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := json.NewDecoder(stdout).Decode(s); err != nil {
		s.Stop()
		return fmt.Errorf("%w: %s", err, &said)
	}
	return nil
}

// User makes a user and gives a token of his that may do what he may.
func (s *Server) User(name string) (string, error) {
	const password = "of-a-lab-1"
	user := map[string]any{"username": name, "email": name + "@example.com", "password": password, "must_change_password": false}
	if err := s.API(s.Token, http.MethodPost, "/admin/users", user, nil); err != nil {
		return "", err
	}
	var made struct {
		SHA1 string `json:"sha1"`
	}
	body, err := json.Marshal(map[string]any{"name": "lab", "scopes": []string{"all"}})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodPost, s.URL+"/api/v1/users/"+url.PathEscape(name)+"/tokens", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(name, password)
	req.Header.Set("Content-Type", "application/json")
	if err := send(req, &made); err != nil {
		return "", err
	}
	return made.SHA1, nil
}

// Repository makes an empty repository of the token's owner, whose branch is main.
func (s *Server) Repository(token, name string) error {
	return s.API(token, http.MethodPost, "/user/repos", map[string]any{"name": name, "default_branch": "main", "private": true}, nil)
}

// Filled waits until Gitea knows that there is something in a repository, which it
// finds out after the first push was answered; before that it takes no pull request.
func (s *Server) Filled(token, repository string) error {
	for range 600 {
		var is struct{ Empty bool }
		if err := s.API(token, http.MethodGet, "/repos/"+repository, nil, &is); err != nil {
			return err
		}
		if !is.Empty {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s is empty after 30 s", repository)
}

// Remote is where Git clones a repository and pushes to it in the name of a user.
func (s *Server) Remote(user, token, repository string) string {
	return strings.Replace(s.URL, "://", "://"+user+":"+token+"@", 1) + "/" + repository + ".git"
}

// API sends one request below /api/v1. A body or an answer may be nil.
func (s *Server) API(token, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return send(req, into)
}

func send(req *http.Request, into any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", req.Method, req.URL.Path, res.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
