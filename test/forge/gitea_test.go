package forge_test

import (
	"net/http"
	"testing"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/test/forge/gitealab"
)

// TestGiteaTimeline holds that a label's event behind pages of comments on lines, which
// Gitea leaves out of its pages after it cut them, is found.
func TestGiteaTimeline(t *testing.T) {
	g, w := giteaWorld(t)
	w.push("topic", map[string]*string{"a.txt": text("1\n")})
	n := w.open("topic", "Commented")
	var comments []map[string]any
	for range 5 * giteaMax {
		comments = append(comments, map[string]any{"path": "a.txt", "body": "why?", "new_position": 1})
	}
	g.api("reader", http.MethodPost, "/pulls/1/reviews", map[string]any{"event": "COMMENT", "body": "some questions", "comments": comments}, nil)
	w.label("dev", n, "preview", true)
	got := members(t, w.forge(t).LabelEvents(t.Context(), n))
	if len(got) != 1 || got[0].Label != "preview" || got[0].Actor != "dev" || !got[0].Added {
		t.Errorf("events are %+v", got)
	}
}

// TestGiteaReview holds that what was pushed for review, or from a fork, is not taken
// for a branch of the repository: whoever reads may do so.
func TestGiteaReview(t *testing.T) {
	g, w := giteaWorld(t)
	g.git("checkout", "--quiet", "-b", "mine")
	g.git("commit", "--quiet", "--allow-empty", "-m", "for review")
	g.git("push", "--quiet", g.lab.server.Remote("reader", g.lab.tokens["reader"], g.repo), "HEAD:refs/for/main", "-o", "topic=mine", "-o", "title=For review")

	var fork struct {
		Name string `json:"full_name"`
	}
	g.api("reader", http.MethodPost, "/forks", map[string]any{"name": "mine-of-" + g.repo[len(gitealab.Admin)+1:]}, &fork)
	g.git("commit", "--quiet", "--allow-empty", "-m", "from a fork")
	g.git("push", "--quiet", g.lab.server.Remote("reader", g.lab.tokens["reader"], fork.Name), "HEAD:refs/heads/topic")
	g.api("reader", http.MethodPost, "/pulls", map[string]any{"title": "From a fork", "head": fork.Name + ":topic", "base": "main"}, nil)

	got := members(t, w.forge(t).Pulls(t.Context(), "main"))
	if len(got) != 2 {
		t.Fatalf("pull requests are %+v", got)
	}
	want(t, "head of what was pushed for review", got[0].Head, forge.Head{Commit: g.git("rev-parse", "HEAD~1"), Repository: g.repo, Fork: true})
	want(t, "head of the fork", got[1].Head, forge.Head{Branch: "topic", Commit: g.git("rev-parse", "HEAD"), Repository: fork.Name, Fork: true})
}
