package gitlab

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
	"github.com/fairway-dev/fairway/pkg/object"
)

// SetStatus implements forge.Forge. GitLab refuses a status that does not change
// state, so while one is pending it keeps its first description.
func (r *Repo) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	s.Description = forge.Short(s.Description, maxSentence)
	state, err := said(s.State)
	if err != nil {
		return err
	}
	now, known := r.Statuses(ctx, commit).Members()
	was := now[s.Context]
	if text, _ := said(was.State); known && text == state && was.Description == s.Description && was.URL == s.URL {
		return nil
	}
	body := map[string]string{"name": s.Context, "state": state, "description": s.Description, "target_url": s.URL}
	err = r.below.Send(ctx, http.MethodPost, r.below.Path("statuses", commit), body, nil)
	if rest.Says(err, "cannot transition") && known && was.State == s.State {
		return nil
	}
	if err != nil {
		return fmt.Errorf("set the status %s of %.12s: %w", s.Context, commit, found(err))
	}
	return nil
}

// Comment implements forge.Forge.
func (r *Repo) Comment(ctx context.Context, number int, c forge.Comment) error {
	if err := forge.Stick(ctx, board{r}, number, c); err != nil {
		return fmt.Errorf("comment on merge request %d: %w", number, err)
	}
	return nil
}

type board struct{ *Repo }

func (b board) Limit() int                               { return maxComment }
func (b board) Self(ctx context.Context) (string, error) { return b.whoami(ctx) }

func (b board) Notes(ctx context.Context, number int) object.Set[int64, forge.Note] {
	type note struct {
		ID     int64  `json:"id"`
		Author user   `json:"author"`
		Body   string `json:"body"`
		System bool   `json:"system"`
	}
	query := url.Values{"order_by": {"created_at"}, "sort": {"asc"}}
	all, err := list(ctx, b.Repo, b.below.Path("merge_requests", number, "notes"), query, func(n note) string { return strconv.FormatInt(n.ID, 10) }, nil)
	var notes []forge.Note
	for _, n := range all {
		if !n.System {
			notes = append(notes, forge.Note{ID: n.ID, Author: n.Author.Name, Body: n.Body})
		}
	}
	return forge.Keep("comments", notes, err, func(_ int, n forge.Note) int64 { return n.ID })
}

func (b board) Write(ctx context.Context, number int, body string) error {
	return b.below.Send(ctx, http.MethodPost, b.below.Path("merge_requests", number, "notes"), map[string]string{"body": body}, nil)
}

func (b board) Rewrite(ctx context.Context, number int, id int64, body string) error {
	return b.below.Send(ctx, http.MethodPut, b.below.Path("merge_requests", number, "notes", id), map[string]string{"body": body}, nil)
}

func (b board) Erase(ctx context.Context, number int, id int64) error {
	return b.below.Send(ctx, http.MethodDelete, b.below.Path("merge_requests", number, "notes", id), nil, nil)
}

// AddLabel implements forge.Forge. GitLab makes the label.
func (r *Repo) AddLabel(ctx context.Context, number int, label string) error {
	is := func(on string) bool { return on == label }
	err := forge.Label(ctx, r, number, is, func() ([]string, error) {
		if strings.Contains(label, ",") {
			return nil, errors.New("GitLab would take it for several, because of its comma")
		}
		var now pull
		err := r.below.Send(ctx, http.MethodPut, r.below.Path("merge_requests", number), map[string]string{"add_labels": label}, &now)
		return now.Labels, found(err)
	})
	if err != nil {
		return fmt.Errorf("put label %q on merge request %d: %w", label, number, err)
	}
	return nil
}

// RemoveLabel implements forge.Forge.
func (r *Repo) RemoveLabel(ctx context.Context, number int, label string) error {
	p, err := r.Pull(ctx, number)
	if err == nil && !slices.Contains(p.Labels, label) {
		return nil
	}
	if err == nil {
		err = r.below.Send(ctx, http.MethodPut, r.below.Path("merge_requests", number), map[string]string{"remove_labels": label}, nil)
	}
	if err != nil {
		return fmt.Errorf("take label %q off merge request %d: %w", label, number, found(err))
	}
	return nil
}

// head is the commit that a branch is at.
func (r *Repo) head(ctx context.Context, branch string) (string, error) {
	var there struct {
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
	}
	if err := r.below.Send(ctx, "", r.below.Path("repository", "branches", branch), nil, &there); err != nil {
		return "", found(err)
	}
	return there.Commit.ID, forge.CommitName(there.Commit.ID)
}

// CreateBranch implements forge.Forge.
func (r *Repo) CreateBranch(ctx context.Context, name, commit string) error {
	body := map[string]string{"branch": name, "ref": commit}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("repository", "branches"), body, nil)
	if rest.Status(err) == http.StatusBadRequest {
		if at, seen := r.head(ctx, name); seen == nil {
			if at == commit {
				return nil
			}
			err = fmt.Errorf("%w, at %.12s", forge.ErrExists, at)
		}
	}
	if err != nil {
		return fmt.Errorf("create branch %s at %.12s: %w", name, commit, err)
	}
	return nil
}

// DeleteBranch implements forge.Forge.
func (r *Repo) DeleteBranch(ctx context.Context, name, commit string) error {
	return forge.DropBranch(name, commit, func() (string, error) { return r.head(ctx, name) }, func() error {
		return found(r.below.Send(ctx, http.MethodDelete, r.below.Path("repository", "branches", name), nil, nil))
	})
}

// Commit implements forge.Forge. Files that are there are replaced only as they were.
func (r *Repo) Commit(ctx context.Context, c forge.Change) (string, error) {
	made, err := r.commit(ctx, c)
	if err != nil {
		return made, fmt.Errorf("commit to branch %s on top of %.12s: %w", c.Branch, c.Onto, err)
	}
	return made, nil
}

func (r *Repo) commit(ctx context.Context, c forge.Change) (string, error) {
	at, err := r.head(ctx, c.Branch)
	if err != nil {
		return "", err
	}
	if at != c.Onto {
		return "", fmt.Errorf("the branch is at %.12s: %w", at, forge.ErrMoved)
	}
	type action struct {
		Action   string `json:"action"`
		Path     string `json:"file_path"`
		Content  string `json:"content,omitempty"`
		Encoding string `json:"encoding,omitempty"`
		Last     string `json:"last_commit_id,omitempty"`
	}
	var actions []action
	for _, path := range append(slices.Sorted(maps.Keys(c.Write)), c.Remove...) {
		content, write := c.Write[path]
		last, there, err := r.last(ctx, c.Onto, path)
		one := action{Action: "delete", Path: path, Last: last}
		switch {
		case err != nil:
			return "", err
		case !write && !there:
			return "", fmt.Errorf("remove %s: %w", path, forge.ErrNotFound)
		case write:
			one.Action, one.Content, one.Encoding = "create", base64.StdEncoding.EncodeToString(content), "base64"
			if there {
				one.Action = "update"
			}
		}
		actions = append(actions, one)
	}
	var made struct {
		ID      string   `json:"id"`
		Parents []string `json:"parent_ids"`
	}
	body := map[string]any{"branch": c.Branch, "commit_message": c.Message, "actions": actions}
	err = r.below.Send(ctx, http.MethodPost, r.below.Path("repository", "commits"), body, &made)
	switch {
	case rest.Says(err, "changed since") || rest.Says(err, "already exists") || rest.Says(err, "doesn't exist"):
		return "", fmt.Errorf("%w: %w", forge.ErrMoved, err)
	case err != nil:
		return "", err
	case len(made.Parents) != 1 || made.Parents[0] != c.Onto:
		return made.ID, fmt.Errorf("it became %.12s, and its parent is another: %w", made.ID, forge.ErrMoved)
	}
	return made.ID, nil
}

// last is the commit that last touched a file, as of another, and whether it is there.
func (r *Repo) last(ctx context.Context, commit, path string) (string, bool, error) {
	answer, err := r.below.Client.Do(ctx, rest.Request{Method: http.MethodHead, Path: r.below.Path("repository", "files", path), Query: url.Values{"ref": {commit}}})
	if rest.Status(err) == http.StatusNotFound {
		return "", false, nil
	}
	return answer.Header.Get("X-Gitlab-Last-Commit-Id"), err == nil, err
}

// CreatePull implements forge.Forge.
func (r *Repo) CreatePull(ctx context.Context, p forge.Proposal) (forge.PullRequest, error) {
	var made pull
	body := map[string]string{"title": p.Title, "description": p.Body, "source_branch": p.Head, "target_branch": p.Base}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("merge_requests"), body, &made)
	if rest.Status(err) == http.StatusConflict {
		err = fmt.Errorf("%w: %w", forge.ErrExists, err)
	}
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open a merge request from %s into %s: %w", p.Head, p.Base, err)
	}
	return made.value()
}

// Merge implements forge.Forge.
func (r *Repo) Merge(ctx context.Context, number int, m forge.Merge) (string, error) {
	body := map[string]any{"sha": m.Head, "squash": m.Method == forge.Squash}
	if m.Message != "" {
		body["merge_commit_message"], body["squash_commit_message"] = m.Message, m.Message
	}
	var made pull
	err := r.below.Client.JSON(ctx, rest.Request{Method: http.MethodPut, Path: r.below.Path("merge_requests", number, "merge"), Body: body, Once: true}, &made)
	switch rest.Status(err) {
	case http.StatusConflict:
		err = fmt.Errorf("%w: %w", forge.ErrMoved, err)
	case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnprocessableEntity:
		err = fmt.Errorf("%w: %w", forge.ErrNotMergeable, err)
	}
	var p forge.PullRequest
	if err == nil {
		p, err = made.value()
	}
	if err == nil && p.State != forge.Merged {
		err = forge.ErrNotMergeable
	}
	if err != nil {
		return "", fmt.Errorf("merge merge request %d at %.12s: %w", number, m.Head, found(err))
	}
	return p.MergeCommit, nil
}

// ClosePull implements forge.Forge.
func (r *Repo) ClosePull(ctx context.Context, number int) error {
	err := forge.Close(ctx, r, number, func() (forge.PullRequest, error) {
		var now pull
		if err := r.below.Send(ctx, http.MethodPut, r.below.Path("merge_requests", number), map[string]string{"state_event": "close"}, &now); err != nil {
			return forge.PullRequest{}, found(err)
		}
		return now.value()
	})
	if err != nil {
		return fmt.Errorf("close merge request %d: %w", number, err)
	}
	return nil
}
