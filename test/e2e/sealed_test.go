package e2e_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/status"
)

// lock is an age key and what is encrypted for it, as sops does that.
type lock struct {
	t   *testing.T
	key *age.X25519Identity
}

func newLock(t *testing.T) *lock {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return &lock{t, key}
}

// file is the file that the daemon is given.
func (l *lock) file() string {
	l.t.Helper()
	return secretFile(l.t, l.key.String())
}

// seal writes a file of one secret.
func (l *lock) seal(name, value string) string {
	l.t.Helper()
	data := make([]byte, 32)
	rand.Read(data)
	block, err := aes.NewCipher(data)
	if err != nil {
		l.t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, 32)
	if err != nil {
		l.t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	encrypt := func(text, with string) string {
		iv := make([]byte, 32)
		rand.Read(iv)
		sealed := gcm.Seal(nil, iv, []byte(text), []byte(with))
		split := len(sealed) - gcm.Overhead()
		return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:str]", b64(sealed[:split]), b64(iv), b64(sealed[split:]))
	}
	var enc bytes.Buffer
	armored := armor.NewWriter(&enc)
	w, err := age.Encrypt(armored, l.key.Recipient())
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil || w.Close() != nil || armored.Close() != nil {
		l.t.Fatal("encrypt the data key", err)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Sprintf("%s: %s\nsops:\n    age:\n        - recipient: %s\n          enc: |\n            %s\n    lastmodified: %q\n    mac: %s\n    version: 3.13.3\n",
		name, encrypt(value, name+":"), l.key.Recipient(), strings.ReplaceAll(strings.TrimSpace(enc.String()), "\n", "\n            "),
		now, encrypt(fmt.Sprintf("%X", sha512.Sum512([]byte(value))), now))
}

// sealedService is a worker that takes a secret from the file beside it.
func (w *world) sealedService(file string) files {
	source := w.servicePath("shop", "sealed")
	return files{
		source: `package service

import "fairway.dev/platform/paths/worker"

worker.#Service & {
	name:        "sealed"
	description: "A secret of a test."
	image:       "registry.example.com/test/sealed"
	secrets: SEALED: key: "sealed"
}
`, path.Join(path.Dir(source), "secrets."+w.dev()+".sops.yaml"): file,
	}.and(w.release(w.dev(), "shop", "sealed", "1.0.0"))
}

// mustHoldSealed wants what was sealed in the Secret of the cluster.
func (w *world) mustHoldSealed(canary string) {
	w.t.Helper()
	secret, err := w.lab.admin["local"].Resource(kinds()["Secret"]).Namespace(w.space("shop", w.dev())).Get(context.Background(), "sealed-sealed", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
	if got, _ := base64.StdEncoding.DecodeString(data["SEALED"]); string(got) != canary || len(data) != 1 {
		w.t.Errorf("the Secret holds %d values, and not what was sealed", len(data))
	}
}

// TestSealed: what is encrypted in Git is in the cluster as it was before, and
// nowhere else, the daemon's own folder included. A file that does not open holds
// its own unit and no other, drift is seen without the key, and a key that comes
// later is enough.
func TestSealed(t *testing.T) {
	a := &aviary{names: map[string]string{}}
	l := newLock(t)
	a.keep("the age key", l.key.String())
	first, second := a.plant("a file of secrets"), a.plant("a file of secrets, later")
	w := newWorld(t, func(w *world) files { return w.teamFile("shop").and(w.sealedService(l.seal("sealed", first))) })
	keys := filepath.Join(t.TempDir(), "keys")
	data := t.TempDir()
	p := w.spawnWith(data, w.url, "--verbose", "--age-key-file", keys)
	w.waitSync(w.inDev("sealed"), status.Failed)
	if u := w.unit(w.inDev("sealed")); u.Reason != "SecretNotOpened" || !strings.Contains(u.Message, ".sops.yaml") {
		t.Errorf("a missing key: %s: %s", u.Reason, u.Message)
	}
	text, err := os.ReadFile(l.file())
	if err == nil {
		err = os.WriteFile(keys, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.waitSync(w.inDev("sealed"), status.Synced)
	w.mustHoldSealed(first)
	w.alter("local", "Secret", w.space("shop", w.dev()), "sealed-sealed", "kubectl-edit", func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, base64.StdEncoding.EncodeToString([]byte(a.plant("a sealed Secret changed by hand"))), "data", "SEALED")
	})
	eventually(t, patience, "the secret is put back", func() string {
		secret, err := w.lab.admin["local"].Resource(kinds()["Secret"]).Namespace(w.space("shop", w.dev())).Get(context.Background(), "sealed-sealed", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if got, _, _ := unstructured.NestedString(secret.Object, "data", "SEALED"); got != base64.StdEncoding.EncodeToString([]byte(first)) {
			return "it is as it was changed"
		}
		return ""
	})
	commit := w.push("another secret", w.sealedService(l.seal("sealed", second)))
	w.hook(w.secret)
	w.waitUnit(w.inDev("sealed"), "at the new commit", func(u status.Unit) bool { return u.Revision == commit && u.Sync == status.Synced })
	w.mustHoldSealed(second)
	commit = w.push("spoilt", w.sealedService(strings.Replace(l.seal("sealed", second), "lastmodified: \"20", "lastmodified: \"19", 1)))
	w.hook(w.secret)
	u := w.waitUnit(w.inDev("sealed"), "told of what is spoilt", func(u status.Unit) bool { return u.Desired == commit && u.Sync == status.Failed })
	if u.Reason != "SecretNotOpened" || !strings.Contains(u.Message, "without the key") {
		t.Errorf("a spoilt file: %s: %s", u.Reason, u.Message)
	}
	w.mustHoldSealed(second)
	w.sayEverything(a, commit)
	p.end(t, syscall.SIGTERM)
	a.search(t, "the log", []byte(p.log.String()))
	a.searchFolder(t, data, func(string) bool { return false })
}
