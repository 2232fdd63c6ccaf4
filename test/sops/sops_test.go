package sops

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/fairway-dev/fairway/pkg/secret"
)

// tool is sops as its module has it, built for the test.
func tool(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "sops")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/getsops/sops/v3/cmd/sops").CombinedOutput(); err != nil {
		t.Fatalf("build sops: %v\n%s", err, out)
	}
	return bin
}

func run(t *testing.T, bin, dir string, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sops %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestSops encrypts many documents in many ways with sops, opens them, and spoils
// each of their lines.
func TestSops(t *testing.T) {
	bin := tool(t)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789abcdef", 512)
	documents := map[string]string{
		"a.yaml": "password: one\n",
		"b.yaml": "# first\npassword: one # beside\n# last\nother: two\n",
		"c.yaml": "password: |\n  two\n  lines\nn: 42\nf: 1.25\nb: true\nnil: null\nempty: \"\"\nzero: 0\nbig: 9007199254740993\n",
		"d.yaml": "password: one\ndeep: {a: {b: [1, [2, x], {c: false}]}}\nnothing: {}\nnone: []\n",
		"e.yaml": "password: \"ümläut \\U0001F511 'quotes' \\\"both\\\" #no comment\"\nx_unencrypted: 1.50\ny_unencrypted: yes please\n",
		"f.yaml": "password: " + long + "\n",
		"g.json": `{"password": "one", "n": 42, "f": 1.25, "b": false, "null": null, "list": [1, "a", {"b": true}], "x_unencrypted": 12}`,
		"h.json": `{"password": "` + long + `", "empty": "", "deep": {"deeper": {}}}`,
	}
	ways := map[string]string{
		"plain":   "",
		"suffix":  "    encrypted_suffix: word\n",
		"regex":   "    encrypted_regex: ^pass\n",
		"except":  "    unencrypted_regex: ^(other|n|deep)$\n",
		"partial": "    encrypted_regex: ^pass\n    mac_only_encrypted: true\n",
	}
	for way, rule := range ways {
		dir := t.TempDir()
		rules := fmt.Sprintf("creation_rules:\n  - age: %s,%s\n%s", other.Recipient(), key.Recipient(), rule)
		if err := os.WriteFile(filepath.Join(dir, ".sops.yaml"), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, document := range documents {
			t.Run(way+"/"+name, func(t *testing.T) {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
					t.Fatal(err)
				}
				run(t, bin, dir, nil, "encrypt", "--in-place", name)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				opens(t, name, text, key)
				refuses(t, name, text, key, way)
			})
		}
	}
}

// opens wants the password as sops itself gives it.
func opens(t *testing.T, name string, text []byte, key age.Identity) {
	t.Helper()
	f, err := secret.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Open([]age.Identity{key})
	if err != nil {
		t.Fatal(err)
	}
	if got["password"] == "" || strings.HasPrefix(got["password"], "ENC[") {
		t.Errorf("password is %q", got["password"])
	}
}

// refuses takes out each line that the checksum is over. Which those are depends on
// how the file was encrypted.
func refuses(t *testing.T, name string, text []byte, key age.Identity, way string) {
	t.Helper()
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		if !strings.Contains(line, "ENC[") || strings.Contains(line, "type:comment") || strings.Contains(line, "mac") {
			continue
		}
		spoilt := strings.Join(lines[:i], "") + strings.Join(lines[i+1:], "")
		f, err := secret.Parse(name, []byte(spoilt))
		if err != nil {
			continue // what is left is no document
		}
		if _, err := f.Open([]age.Identity{key}); !errors.Is(err, secret.ErrMAC) && !errors.Is(err, secret.ErrForm) {
			t.Errorf("%s without line %d: %v", way, i+1, err)
		}
	}
}
