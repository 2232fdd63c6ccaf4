package forge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/test/forge/contract"
	"github.com/fairway-dev/fairway/test/forge/gitealab"
)

// lines gives what reviews of ours say at lines, as "PATH:LINE LEVEL: TEXT".
func (g *gitea) lines(number int) []string {
	var out []string
	for _, id := range g.reviewsOf(gitealab.Admin, number) {
		var comments []struct {
			Path string
			Line int `json:"position"`
			Body string
		}
		g.api(gitealab.Admin, http.MethodGet, fmt.Sprintf("/pulls/%d/reviews/%d/comments", number, id), nil, &comments)
		for _, c := range comments {
			head, text, _ := strings.Cut(c.Body, "\n\n")
			level, _, _ := strings.Cut(strings.TrimPrefix(head, "**"), "**")
			if shown := strings.Split(text, "\n"); len(shown) > 2 { // between fences
				text = strings.Join(shown[1:len(shown)-1], "\n")
			}
			out = append(out, fmt.Sprintf("%s:%d %s: %s", c.Path, c.Line, level, text))
		}
	}
	slices.Sort(out)
	return out
}

// reviewsOf are the reviews of a user.
func (g *gitea) reviewsOf(user string, number int) []int64 {
	var reviews []struct {
		ID   int64
		User struct{ Login string }
	}
	g.api(gitealab.Admin, http.MethodGet, fmt.Sprintf("/pulls/%d/reviews", number), nil, &reviews)
	var out []int64
	for _, r := range reviews {
		if r.User.Login == user {
			out = append(out, r.ID)
		}
	}
	return out
}

// TestAnnotations holds that what is said at the lines of a head is said once, is another
// thing on the next head, and goes when there is nothing to say.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	t.Run("gitea", func(t *testing.T) {
		t.Parallel()
		g, w := giteaWorld(t)
		annotated(t, w, func(number int, _ string) []string { return g.lines(number) })
		if left := g.reviewsOf(gitealab.Admin, 1); len(left) > 0 {
			t.Errorf("reviews %v of ours were left", left)
		}
		if left := g.reviewsOf("reader", 1); len(left) != 1 {
			t.Errorf("reviews of others are %v; want one", left)
		}
	})
	t.Run("github", func(t *testing.T) {
		t.Parallel()
		s := contract.GitHub()
		w := contractWorld(t, "github", s, "", 0)
		w.token = s.AddUser("fairway[bot]", contract.Admin).Token
		annotated(t, w, func(_ int, commit string) []string { return s.Lines(commit) })
	})
}

func annotated(t *testing.T, w *world, lines func(number int, commit string) []string) {
	ctx := t.Context()
	f, can := w.forge(t).(forge.Annotator)
	if !can {
		t.Fatal("it is no Annotator")
	}
	file := "a: 1\nb: 2\nc: 3\n"
	head := w.push("topic", map[string]*string{"teams/a.cue": text(file)})
	number := w.open("topic", "Mistaken")
	w.review("reader", number, "COMMENTED")
	say := func(a forge.Annotations) {
		t.Helper()
		a.Name, a.Commit, a.URL = "fairway/lines", head, "https://example.com/all"
		if err := f.Annotate(ctx, number, a); err != nil {
			t.Fatal(err)
		}
	}
	w.sent()
	say(forge.Annotations{Summary: "no mistakes"})
	if sent := w.sent(); len(sent) > 0 {
		t.Errorf("where there was nothing to say, %v was sent", sent)
	}
	one := forge.Annotation{Path: "teams/a.cue", Line: 2, Level: forge.LevelFailure, Title: "out-of-bounds", Text: "b: 2 is more than 1\nhint: @dev ```take``` less"}
	two := forge.Annotation{Path: "README.md", Line: 1, Level: forge.LevelWarning, Title: "stray-file", Text: "nothing reads this file"}
	both := forge.Annotations{Summary: "1 mistake", Lines: []forge.Annotation{one, two}}
	say(both)
	said := []string{"README.md:1 warning: " + two.Text, "teams/a.cue:2 failure: " + one.Text}
	want(t, "at the lines of the first head", sorted(lines(number, head)), said)
	w.sent()
	say(both)
	if sent := w.sent(); len(sent) > 0 {
		t.Errorf("what was said already was sent again: %v", sent)
	}

	file = "a: 1\n" + file
	head = w.push("topic", map[string]*string{"teams/a.cue": text(file)})
	one.Line = 3
	say(forge.Annotations{Summary: "1 mistake", Lines: []forge.Annotation{one}})
	want(t, "at the lines of the second head", lines(number, head), []string{"teams/a.cue:3 failure: " + one.Text})
	say(forge.Annotations{Summary: "no mistakes"})
	want(t, "once there is nothing to say", lines(number, head), []string{})

	var many []forge.Annotation
	for range forge.MaxAnnotations {
		many = append(many, two)
	}
	say(forge.Annotations{Summary: "1 mistake", Lines: append(many, one)})
	if got := lines(number, head); len(got) != forge.MaxAnnotations || !slices.Contains(got, "teams/a.cue:3 failure: "+one.Text) {
		t.Errorf("of one too many, %d are at lines, or not the failure", len(got))
	}
	say(forge.Annotations{Summary: "no mistakes"})
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}

// TestAnnotationsWithoutAnApp holds that a token which GitHub takes no check runs from is
// told apart from a failure.
func TestAnnotationsWithoutAnApp(t *testing.T) {
	t.Parallel()
	s := contract.GitHub()
	w := contractWorld(t, "github", s, "", 0)
	a := forge.Annotations{
		Name: "fairway/lines", Summary: "1 mistake", Commit: w.push("topic", map[string]*string{"a.txt": text("1\n")}),
		Lines: []forge.Annotation{{Path: "a.txt", Line: 1, Level: forge.LevelFailure, Title: "x", Text: "y"}},
	}
	err := w.forge(t).(forge.Annotator).Annotate(t.Context(), w.open("topic", "x"), a)
	if !errors.Is(err, forge.ErrNotFound) || !strings.Contains(err.Error(), "GitHub App") {
		t.Errorf("without an App: %v", err)
	}
	w.breaks(contract.Always(http.StatusForbidden, "application/json", `{"message":"secondary rate limit"}`, "Retry-After", "600"))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := w.forge(t).(forge.Annotator).Annotate(ctx, 1, a); err == nil || errors.Is(err, forge.ErrNotFound) {
		t.Errorf("asked too often: %v", err)
	}
}
