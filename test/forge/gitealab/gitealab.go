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
	"errors"
	"fmt"
	"io"
	"net"
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
	URL   string // http://127.0.0.1:PORT
	Token string // Admin's
	Dir   string

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
	timer := time.AfterFunc(20*time.Second, func() { s.cmd.Process.Signal(syscall.SIGKILL) })
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
	port, err := freePort()
	if err != nil {
		return err
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := os.WriteFile(s.config(), []byte(s.settings(port)+more), 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.Dir, "gitea.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command("web", "--config", s.config())
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, text)
	}
	return s.admin()
}

func (s *Server) config() string { return filepath.Join(s.Dir, "app.ini") }

// command is Gitea's own, without anything of whoever runs it.
func (s *Server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	cmd.Dir = s.Dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "GITEA_WORK_DIR=" + s.Dir,
		"FAIRWAY_FORGE_UNTIL_STDIN_CLOSES=1", "GIT_CONFIG_NOSYSTEM=1",
	}
	return cmd
}

// settings is what differs from what Gitea does by itself: one user of the machine,
// loopback only, nothing fetched from elsewhere, nothing that only people need.
func (s *Server) settings(port int) string {
	return fmt.Sprintf(`
RUN_MODE = prod
RUN_USER = %[5]s
WORK_PATH = %[1]s
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[2]d
ROOT_URL = http://127.0.0.1:%[2]d/
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false
STATIC_ROOT_PATH = %[3]s
[database]
DB_TYPE = sqlite3
PATH = %[1]s/gitea.db
[repository]
ROOT = %[1]s/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
SECRET_KEY = of-a-lab-that-holds-no-secrets
INTERNAL_TOKEN = %[4]s
[oauth2]
ENABLED = false
[service]
DISABLE_REGISTRATION = true
[session]
PROVIDER = memory
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[packages]
ENABLED = false
[webhook]
ALLOWED_HOST_LIST = loopback
[log]
MODE = console
LEVEL = warn
`, s.Dir, port, filepath.Join(filepath.Dir(s.binary), "static"), internalToken, runUser())
}

// internalToken is what Gitea's hooks show to Gitea: a JWT of {"nbf":1}, signed by nobody.
const internalToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjF9.lab"

func runUser() string {
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		return "root"
	}
	return strings.TrimSpace(string(out))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) ready() error {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if s.cmd.ProcessState != nil {
			break
		}
		if err := s.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return fmt.Errorf("it ended: %w", err)
		}
		res, err := http.Get(s.URL + "/api/healthz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("it did not come up in 2 minutes")
}

// admin makes the first user, whose token makes all others.
func (s *Server) admin() error {
	if text, err := os.ReadFile(filepath.Join(s.Dir, "token")); err == nil {
		s.Token = string(text)
		return nil
	}
	cmd := s.command("admin", "user", "create", "--config", s.config(), "--admin", "--username", Admin, "--email", Admin+"@example.com",
		"--random-password", "--must-change-password=false", "--access-token", "--access-token-name", "lab", "--access-token-scopes", "all")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the first user: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, token, ok := strings.Cut(line, "Access token was successfully created... "); ok {
			s.Token = strings.TrimSpace(token)
		}
	}
	if s.Token == "" {
		return fmt.Errorf("make the first user: it got no token\n%s", out)
	}
	return os.WriteFile(filepath.Join(s.Dir, "token"), []byte(s.Token), 0o600)
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
