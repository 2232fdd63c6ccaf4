// Package githttp serves bare repositories over smart HTTP, by way of the git command's
// own http-backend: for labs, tests and small installations without a forge. It
// speaks fetch, shallow fetch and push, and tells when something was pushed. Put it
// on a loopback listener; it has no encryption and one password.
package githttp

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// ErrNoGit: there is no git command on this machine.
var ErrNoGit = errors.New("the git command is needed and was not found")

// Options of a Handler. The zero value lets everyone read and push.
type Options struct {
	// Username and Password that pushing needs, if either is set.
	Username, Password string
	// Private makes reading need them too.
	Private bool
	// OnPush is called after a push that moved a branch, with the repository's path
	// below the root, such as "platform.git". The pusher waits for it.
	OnPush func(repo string)
	// Log takes what git complains about; nothing when nil.
	Log io.Writer
}

// maxPush is the most bytes of one push.
const maxPush = 256 << 20

// Handler serves the bare repositories below root. ErrNoGit when git is missing.
func Handler(root string, options Options) (http.Handler, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", root, ErrNoGit)
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", root, err)
	}
	if options.Log == nil {
		options.Log = io.Discard
	}
	return &handler{root: root, git: git, options: options}, nil
}

// Init makes a bare repository at dir that accepts pushes, with an unborn branch.
// ErrNoGit when git is missing.
func Init(dir, branch string) error {
	git, err := exec.LookPath("git")
	if err != nil {
		return fmt.Errorf("make repository %s: %w", dir, ErrNoGit)
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--template=", "--initial-branch=" + branch, "--", dir},
		{"-C", dir, "config", "http.receivepack", "true"},
		{"-C", dir, "config", "http.getanyfile", "false"},
	} {
		cmd := exec.Command(git, args...)
		cmd.Env = environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("make repository %s: git %s: %w: %s", dir, args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// environment is all that git gets to see: no configuration but the repository's own.
func environment() []string {
	return []string{
		"HOME=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=safe.directory",
		"GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=core.hooksPath",
		"GIT_CONFIG_VALUE_1=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0",
		"LC_ALL=C",
	}
}

type handler struct {
	root, git string
	options   Options
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repo, service, ok := route(r)
	if !ok {
		http.NotFound(w, r)
		return
	}
	push := service == "git-receive-pack"
	if (push || h.options.Private) && !h.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "credentials needed", http.StatusUnauthorized)
		return
	}
	r.Header.Del("Authorization")
	body, err := spool(r)
	if err != nil {
		http.Error(w, "request body: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	defer body.Close()
	backend := &cgi.Handler{
		Path:   h.git,
		Args:   []string{"http-backend"},
		Root:   "/",
		Dir:    h.root,
		Env:    append(environment(), "GIT_PROJECT_ROOT="+h.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=pusher"),
		Stderr: h.options.Log,
	}
	if !push || r.Method != http.MethodPost {
		backend.ServeHTTP(w, r)
		return
	}
	answer := &watched{ResponseWriter: w}
	backend.ServeHTTP(answer, r)
	if answer.accepted && h.options.OnPush != nil {
		h.options.OnPush(repo)
	}
}

// watched looks for a reference that git reports as moved in what passes by.
type watched struct {
	http.ResponseWriter
	last     []byte // the end of what was written before
	accepted bool
}

const moved = "ok refs/"

// Write implements http.ResponseWriter.
func (w *watched) Write(b []byte) (int, error) {
	seen := append(w.last, b...)
	w.accepted = w.accepted || bytes.Contains(seen, []byte(moved))
	w.last = bytes.Clone(seen[max(0, len(seen)-len(moved)):])
	return w.ResponseWriter.Write(b)
}

// route accepts the three requests of smart HTTP and nothing else.
func route(r *http.Request) (repo, service string, ok bool) {
	if r.URL.Path != path.Clean(r.URL.Path) {
		return "", "", false
	}
	for _, known := range []string{"git-upload-pack", "git-receive-pack"} {
		if repo, ok := strings.CutSuffix(r.URL.Path, "/"+known); ok && r.Method == http.MethodPost {
			return strings.Trim(repo, "/"), known, true
		}
		if repo, ok := strings.CutSuffix(r.URL.Path, "/info/refs"); ok && r.Method == http.MethodGet &&
			r.URL.Query().Get("service") == known {
			return strings.Trim(repo, "/"), known, true
		}
	}
	return "", "", false
}

// authorized reports whether the request carries the credentials, if any are needed.
func (h *handler) authorized(r *http.Request) bool {
	if h.options.Username == "" && h.options.Password == "" {
		return true
	}
	user, password, _ := r.BasicAuth()
	have, want := sha256.Sum256([]byte(user+"\x00"+password)), sha256.Sum256([]byte(h.options.Username+"\x00"+h.options.Password))
	return subtle.ConstantTimeCompare(have[:], want[:]) == 1
}

// spool gives a chunked body, which a large push has, the length that CGI requires.
func spool(r *http.Request) (io.Closer, error) {
	if r.ContentLength >= 0 {
		return r.Body, nil
	}
	f, err := os.CreateTemp("", "githttp-*")
	if err != nil {
		return nil, err
	}
	body := &spooled{f}
	n, err := io.Copy(f, io.LimitReader(r.Body, maxPush+1))
	if err == nil && n > maxPush {
		err = fmt.Errorf("more than %d bytes", maxPush)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	r.Body, r.ContentLength, r.TransferEncoding = body, n, nil
	return body, nil
}

// spooled is a temporary file that goes away when closed.
type spooled struct{ *os.File }

func (s *spooled) Close() error { return errors.Join(s.File.Close(), os.Remove(s.Name())) }
