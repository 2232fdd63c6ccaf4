package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
)

// forge is the Git server of up, the repository on it, and the clone to work in.
type forge struct {
	url, clone string
	server     *http.Server
	gitea      *gitea // instead of server, where pull requests are wanted
	pushed     atomic.Pointer[func()]
}

// onPush says what to do when somebody has pushed.
func (f *forge) onPush(do func()) { f.pushed.Store(&do) }

func (f *forge) close() {
	if f.gitea != nil {
		f.gitea.stop()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close()
	}
}

// startForge serves this repository's HEAD, as branch main of a repository of
// its own, and clones it for the user. Both are made once and kept.
func (u *up) startForge(ctx context.Context) (*forge, error) {
	root := filepath.Join(u.state, "git")
	f := &forge{clone: filepath.Join(u.state, "platform")}
	handler, err := githttp.Handler(root, githttp.Options{OnPush: func(string) {
		if do := f.pushed.Load(); do != nil {
			(*do)()
		}
	}})
	if err != nil {
		return nil, err
	}
	if err := u.seed(ctx, filepath.Join(root, "platform.git")); err != nil {
		return nil, err
	}
	listener, err := u.forgeListener()
	if err != nil {
		return nil, err
	}
	f.url = "http://" + listener.Addr().String() + "/platform.git"
	f.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = f.server.Serve(listener) }() // ends with close
	if err := u.workingClone(ctx, f); err != nil {
		f.close()
		return nil, err
	}
	u.phase("git", f.url)
	return f, nil
}

// forgeListener listens where the last run did, so that clones stay good, or
// on a free port.
func (u *up) forgeListener() (net.Listener, error) {
	file := filepath.Join(u.state, "git", "address")
	if last, err := os.ReadFile(file); err == nil {
		if l, err := net.Listen("tcp", strings.TrimSpace(string(last))); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Git server: %w", err)
	}
	return l, os.WriteFile(file, []byte(l.Addr().String()+"\n"), 0o600)
}

// seed makes the served repository from this one's HEAD.
func (u *up) seed(ctx context.Context, bare string) error {
	if _, err := os.Stat(filepath.Join(bare, "refs", "heads", "main")); err == nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(bare, "packed-refs")); err == nil {
		return nil
	}
	if err := githttp.Init(bare, "main"); err != nil {
		return err
	}
	if _, err := gitRun(ctx, bare, "config", "receive.shallowUpdate", "true"); err != nil {
		return err
	}
	if _, err := gitRun(ctx, u.top, "push", "--quiet", "--no-verify", bare, "HEAD:refs/heads/main"); err != nil {
		return fmt.Errorf("copy this repository's HEAD to the Git server: %w", err)
	}
	return nil
}

// workingClone makes the clone the user works in, or points it at the server's
// present address.
func (u *up) workingClone(ctx context.Context, f *forge) error {
	if _, err := os.Stat(f.clone); err == nil {
		_, err := gitRun(ctx, f.clone, "remote", "set-url", "origin", f.url)
		return err
	}
	if _, err := gitRun(ctx, u.state, "clone", "--quiet", f.url, f.clone); err != nil {
		return fmt.Errorf("clone %s: %w", f.url, err)
	}
	if _, err := gitRun(ctx, f.clone, "config", "user.email"); err == nil {
		return nil
	}
	name := "fairway"
	if me, err := user.Current(); err == nil && me.Username != "" {
		name = me.Username
	}
	_, err := gitRun(ctx, f.clone, "config", "user.name", name)
	_, err2 := gitRun(ctx, f.clone, "config", "user.email", name+"@localhost")
	return errors.Join(err, err2)
}

func gitRun(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
