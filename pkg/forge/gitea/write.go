package gitea

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
	"github.com/fairway-dev/fairway/pkg/object"
)

// SetStatus implements forge.Forge.
func (r *Repo) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	s.Description = forge.Short(s.Description, maxSentence)
	if now, known := r.Statuses(ctx, commit).Members(); known && now[s.Context] == s {
		return nil
	}
	body := map[string]string{"context": s.Context, "state": string(s.State), "description": s.Description, "target_url": s.URL}
	if err := r.below.Send(ctx, http.MethodPost, r.below.Path("statuses", commit), body, nil); err != nil {
		return fmt.Errorf("set the status %s of %.12s: %w", s.Context, commit, found(err))
	}
	return nil
}

// Comment implements forge.Forge.
func (r *Repo) Comment(ctx context.Context, number int, c forge.Comment) error {
	if err := forge.Stick(ctx, board{r}, number, c); err != nil {
		return fmt.Errorf("comment on pull request %d: %w", number, err)
	}
	return nil
}

type board struct{ *Repo }

func (b board) Limit() int                               { return 0 }
func (b board) Self(ctx context.Context) (string, error) { return b.whoami(ctx) }

// Notes gives all comments: Gitea does not cut them into pages.
func (b board) Notes(ctx context.Context, number int) object.Set[int64, forge.Note] {
	type note struct {
		ID   int64  `json:"id"`
		User user   `json:"user"`
		Body string `json:"body"`
	}
	all, err := rest.List(ctx, b.below.Client, rest.Listing[note]{
		Path: b.below.Path("issues", number, "comments"), Whole: true, Total: "X-Total-Count", Counted: true,
		Key: func(n note) string { return strconv.FormatInt(n.ID, 10) },
	})
	notes := make([]forge.Note, 0, len(all))
	for _, n := range all {
		notes = append(notes, forge.Note{ID: n.ID, Author: n.User.Login, Body: n.Body})
	}
	return forge.Keep("comments", notes, err, func(_ int, n forge.Note) int64 { return n.ID })
}

func (b board) Write(ctx context.Context, number int, body string) error {
	return b.below.Send(ctx, http.MethodPost, b.below.Path("issues", number, "comments"), map[string]string{"body": body}, nil)
}

func (b board) Rewrite(ctx context.Context, _ int, id int64, body string) error {
	return b.below.Send(ctx, http.MethodPatch, b.below.Path("issues", "comments", id), map[string]string{"body": body}, nil)
}

func (b board) Erase(ctx context.Context, _ int, id int64) error {
	return b.below.Send(ctx, http.MethodDelete, b.below.Path("issues", "comments", id), nil, nil)
}

// AddLabel implements forge.Forge.
func (r *Repo) AddLabel(ctx context.Context, number int, name string) error {
	is := func(on string) bool { return on == name }
	err := forge.Label(ctx, r, number, is, func() ([]string, error) {
		id, err := r.labelID(ctx, name)
		var on []label
		if err == nil {
			err = r.below.Send(ctx, http.MethodPost, r.below.Path("issues", number, "labels"), map[string][]int64{"labels": {id}}, &on)
		}
		return names(on), found(err)
	})
	if err != nil {
		return fmt.Errorf("put label %q on pull request %d: %w", name, number, err)
	}
	return nil
}

// labelID is the number of a label of the repository, which is made if there is none.
// Gitea lets two have one name, so after that it is looked up again, whatever came of it:
// if somebody else made it meanwhile, all take the same one.
func (r *Repo) labelID(ctx context.Context, name string) (int64, error) {
	id, err := r.lookUp(ctx, name)
	if err != nil || id != 0 {
		return id, err
	}
	body := map[string]string{"name": name, "color": "#ededed"}
	refused := r.below.Send(ctx, http.MethodPost, r.below.Path("labels"), body, nil)
	id, err = r.lookUp(ctx, name)
	if err == nil && id == 0 {
		err = cmp.Or(refused, errors.New("the forge made the label and does not list it"))
	}
	return id, err
}

// lookUp is the lowest number of the labels of a name; 0 if there is none.
func (r *Repo) lookUp(ctx context.Context, name string) (int64, error) {
	all, err := list(ctx, r, r.below.Path("labels"), nil, label.key, nil)
	var id int64
	for _, l := range all {
		if l.Name == name && (id == 0 || l.ID < id) {
			id = l.ID
		}
	}
	return id, err
}

// RemoveLabel implements forge.Forge.
func (r *Repo) RemoveLabel(ctx context.Context, number int, name string) error {
	p, err := r.pull(ctx, number)
	for _, l := range p.Labels {
		if err == nil && l.Name == name {
			err = r.below.Send(ctx, http.MethodDelete, r.below.Path("issues", number, "labels", l.ID), nil, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("take label %q off pull request %d: %w", name, number, found(err))
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
	if err := r.below.Send(ctx, "", r.below.Path("branches", branch), nil, &there); err != nil {
		return "", found(err)
	}
	return there.Commit.ID, forge.CommitName(there.Commit.ID)
}

// CreateBranch implements forge.Forge.
func (r *Repo) CreateBranch(ctx context.Context, name, commit string) error {
	body := map[string]string{"new_branch_name": name, "old_ref_name": commit}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("branches"), body, nil)
	if rest.Status(err) == http.StatusConflict {
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
		return found(r.below.Send(ctx, http.MethodDelete, r.below.Path("branches", name), nil, nil))
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
	type operation struct {
		Operation string `json:"operation"`
		Path      string `json:"path"`
		Content   string `json:"content,omitempty"`
		SHA       string `json:"sha,omitempty"`
	}
	var files []operation
	for _, path := range append(slices.Sorted(maps.Keys(c.Write)), c.Remove...) {
		content, write := c.Write[path]
		blob, err := r.blob(ctx, c.Onto, path)
		op := operation{Operation: "delete", Path: path, SHA: blob}
		switch {
		case err != nil:
			return "", err
		case write && blob == "":
			op = operation{Operation: "create", Path: path, Content: base64.StdEncoding.EncodeToString(content)}
		case write:
			op.Operation, op.Content = "update", base64.StdEncoding.EncodeToString(content)
		case blob == "":
			return "", fmt.Errorf("remove %s: %w", path, forge.ErrNotFound)
		}
		files = append(files, op)
	}
	var made struct {
		Commit struct {
			SHA     string `json:"sha"`
			Parents []struct {
				SHA string `json:"sha"`
			} `json:"parents"`
		} `json:"commit"`
	}
	err = r.below.Send(ctx, http.MethodPost, r.below.Path("contents"), map[string]any{"branch": c.Branch, "message": c.Message, "files": files}, &made)
	switch {
	case rest.Status(err) == http.StatusUnprocessableEntity:
		return "", fmt.Errorf("%w: %w", forge.ErrMoved, err)
	case err != nil:
		return "", err
	case len(made.Commit.Parents) != 1 || made.Commit.Parents[0].SHA != c.Onto:
		return made.Commit.SHA, fmt.Errorf("it became %.12s, and its parent is another: %w", made.Commit.SHA, forge.ErrMoved)
	}
	return made.Commit.SHA, nil
}

// blob is the name of a file's content at a commit; empty if there is no such file.
func (r *Repo) blob(ctx context.Context, commit, path string) (string, error) {
	var there struct {
		Type string `json:"type"`
		SHA  string `json:"sha"`
	}
	at := r.below.Path("contents")
	for part := range strings.SplitSeq(path, "/") {
		at += strings.TrimPrefix(r.below.Path(part), r.below.At)
	}
	err := r.below.Client.JSON(ctx, rest.Request{Path: at, Query: map[string][]string{"ref": {commit}}}, &there)
	switch {
	case rest.Status(err) == http.StatusNotFound:
		return "", nil
	case err != nil:
		return "", err
	case there.Type != "file":
		return "", fmt.Errorf("%s is a %.20q and not a file", path, there.Type)
	}
	return there.SHA, nil
}

// CreatePull implements forge.Forge.
func (r *Repo) CreatePull(ctx context.Context, p forge.Proposal) (forge.PullRequest, error) {
	var made pull
	body := map[string]string{"title": p.Title, "body": p.Body, "head": p.Head, "base": p.Base}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("pulls"), body, &made)
	if rest.Status(err) == http.StatusConflict {
		err = fmt.Errorf("%w: %w", forge.ErrExists, err)
	}
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open a pull request from %s into %s: %w", p.Head, p.Base, err)
	}
	return made.value()
}

// Merge implements forge.Forge. Gitea takes the expected head since 1.15.
func (r *Repo) Merge(ctx context.Context, number int, m forge.Merge) (string, error) {
	title, more, _ := strings.Cut(m.Message, "\n")
	body := map[string]string{
		"Do": string(m.Method), "head_commit_id": m.Head,
		"MergeTitleField": title, "MergeMessageField": strings.TrimSpace(more),
	}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("pulls", number, "merge"), body, nil)
	switch {
	case rest.Status(err) == http.StatusConflict && rest.Says(err, "out of date"):
		err = fmt.Errorf("%w: %w", forge.ErrMoved, err)
	case rest.Status(err) == http.StatusConflict, rest.Status(err) == http.StatusMethodNotAllowed:
		err = fmt.Errorf("%w: %w", forge.ErrNotMergeable, err)
	}
	var p forge.PullRequest
	if err == nil {
		p, err = r.Pull(ctx, number)
	}
	if err != nil {
		return "", fmt.Errorf("merge pull request %d at %.12s: %w", number, m.Head, found(err))
	}
	return p.MergeCommit, nil
}

// ClosePull implements forge.Forge.
func (r *Repo) ClosePull(ctx context.Context, number int) error {
	err := forge.Close(ctx, r, number, func() (forge.PullRequest, error) {
		var now pull
		if err := r.below.Send(ctx, http.MethodPatch, r.below.Path("pulls", number), map[string]string{"state": "closed"}, &now); err != nil {
			return forge.PullRequest{}, found(err)
		}
		return now.value()
	})
	if err != nil {
		return fmt.Errorf("close pull request %d: %w", number, err)
	}
	return nil
}
