package pulls_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestApprovalsAreOfWhatIsDone: whoever has to approve is named with the rule; an
// approval counts for what the change did when it was given, outlives a commit that
// does nothing else, and counts no more when another thing would be done.
func TestApprovalsAreOfWhatIsDone(t *testing.T) {
	w := newWorld(t)
	leads := w.reader("shop-leads")
	w.serve()
	w.edit(checkout, "cpu: 60", "cpu: 65")
	first := w.propose("checkout may grow")
	said := w.reported(first, "fairway/approvals", "pending")
	if !strings.Contains(said, "of team shop") {
		t.Errorf("the status says %q, and not whom it waits for", said)
	}
	w.eventually("the comment says by which rule who is asked", func() string {
		if c := w.comment(1); !strings.Contains(c, "platform/approvals/production.cue:") || !strings.Contains(c, "shop-leads") {
			return c
		}
		return ""
	})

	w.approve(w.reader("stranger"), first) // of no team that is asked
	w.approve(leads, first)
	w.reported(first, "fairway/approvals", "success")
	w.eventually("the comment says who approved", func() string {
		if c := w.comment(1); !strings.Contains(c, "- [x] ") || strings.Contains(c, "- [ ] ") {
			return c
		}
		return ""
	})

	w.edit(checkout, "web.#Service & {", "// Grown for the sale.\nweb.#Service & {")
	second := w.propose("say why")
	w.reported(second, "fairway/approvals", "success")

	w.edit(checkout, "cpu: 65", "cpu: 70")
	third := w.propose("a little more")
	w.reported(third, "fairway/approvals", "pending")
	w.eventually("the comment says why the approval does not count", func() string {
		if c := w.comment(1); !strings.Contains(c, "shop-leads does not count: approved something else") {
			return c
		}
		return ""
	})
	w.approve(leads, third)
	w.reported(third, "fairway/approvals", "success")
}

// reader is a user who may read the repository; it gives the token.
func (w *world) reader(name string) string {
	w.t.Helper()
	token, err := w.forge.User(name)
	w.must(err)
	w.must(w.forge.API(w.forge.Token, http.MethodPut, "/repos/"+repository+"/collaborators/"+name, map[string]any{"permission": "read"}, nil))
	return token
}

func (w *world) approve(token, commit string) {
	w.t.Helper()
	review := map[string]any{"event": "APPROVED", "commit_id": commit, "body": "fine"}
	w.must(w.forge.API(token, http.MethodPost, fmt.Sprintf("/repos/%s/pulls/1/reviews", repository), review, nil))
}

// TestAuthorApprovesNothing: who owns the team and made the change is not who approves it.
func TestAuthorApprovesNothing(t *testing.T) {
	w := newWorld(t)
	leads := w.reader("shop-leads")
	w.serve()
	w.edit(checkout, "cpu: 60", "cpu: 65")
	w.git("-c", "user.email=shop-leads@example.com", "commit", "--quiet", "--all", "-m", "checkout may grow", "--author", "Somebody <shop-leads@example.com>")
	w.git("push", "--quiet", w.forge.Remote("shop", w.shop, repository), "HEAD:refs/for/main", "-o", "topic=change")
	head := w.git("rev-parse", "HEAD")
	w.reported(head, "fairway/approvals", "pending")
	w.approve(leads, head)
	w.eventually("the comment says why it does not count", func() string {
		if c := w.comment(1); !strings.Contains(c, "shop-leads does not count: made the change") {
			return c
		}
		return ""
	})
	if state, said := w.status(head, "fairway/approvals"); state != "pending" {
		t.Errorf("the status is %s: %s", state, said)
	}
}
