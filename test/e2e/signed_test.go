package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/status"
)

// signer makes an SSH key and gives its file and its public text.
func signer(t *testing.T, name string) (file, public string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	file = filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(text))
}

// signing declares who may sign.
func signing(keys map[string]string) files {
	text := "package signing\n\nimport \"fairway.dev/schema\"\n\nschema.#Signing & {\n\tsigners: {\n"
	for name, key := range keys {
		text += fmt.Sprintf("\t\t%s: ssh: [%q]\n", name, key)
	}
	return files{"platform/signing/signing.cue": text + "\t}\n}\n"}
}

// pushSigned commits edits, signed with a key, and pushes them.
func (w *world) pushSigned(key, subject string, edits files, flags ...string) string {
	w.t.Helper()
	w.write(edits)
	gitIn(w.t, w.clone, "add", "--all")
	gitIn(w.t, w.clone, "-c", "gpg.format=ssh", "-c", "user.signingKey="+key, "commit", "--quiet", "--allow-empty", "-S", "-m", subject)
	return w.pushHead(flags...)
}

// TestSignedCommits: where it is declared who may sign, what they did not sign is
// not followed, and who declares it may not be changed by what changes it.
func TestSignedCommits(t *testing.T) {
	ada, adaKey := signer(t, "ada")
	bob, bobKey := signer(t, "bob")
	eve, eveKey := signer(t, "eve")
	mode := func(w *world, m string) files { return w.web("money", "pay", `config: MODE: "`+m+`"`) }
	w := newWorld(t, shopAndPay)
	w.run()
	w.settled(w.push("who may sign", signing(map[string]string{"ada": adaKey})))
	good := w.pushSigned(ada, "signed", mode(w, "signed"))
	w.settled(good)

	from := w.lab.now(t)
	back := func() { gitIn(t, w.clone, "reset", "--quiet", "--hard", good) }
	for name, push := range map[string]func() string{
		"unsigned":        func() string { return w.push("unsigned", mode(w, "unsigned")) },
		"by a stranger":   func() string { return w.pushSigned(eve, "mine", mode(w, "eve")) },
		"lets herself in": func() string { return w.pushSigned(eve, "me", signing(map[string]string{"eve": eveKey})) },
		"switches it off": func() string { return w.push("no more signatures", files{"platform/signing/signing.cue": gone}) },
		"below a signed one": func() string {
			w.write(mode(w, "hidden"))
			gitIn(t, w.clone, "commit", "--quiet", "-am", "hidden")
			return w.pushSigned(ada, "signed again", nil)
		},
		"merge that nobody signed": func() string {
			gitIn(t, w.clone, "checkout", "--quiet", "-b", "side-"+fmt.Sprint(len(w.records(""))))
			w.write(mode(w, "merged"))
			gitIn(t, w.clone, "-c", "gpg.format=ssh", "-c", "user.signingKey="+ada, "commit", "--quiet", "-S", "-am", "signed on a side branch")
			side := gitIn(t, w.clone, "rev-parse", "HEAD")
			gitIn(t, w.clone, "checkout", "--quiet", "main")
			gitIn(t, w.clone, "merge", "--quiet", "--no-ff", "-m", "merged", side)
			return w.pushHead()
		},
		"rewound though signed": func() string {
			gitIn(t, w.clone, "reset", "--quiet", "--hard", "HEAD~1")
			return w.pushSigned(ada, "other ground", mode(w, "rewound"), "--force")
		},
	} {
		t.Run(name, func(t *testing.T) {
			commit := push()
			s := w.withheld(commit)
			if s.Revision != good {
				t.Errorf("the daemon is at %s, want %s", s.Revision, good)
			}
			t.Log(s.Message)
			w.quiet()
			if writes := w.writes(from); len(writes) > 0 {
				t.Errorf("written:\n  %s\nwant nothing", spelled(writes))
			}
			back()
			w.forcePush()
			w.settled(good)
		})
	}

	// Whoever may sign may let another in, also when both commits come at once.
	w.write(signing(map[string]string{"bob": bobKey}))
	gitIn(t, w.clone, "-c", "gpg.format=ssh", "-c", "user.signingKey="+ada, "commit", "--quiet", "-S", "-am", "bob instead of ada")
	w.settled(w.pushSigned(bob, "by bob", mode(w, "bob")))
	w.withheld(w.pushSigned(ada, "ada is out", mode(w, "ada")))
	gitIn(t, w.clone, "reset", "--quiet", "--hard", "HEAD~1")
	w.forcePush()
	// A mistake in the policy leaves the last good one in force.
	broken := w.pushSigned(bob, "a mistake", files{"platform/signing/signing.cue": "package signing\n\nsigners: 1\n"})
	w.settled(broken)
	w.withheld(w.push("unsigned", mode(w, "unsigned")))
	gitIn(t, w.clone, "reset", "--quiet", "--hard", broken)
	last := func() string {
		w.forcePush()
		return w.pushSigned(bob, "mended", signing(map[string]string{"bob": bobKey}))
	}()
	w.settled(last)

	// With its disk gone the daemon knows no better than what is pushed; the
	// clusters do.
	w.daemon.stop()
	taken := w.pushSigned(eve, "all is mine", signing(map[string]string{"eve": eveKey}).and(mode(w, "taken")))
	from = w.lab.now(t)
	w.start(t.TempDir())
	u := w.waitUnit(w.inProd("pay"), "held", func(u status.Unit) bool { return u.Sync == status.Held && u.Reason == reconcile.HoldUntrusted })
	if !strings.Contains(u.Message, taken) || u.Hint == "" {
		t.Errorf("it says %s", describe(u))
	}
	w.quiet()
	w.mustWriteNothing(from, "by a daemon that lost its disk")
}

// apply applies an environment from the clone, without a daemon.
func (w *world) apply(environment string) (string, error) {
	w.t.Helper()
	cmd := exec.Command(reconciler(w.t), "apply", "--yes", "--env", environment, "--journal", filepath.Join(w.t.TempDir(), "journal.db"), "--kubeconfig", w.lab.kubeconfig, "--system-namespace", w.system)
	cmd.Dir = w.clone
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(w.root, "cache"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestApplyAsksForSignatures: the command that writes without a daemon follows the
// signing policy like one: the first revision by its own word, later ones by what
// stood before them.
func TestApplyAsksForSignatures(t *testing.T) {
	ada, adaKey := signer(t, "ada")
	w := newWorld(t, func(w *world) files { return shopAndPay(w).and(signing(map[string]string{"ada": adaKey})) })
	apply := func() (string, error) { return w.apply(w.dev()) }
	refused := func(when string) {
		t.Helper()
		from := w.lab.now(t)
		out, err := apply()
		if err == nil || !strings.Contains(out, "nothing was applied") || !strings.Contains(out, "the signing policy refuses it") {
			t.Errorf("%s: %v: %s", when, err, out)
		}
		w.mustWriteNothing(from, when)
	}
	refused("the first revision, unsigned")
	w.pushSigned(ada, "signed", w.web("money", "pay", `config: MODE: "signed"`))
	if out, err := apply(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.push("unsigned", w.web("money", "pay", `config: MODE: "unsigned"`))
	refused("an unsigned revision after a signed one")
}
