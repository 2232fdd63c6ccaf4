package gitea

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairway-dev/fairway/pkg/forge"
)

// Annotate implements forge.Annotator: one review of ours with comments on lines, which
// says neither yes nor no. The next one is there before the last one goes.
func (r *Repo) Annotate(ctx context.Context, number int, a forge.Annotations) error {
	if err := r.annotate(ctx, number, a.Few()); err != nil {
		return fmt.Errorf("annotate lines of pull request %d at %.12s: %w", number, a.Commit, found(err))
	}
	return nil
}

func (r *Repo) annotate(ctx context.Context, number int, a forge.Annotations) error {
	self, err := r.whoami(ctx)
	if err != nil {
		return fmt.Errorf("find out who we are on the forge: %w", err)
	}
	all, err := list(ctx, r, r.below.Path("pulls", number, "reviews"), nil, review.key, nil)
	if err != nil {
		return err
	}
	digest, err := a.Digest()
	if err != nil {
		return err
	}
	ours := "<!-- fairway:" + a.Name + " "
	mark := ours + digest + " -->"
	there := false
	var old []int64
	for _, v := range all {
		switch {
		case v.User == nil || !strings.EqualFold(v.User.Login, self) || !strings.HasPrefix(v.Body, ours):
		case len(a.Lines) > 0 && !there && strings.HasPrefix(v.Body, mark):
			there = true
		default:
			old = append(old, v.ID)
		}
	}
	if len(a.Lines) > 0 && !there {
		if err := r.below.Send(ctx, http.MethodPost, r.below.Path("pulls", number, "reviews"), onLines(a, mark), nil); err != nil {
			return err
		}
	}
	for _, id := range old {
		if err := r.below.Send(ctx, http.MethodDelete, r.below.Path("pulls", number, "reviews", id), nil, nil); err != nil {
			return fmt.Errorf("take back what was said before: %w", err)
		}
	}
	return nil
}

// onLines is annotations as Gitea takes them.
func onLines(a forge.Annotations, mark string) map[string]any {
	type line struct {
		Path string `json:"path"`
		Body string `json:"body"`
		At   int    `json:"new_position"` // a line of the file as it is on the head
	}
	lines := make([]line, 0, len(a.Lines))
	for _, l := range a.Lines {
		word := "**" + string(l.Level) + "**"
		lines = append(lines, line{l.Path, word + " `" + l.Title + "`\n\n" + fenced(l.Text), max(l.Line, 1)})
	}
	body := mark + "\n" + a.Summary
	if a.URL != "" {
		body += ": [the whole report](" + a.URL + ")"
	}
	return map[string]any{"event": "COMMENT", "commit_id": a.Commit, "body": body, "comments": lines}
}

// fenced is a text as Markdown that shows it as it is: what people wrote in it names
// nobody and links nowhere.
func fenced(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "text\n" + text + "\n" + fence
}
