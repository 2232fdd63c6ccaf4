package secret_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/secret"
)

const demoFile = "../../lab/demo-age-key.txt"

// sealed is a sealed Secret as a path renders it.
func sealed(t testing.TB, ref string) object.Object {
	t.Helper()
	o, err := object.FromFields(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": map[string]any{"name": "mail", "namespace": "shop-prod", "annotations": map[string]any{
			object.AnnotationSealed: "teams/shop/mail/secrets.prod.sops.yaml",
		}},
		"stringData": map[string]any{"SMTP_PASSWORD": ref, secret.TextKey: fixture(t, "full.sops.yaml")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestKeyring opens a sealed Secret to what is written in its place, which is known
// by the digest of what was sealed.
func TestKeyring(t *testing.T) {
	in := sealed(t, "smtp-password=ENC[whatever]")
	out, err := secret.Keyring{Path: demoFile}.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	fields := out.Fields()
	data, _ := fields["data"].(map[string]any)
	if want := base64.StdEncoding.EncodeToString([]byte("demo value, öffentlich")); len(data) != 1 || data["SMTP_PASSWORD"] != want {
		t.Errorf("data: %v", data)
	}
	if fields["stringData"] != nil || strings.Contains(string(out.Body), "ENC[") {
		t.Error("what was sealed is written as well")
	}
	if out.Digest != in.Digest || out.ID != in.ID {
		t.Error("it is not known again")
	}
	if got := object.Annotation(fields, object.AnnotationOpened); got != secret.Fingerprint(in.Digest, data) {
		t.Errorf("fingerprint %q", got)
	}
	other, err := object.FromFields(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a"}, "stringData": map[string]any{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if same, err := (secret.Keyring{}).Open(other); err != nil || string(same.Body) != string(other.Body) {
		t.Errorf("another Secret is changed: %v", err)
	}
}

// TestKeyringFails says which file does not open and why, and no value.
func TestKeyringFails(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(empty, []byte("canary-4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, ref string
		is        error
	}{
		"no keys":       {"", "smtp-password=x", secret.ErrKey},
		"no file":       {filepath.Join(t.TempDir(), "none"), "smtp-password=x", secret.ErrKey},
		"no key in it":  {empty, "smtp-password=x", secret.ErrKey},
		"no such value": {demoFile, "smtp=x", nil},
	} {
		_, err := secret.Keyring{Path: c.path}.Open(sealed(t, c.ref))
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), "teams/shop/mail/secrets.prod.sops.yaml") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFingerprint tells different data apart, and not where they are cut.
func TestFingerprint(t *testing.T) {
	seen := map[string]bool{}
	for _, data := range []map[string]any{{}, {"a": "bc"}, {"ab": "c"}, {"a": "b"}, {"a": "b", "c": ""}, {"a": "bc", "c": nil}} {
		f := secret.Fingerprint(object.Digest{1}, data)
		if seen[f] || f == secret.Fingerprint(object.Digest{2}, data) {
			t.Errorf("%v is like another", data)
		}
		seen[f] = true
	}
}
