package forge_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/test/forge/contract"
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

// labelled is the numbers of the labels on a pull request.
func (g *gitea) labelled(number int) []int64 {
	var on []struct{ ID int64 }
	g.api("dev", http.MethodGet, fmt.Sprintf("/issues/%d/labels", number), nil, &on)
	var ids []int64
	for _, l := range on {
		ids = append(ids, l.ID)
	}
	return ids
}

// TestGiteaLabelMeanwhile holds that a label which somebody else makes between our look and
// our making of it is the one that is put on, whether Gitea then makes a second or not.
func TestGiteaLabelMeanwhile(t *testing.T) {
	g, w := giteaWorld(t)
	for name, taken := range map[string]bool{"makes a second": false, "refuses a second": true} {
		n, _ := proposed(w, strings.ReplaceAll(name, " ", "-"))
		var first struct{ ID int64 }
		w.breaks(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, g.repo+"/labels") {
					g.api("dev", http.MethodPost, "/labels", map[string]any{"name": name, "color": "#112233"}, &first)
					if taken {
						rw.WriteHeader(http.StatusConflict)
						return
					}
				}
				next.ServeHTTP(rw, r)
			})
		})
		if err := w.forge(t).AddLabel(t.Context(), n, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.breaks(nil)
		want(t, name, g.labelled(n), []int64{first.ID})
	}
}

// TestGiteaLabelRefused holds that a label which cannot be made says why.
func TestGiteaLabelRefused(t *testing.T) {
	g, w := giteaWorld(t)
	n, _ := proposed(w, "topic")
	w.breaks(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Error(rw, "", http.StatusForbidden)
				return
			}
			next.ServeHTTP(rw, r)
		})
	})
	if err := w.forge(t).AddLabel(t.Context(), n, "new"); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("the label was not made: %v", err)
	}
	want(t, "labels", g.labelled(n), []int64{})
}

// TestGiteaLabelsUnknown holds that no label is made where it cannot be known whether
// there is one of that name.
func TestGiteaLabelsUnknown(t *testing.T) {
	g, w := giteaWorld(t)
	n, _ := proposed(w, "topic")
	for _, name := range []string{"a", "b", "c"} { // with those of every world, three pages
		g.api("dev", http.MethodPost, "/labels", map[string]any{"name": name, "color": "#112233"}, nil)
	}
	faults := contract.LiesOfPages()
	delete(faults, "a page missing, and the Link agrees") // this list has none
	maps.Copy(faults, contract.LiesOfTotals(w.total))
	faults["fails"] = contract.Always(http.StatusInternalServerError, "application/json", "{}")
	faults["null"] = contract.Always(http.StatusOK, "application/json", "null")
	faults["nameless"] = contract.Always(http.StatusOK, "application/json", "[{}]", w.total, "1")
	for name, fault := range faults {
		w.breaks(contract.At(g.repo+"/labels", fault))
		w.sent()
		if err := w.connect(t, hasty()).AddLabel(t.Context(), n, "new"); err == nil {
			t.Errorf("%s: the label was put on", name)
		}
		if sent := w.sent(); len(sent) > 0 {
			t.Errorf("%s: sent %v", name, sent)
		}
	}
}
