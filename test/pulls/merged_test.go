package pulls_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// merge merges a pull request in a way that the forge knows, such as "squash".
func (w *world) merge(number int, how string) {
	w.t.Helper()
	w.eventually("the forge merges it", func() string {
		err := w.forge.API(w.forge.Token, http.MethodPost, fmt.Sprintf("/repos/%s/pulls/%d/merge", repository, number), map[string]any{"Do": how}, nil)
		if err != nil {
			return err.Error()
		}
		return ""
	})
}

// says waits until the comment holds all of some texts.
func (w *world) says(number int, texts ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the comment on %d says %q", number, texts), func() string {
		c := w.comment(number)
		for _, text := range texts {
			if !strings.Contains(c, text) {
				return c
			}
		}
		return ""
	})
}

// TestMergeIsAsReported: what was reported is what is applied, and the pull request says so,
// however its two commits come into the branch.
func TestMergeIsAsReported(t *testing.T) {
	for _, how := range []string{"merge", "squash", "rebase", "fast-forward-only"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.serve()
			w.edit(checkout, "cpu: 60", "cpu: 65") // in prod, and nobody approves it
			w.git("commit", "--quiet", "--all", "-m", "checkout may grow")
			w.edit(checkout, "Turns a cart into", "Makes a cart")
			w.reported(w.propose("and says so"), "fairway/approvals", "pending")
			w.says(1, "shop-leads")
			if how == "rebase" {
				base := w.aside("README.md", "another thing\n")
				w.says(1, "--base "+base)
			}
			w.merge(1, how)
			w.says(1, "**Merged** as ", "What is said above is what is applied", "- [ ] ")
			if held := w.log.String(); strings.Contains(held, "merge is held") {
				t.Errorf("it was merged with all that was said of it, and is held:\n%s", held)
			}
		})
	}
}

// aside pushes a file to the branch, beside what is proposed, and gives the commit.
func (w *world) aside(file, text string) string {
	w.t.Helper()
	here := w.git("rev-parse", "HEAD")
	w.git("checkout", "--quiet", "-B", "elsewhere", w.base())
	w.must(os.WriteFile(filepath.Join(w.clone, file), []byte(text), 0o644))
	w.git("add", "--all")
	w.git("commit", "--quiet", "-m", "another thing")
	w.git("push", "--quiet", w.forge.Remote("fairway", w.forge.Token, repository), "HEAD:main")
	made := w.git("rev-parse", "HEAD")
	w.git("checkout", "--quiet", here)
	return made
}

// TestMergeOfSomethingElseIsHeld: a pull request that touches nothing of prod becomes one
// that does, because of what was merged before it: its report is made anew, it is held for
// those who were never asked, and goes on when they say yes.
func TestMergeOfSomethingElseIsHeld(t *testing.T) {
	w := newWorld(t)
	leads := w.reader("shop-leads")
	w.must(w.forge.API(w.forge.Token, http.MethodPut, "/repos/"+repository+"/collaborators/shop-leads", map[string]any{"permission": "write"}, nil))
	w.serve()
	w.edit(checkout, `cpu: "250m", memory`, `cpu: "300m", memory`) // prod has a value of its own
	w.reported(w.propose("checkout may use more where it is tried"), "fairway/approvals", "success")
	w.says(1, "staging")
	w.stop()

	w.git("checkout", "--quiet", "-B", "elsewhere", w.base())
	w.edit(checkout, "\t\tresources: cpu: \"500m\"\n", "")
	w.git("commit", "--quiet", "--all", "-m", "checkout is in prod as everywhere")
	w.git("push", "--quiet", w.forge.Remote("fairway", w.forge.Token, repository), "HEAD:main")
	w.merge(1, "merge")
	w.serve()
	w.says(1, "**Merged** as ", "**It is held**: waits for 1 of 1 ", "team shop", "prod", "the label approve-")
	var merged struct {
		Commit string `json:"merge_commit_sha"`
	}
	w.must(w.forge.API(w.forge.Token, http.MethodGet, fmt.Sprintf("/repos/%s/pulls/1", repository), nil, &merged))
	label := "approve-" + merged.Commit[:12]
	w.labelAs(w.shop, label, http.StatusForbidden)
	w.labelAs(leads, label, 0)
	w.says(1, "- [x] ", "and that is applied")
	w.goesOn()
}

// goesOn waits until the daemon applies a merge that was held.
func (w *world) goesOn() {
	w.t.Helper()
	w.eventually("the daemon goes on", func() string {
		if said := w.log.String(); !strings.Contains(said, "merge is applied") {
			return said
		}
		return ""
	})
}

// TestRebaseOfSomethingElseIsHeld: the same of a pull request that comes into the branch as
// two commits while no daemon runs, of which the first makes the difference: the forge says
// whose they are, and not of another one of the same head; and taking back the last one alone
// lets nothing through.
func TestRebaseOfSomethingElseIsHeld(t *testing.T) {
	w := newWorld(t)
	w.serve()
	w.edit(checkout, `cpu: "250m", memory`, `cpu: "300m", memory`) // prod has a value of its own
	w.git("commit", "--quiet", "--all", "-m", "checkout may use more where it is tried")
	w.edit(checkout, "package service\n", "package service\n\n// It pays.\n")
	head := w.propose("and says so")
	w.reported(head, "fairway/approvals", "success")
	w.git("push", "--quiet", w.forge.Remote("shop", w.shop, repository), "HEAD:refs/for/main", "-o", "topic=again") // of the same head, and open
	w.stop()

	w.git("checkout", "--quiet", "-B", "elsewhere", w.base())
	w.edit(checkout, "\t\tresources: cpu: \"500m\"\n", "")
	w.git("commit", "--quiet", "--all", "-m", "checkout is in prod as everywhere")
	remote := w.forge.Remote("fairway", w.forge.Token, repository)
	w.git("push", "--quiet", remote, "HEAD:main")
	w.merge(1, "rebase")
	w.serve()
	w.says(1, "**Merged** as ", "**It is held**: waits for 1 of 1 ", "team shop", "prod", "the label approve-")

	w.git("fetch", "--quiet", remote, "main")
	w.git("checkout", "--quiet", "FETCH_HEAD")
	if both := w.git("log", "-2", "--format=%s"); both != "and says so\ncheckout may use more where it is tried" {
		t.Fatalf("the branch ends with %q", both)
	}
	w.git("revert", "--no-edit", "HEAD")
	w.git("push", "--quiet", remote, "HEAD:main")
	part := w.git("rev-parse", "HEAD")
	w.eventually("the daemon is at the commit that takes back the last one", func() string {
		if said := w.log.String(); !strings.Contains(said, part) {
			return said
		}
		return ""
	})
	time.Sleep(3 * time.Second) // longer than it takes to be asked again
	if said := w.log.String(); strings.Contains(said, "merge is applied") {
		t.Fatalf("the last commit alone was taken back, and all goes on:\n%s", said)
	}
	w.git("revert", "--no-edit", "HEAD~2")
	w.git("push", "--quiet", remote, "HEAD:main")
	w.goesOn()
	if said := w.log.String(); !strings.Contains(said, "it was taken back") {
		t.Errorf("it goes on for another reason:\n%s", said)
	}
}

// labelAs makes a label and puts it on pull request 1, in somebody's name; refused is the
// status by which the forge has to refuse it, 0 for none.
func (w *world) labelAs(token, name string, refused int) {
	w.t.Helper()
	var made struct{ ID int }
	err := w.forge.API(token, http.MethodPost, "/repos/"+repository+"/labels", map[string]any{"name": name, "color": "#00aa00"}, &made)
	if refused != 0 {
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(refused)) {
			w.t.Errorf("somebody who may only read makes the label: %v", err)
		}
		return
	}
	w.must(err)
	w.must(w.forge.API(token, http.MethodPost, fmt.Sprintf("/repos/%s/issues/1/labels", repository), map[string]any{"labels": []int{made.ID}}, nil))
}
