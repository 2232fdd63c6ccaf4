package pulls_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/forge/contract"
)

// TestHintsAreHeeded runs a daemon that asks the forge once an hour: a pull request and a
// push to it are told by signed hooks alone, and by nothing before them. The list that the
// second hook has the daemon ask for is from before the push, as a forge's may be.
func TestHintsAreHeeded(t *testing.T) {
	clone, repo := founded(t)
	e := &elsewhere{world: &world{t: t, clone: clone, log: &lines{}, data: t.TempDir()}, kind: "github", ref: "refs/pull/", forge: contract.GitHub()}
	t.Cleanup(e.forge.Close)
	e.forge.At(time.Now())
	var behind atomic.Int32
	e.forge.Break(contract.At("/pulls", contract.Behind(&behind)))
	secret, none := filepath.Join(e.data, "hook"), filepath.Join(e.data, "kubeconfig")
	e.must(os.WriteFile(secret, []byte(hookSecret), 0o600))
	e.must(os.WriteFile(none, []byte("apiVersion: v1\nkind: Config\n"), 0o600))
	e.kubeconfig = none
	e.serve(repo, "--forge-poll", "1h", "--hook-secret-file", secret)
	e.listed()

	e.forge.AddUser("dev", contract.Write)
	first := e.edition("hint", "1", "1")
	e.forge.Open("dev", "hint", "cart is another edition")
	time.Sleep(2 * time.Second)
	if said := e.forge.Status(first, "fairway/plan"); said != "" {
		t.Fatalf("with no hook and an hour between polls the pull request is told: %s", said)
	}
	e.hook(`{"action": "opened", "number": 1, "pull_request": {"number": 1}}`)
	e.planned(first)

	behind.Store(1)
	second := e.edition("hint", "1", "2")
	e.hook(`{"action": "synchronize", "number": 1, "pull_request": {"number": 1}}`)
	e.planned(second)
	if left := behind.Load(); left != 0 {
		t.Errorf("the list from before the push was not asked for")
	}
}

const hookSecret = "a secret of a test"

// hook sends what GitHub sends, signed.
func (e *elsewhere) hook(body string) {
	e.t.Helper()
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte(body))
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.server+"/hooks/github", bytes.NewReader([]byte(body)))
	e.must(err)
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-GitHub-Event", "pull_request")
	r.Header.Set("X-GitHub-Delivery", fmt.Sprint(time.Now().UnixNano()))
	answer, err := http.DefaultClient.Do(r)
	e.must(err)
	e.must(answer.Body.Close())
	if answer.StatusCode != http.StatusAccepted {
		e.t.Fatalf("the hook is answered with %s", answer.Status)
	}
}

// listed waits until the daemon has asked for the forge's pull requests.
func (e *elsewhere) listed() {
	e.t.Helper()
	e.eventually("the forge is asked for pull requests", func() string {
		sent := e.forge.Sent()
		for _, one := range sent {
			if strings.HasSuffix(one, "/pulls") {
				return ""
			}
		}
		return fmt.Sprintf("it is asked %q", sent)
	})
}

// planned waits until a head's plan is told.
func (e *elsewhere) planned(head string) {
	e.t.Helper()
	e.eventually("the plan of "+head[:12]+" is told", func() string {
		if said := e.forge.Status(head, "fairway/plan"); !strings.HasPrefix(said, "success ") {
			return fmt.Sprintf("it is told %q", said)
		}
		return ""
	})
}
