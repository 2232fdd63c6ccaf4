package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// admin is the user that serve makes, who may do everything.
const admin = "fairway"

// served is what serve prints in one line once the forge answers.
type served struct {
	URL   string `json:"url"`
	User  string `json:"user"`
	Token string `json:"token"`
}

// serve runs a Gitea on loopback with a first user, from a folder that may be used
// again, until its standard input closes. A file extra.ini in the folder adds to the
// settings.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	dir := flags.String("dir", "", "folder of the forge")
	_ = flags.Parse(args) // exits
	if *dir == "" {
		return errors.New("--dir is needed")
	}
	s := &server{dir: *dir}
	stop, err := s.start()
	if err != nil {
		return err
	}
	line, err := json.Marshal(served{URL: s.url, User: admin, Token: s.token})
	if err == nil {
		fmt.Println(string(line))
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	return errors.Join(err, stop())
}

type server struct{ dir, url, token string }

// start runs the forge in a process of its own, as Gitea's commands end theirs.
func (s *server) start() (stop func() error, err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	port, err := s.port()
	if err != nil {
		return nil, err
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	settings, err := s.settings(port)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.config(), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, "gitea.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	web, err := s.command("web", "--config", s.config())
	if err != nil {
		return nil, err
	}
	web.Stdout, web.Stderr = log, log
	stdin, err := web.StdinPipe()
	if err == nil {
		err = web.Start()
	}
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Wait() }()
	stop = func() error {
		stdin.Close()
		timer := time.AfterFunc(20*time.Second, func() { _ = web.Process.Kill() })
		defer timer.Stop()
		<-ended // how it ended does not matter any more
		return nil
	}
	if err := errors.Join(s.ready(ended), s.first()); err != nil {
		_ = stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return stop, nil
}

// port is the one of the last run, so that clones stay good, or a free one.
func (s *server) port() (int, error) {
	file, last := filepath.Join(s.dir, "port"), 0
	if text, err := os.ReadFile(file); err == nil {
		last, _ = strconv.Atoi(strings.TrimSpace(string(text))) // 0 is any
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(last)))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return 0, err
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	return port, os.WriteFile(file, []byte(strconv.Itoa(port)), 0o600)
}

func (s *server) config() string { return filepath.Join(s.dir, "app.ini") }

// command is one of Gitea's own, without anything of whoever runs it.
func (s *server) command(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GITEA_WORK_DIR=" + s.dir,
		"FAIRWAY_FORGE_UNTIL_STDIN_CLOSES=1", "GIT_CONFIG_NOSYSTEM=1",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for who started us
	return cmd, nil
}

// ready waits until the forge answers.
func (s *server) ready(ended <-chan error) error {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-ended:
			return fmt.Errorf("Gitea ended: %w", err)
		default:
		}
		res, err := http.Get(s.url + "/api/healthz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("Gitea did not come up in 2 minutes")
}

// first makes the first user, whose token makes all others.
func (s *server) first() error {
	file := filepath.Join(s.dir, "token")
	if text, err := os.ReadFile(file); err == nil {
		s.token = string(text)
		return nil
	}
	cmd, err := s.command("admin", "user", "create", "--config", s.config(), "--admin", "--username", admin, "--email", admin+"@example.com",
		"--random-password", "--must-change-password=false", "--access-token", "--access-token-name", "lab", "--access-token-scopes", "all")
	if err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the first user: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, token, ok := strings.Cut(line, "Access token was successfully created... "); ok {
			s.token = strings.TrimSpace(token)
		}
	}
	if s.token == "" {
		return fmt.Errorf("make the first user: it got no token\n%s", out)
	}
	return os.WriteFile(file, []byte(s.token), 0o600)
}

// settings is what differs from what Gitea does by itself: one user of the machine,
// loopback only, nothing fetched from elsewhere, nothing that only people need.
func (s *server) settings(port int) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	who, err := user.Current()
	if err != nil {
		return "", err
	}
	extra, err := os.ReadFile(filepath.Join(s.dir, "extra.ini"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return fmt.Sprintf(settings, s.dir, port, filepath.Join(filepath.Dir(self), "static"), internalToken, who.Username) + string(extra), nil
}

// internalToken is what Gitea's hooks show to Gitea: a JWT of {"nbf":1}, signed by nobody.
const internalToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjF9.lab"

const settings = `
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
`
