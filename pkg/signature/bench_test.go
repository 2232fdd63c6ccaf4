package signature_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/signature"
)

// bench is a repository in which people commit and sign with git, gpg and
// ssh-keygen, as they do anywhere.
type bench struct {
	t    *testing.T
	dir  string
	home string // short, for the sockets of gpg
	env  []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	for _, program := range []string{"git", "gpg", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	home, err := os.MkdirTemp("", "sig")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: filepath.Join(home, "repo"), home: home, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GNUPGHOME=" + filepath.Join(home, "gpg"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}}
	t.Cleanup(func() {
		_ = b.command("", "gpgconf", "--kill", "all").Run()
		os.RemoveAll(home)
	})
	if err := os.MkdirAll(filepath.Join(home, "gpg"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.run("git", "init", "--quiet", b.dir)
	return b
}

func (b *bench) command(stdin string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = b.env, b.home, strings.NewReader(stdin)
	return cmd
}

func (b *bench) run(args ...string) string { return b.feed("", args...) }

func (b *bench) feed(stdin string, args ...string) string {
	b.t.Helper()
	cmd := b.command(stdin, args...)
	var errout bytes.Buffer
	cmd.Stderr = &errout
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, errout.String())
	}
	return string(out)
}

// git runs git in the repository.
func (b *bench) git(args ...string) string {
	b.t.Helper()
	return strings.TrimSpace(b.run(append([]string{"git", "-C", b.dir}, args...)...))
}

// key is somebody's means of signing: the settings of git for it.
type key struct {
	settings []string
	public   string
}

// gpg makes a GPG key. time is when, as gpg takes it; empty is now.
func (b *bench) gpg(name, algorithm, expire, time string) key {
	b.t.Helper()
	args := []string{"gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}
	if time != "" {
		args = append(args, "--faked-system-time", time)
	}
	b.run(append(args, "--quick-gen-key", name+" <"+name+"@example.com>", algorithm, "sign", expire)...)
	return b.exported(name)
}

func (b *bench) exported(name string) key {
	b.t.Helper()
	return key{[]string{"gpg.format=openpgp", "user.signingKey=" + name + "@example.com"}, b.run("gpg", "--export", "--armor", name+"@example.com")}
}

// ssh makes an SSH key.
func (b *bench) ssh(name string, args ...string) key {
	b.t.Helper()
	file := filepath.Join(b.home, name)
	b.run(append([]string{"ssh-keygen", "-q", "-N", "", "-C", name, "-f", file}, args...)...)
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		b.t.Fatal(err)
	}
	return key{[]string{"gpg.format=ssh", "user.signingKey=" + file}, string(public)}
}

// with adds settings, such as another program to sign with.
func (k key) with(settings ...string) key {
	k.settings = append(append([]string(nil), k.settings...), settings...)
	return k
}

// script makes a program that calls another with changed arguments.
func (b *bench) script(name, line string) string {
	b.t.Helper()
	file := filepath.Join(b.home, name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+line+"\n"), 0o700); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// commit makes a commit, signed with a key unless it has none, and gives its bytes.
func (b *bench) commit(k key, args ...string) []byte {
	b.t.Helper()
	all := []string{"-C", b.dir}
	for _, s := range k.settings {
		all = append(all, "-c", s)
	}
	all = append(all, "commit", "--quiet", "--allow-empty")
	if len(k.settings) > 0 {
		all = append(all, "-S")
	}
	if len(args) == 0 {
		args = []string{"-m", "a change\n\nfor a reason"}
	}
	b.run(append(append([]string{"git"}, all...), args...)...)
	return b.raw("HEAD")
}

func (b *bench) raw(rev string) []byte {
	b.t.Helper()
	return []byte(b.run("git", "-C", b.dir, "cat-file", "commit", rev))
}

// verified says what git itself thinks of a commit's bytes.
func (b *bench) verified(raw []byte, signers string) bool {
	b.t.Helper()
	h := strings.TrimSpace(b.feed(string(raw), "git", "-C", b.dir, "hash-object", "-t", "commit", "-w", "--literally", "--stdin"))
	return b.command("", "git", "-C", b.dir, "-c", "gpg.ssh.allowedSignersFile="+signers, "verify-commit", h).Run() == nil
}

// policy declares signers, as the schema's data.
func policy(t *testing.T, more map[string]any, signers map[string]any) *signature.Policy {
	t.Helper()
	all := map[string]any{"required": true, "signers": signers}
	for k, v := range more {
		all[k] = v
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	p, err := signature.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
