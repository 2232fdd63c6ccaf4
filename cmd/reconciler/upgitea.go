package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
)

// gitea is the forge of up: a process of the lab that ends with us, however we end.
type gitea struct {
	URL   string `json:"url"`
	User  string `json:"user"`
	Token string `json:"token"`

	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
}

// What up calls things on its forge: the repository, and who pushes from the clone.
const (
	giteaRepository = "platform"
	giteaPerson     = "dev"
)

// startGitea runs a forge with this repository's HEAD in it, and clones that for the user.
// All of it is made once and kept.
func (u *up) startGitea(ctx context.Context) (*forge, error) {
	g := &gitea{dir: filepath.Join(u.state, "forge")}
	if err := g.start(ctx, u.gitea); err != nil {
		return nil, fmt.Errorf("start the forge: %w", err)
	}
	f := &forge{clone: filepath.Join(u.state, "platform"), gitea: g}
	if err := errors.Join(g.found(ctx), u.seedGitea(ctx, g)); err != nil {
		f.close()
		return nil, err
	}
	person, err := g.person(ctx)
	if err == nil {
		f.url = strings.Replace(g.URL, "://", "://"+giteaPerson+":"+person+"@", 1) + "/" + g.repository() + ".git"
		err = u.workingClone(ctx, f)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	u.phase("forge", g.URL+"/"+g.repository())
	return f, nil
}

func (g *gitea) start(ctx context.Context, binary string) error {
	g.cmd = exec.Command(binary, "serve", "--dir", g.dir)
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	g.cmd.Stderr = &said
	stdin, err := g.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := g.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	g.stdin = stdin
	ready := make(chan error, 1)
	go func() { ready <- json.NewDecoder(stdout).Decode(g) }()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		g.stop()
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

func (g *gitea) stop() {
	g.stdin.Close()
	timer := time.AfterFunc(30*time.Second, func() { _ = g.cmd.Process.Kill() })
	defer timer.Stop()
	_ = g.cmd.Wait() // how it ended does not matter any more
}

func (g *gitea) repository() string { return g.User + "/" + giteaRepository }

// found makes the repository, if there is none, and who works in the clone.
func (g *gitea) found(ctx context.Context) error {
	repository := map[string]any{"name": giteaRepository, "default_branch": "main"}
	err := g.api(ctx, http.MethodPost, "/user/repos", repository, nil, http.StatusConflict)
	if err != nil {
		return fmt.Errorf("make the repository on the forge: %w", err)
	}
	return nil
}

// person gives the token of who works in the clone, who may write but is not the daemon.
func (g *gitea) person(ctx context.Context) (string, error) {
	file := filepath.Join(g.dir, "person")
	if token, err := os.ReadFile(file); err == nil {
		return string(token), nil
	}
	password := rand.Text()
	user := map[string]any{"username": giteaPerson, "email": giteaPerson + "@example.com", "password": password, "must_change_password": false}
	if err := g.api(ctx, http.MethodPost, "/admin/users", user, nil); err != nil {
		return "", fmt.Errorf("make a user on the forge: %w", err)
	}
	may := map[string]any{"permission": "write"}
	if err := g.api(ctx, http.MethodPut, "/repos/"+g.repository()+"/collaborators/"+giteaPerson, may, nil); err != nil {
		return "", fmt.Errorf("let a user push to the forge: %w", err)
	}
	var made struct {
		SHA1 string `json:"sha1"`
	}
	req, err := g.request(ctx, http.MethodPost, "/users/"+giteaPerson+"/tokens", map[string]any{"name": "clone", "scopes": []string{"all"}})
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(giteaPerson, password)
	if err := g.send(req, &made); err != nil {
		return "", fmt.Errorf("make a token on the forge: %w", err)
	}
	return made.SHA1, os.WriteFile(file, []byte(made.SHA1), 0o600)
}

// seedGitea pushes this repository's HEAD to the forge, unless that has a branch already.
func (u *up) seedGitea(ctx context.Context, g *gitea) error {
	var is struct{ Empty bool }
	if err := g.api(ctx, http.MethodGet, "/repos/"+g.repository(), nil, &is); err != nil || !is.Empty {
		return err
	}
	remote := strings.Replace(g.URL, "://", "://"+g.User+":"+g.Token+"@", 1) + "/" + g.repository() + ".git"
	// A checkout that is cut off somewhere cannot be pushed as it is: it goes by a
	// repository of its own.
	bare := filepath.Join(g.dir, "seed.git")
	defer os.RemoveAll(bare)
	if err := githttp.Init(bare, "main"); err != nil {
		return err
	}
	if _, err := gitRun(ctx, bare, "config", "receive.shallowUpdate", "true"); err != nil {
		return err
	}
	if _, err := gitRun(ctx, u.top, "push", "--quiet", "--no-verify", bare, "HEAD:refs/heads/main"); err != nil {
		return fmt.Errorf("copy this repository's HEAD: %w", err)
	}
	if _, err := gitRun(ctx, bare, "push", "--quiet", remote, "main"); err != nil {
		return errors.New("copy this repository's HEAD to the forge: " + strings.ReplaceAll(err.Error(), g.Token, "..."))
	}
	for range 600 { // it finds out after the push was answered, and takes no pull request before
		if err := g.api(ctx, http.MethodGet, "/repos/"+g.repository(), nil, &is); err != nil || !is.Empty {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the forge does not know after 30 s that the repository has a branch")
}

// settle has the forge tell the daemon of what happens, and gives what the daemon is
// started with for it.
func (g *gitea) settle(ctx context.Context, server string, s *settings) error {
	secret := rand.Text()
	tokenFile, secretFile := filepath.Join(g.dir, "token"), filepath.Join(g.dir, "hook")
	if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
		return err
	}
	var hooks []struct{ ID int64 }
	at := "/repos/" + g.repository() + "/hooks"
	if err := g.api(ctx, http.MethodGet, at, nil, &hooks); err != nil {
		return fmt.Errorf("have the forge tell of pushes: %w", err)
	}
	for _, h := range hooks { // the daemon may have another address now
		if err := g.api(ctx, http.MethodDelete, fmt.Sprintf("%s/%d", at, h.ID), nil, nil); err != nil {
			return fmt.Errorf("have the forge tell of pushes: %w", err)
		}
	}
	hook := map[string]any{
		"type": "gitea", "active": true, "events": []string{"push", "pull_request", "pull_request_sync", "pull_request_label", "pull_request_review"},
		"config": map[string]string{"url": server + "/hooks/gitea", "content_type": "json", "secret": secret},
	}
	if err := g.api(ctx, http.MethodPost, at, hook, nil); err != nil {
		return fmt.Errorf("have the forge tell of pushes: %w", err)
	}
	s.repo, s.username, s.passwordFile, s.hookSecretFile = g.URL+"/"+g.repository()+".git", g.User, tokenFile, secretFile
	s.forge = forgeSettings{kind: "gitea", url: g.URL, repository: g.repository(), tokenFile: tokenFile, poll: 2 * time.Second}
	return nil
}

func (g *gitea) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, g.URL+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// api sends one request; codes are those that are good beside success.
func (g *gitea) api(ctx context.Context, method, path string, body, into any, codes ...int) error {
	req, err := g.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+g.Token)
	return g.send(req, into, codes...)
}

func (g *gitea) send(req *http.Request, into any, codes ...int) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	for _, code := range codes {
		if res.StatusCode == code {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case res.StatusCode >= http.StatusMultipleChoices:
		return &url.Error{Op: req.Method, URL: req.URL.Path, Err: fmt.Errorf("%s: %s", res.Status, text)}
	case into == nil:
		return nil
	}
	return json.Unmarshal(text, into)
}
