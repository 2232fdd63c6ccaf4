package github

import (
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

// Comment implements forge.Forge.
func (r *Repo) Comment(ctx context.Context, number int, c forge.Comment) error {
	if err := forge.Stick(ctx, board{r}, number, c); err != nil {
		return fmt.Errorf("comment on pull request %d: %w", number, err)
	}
	return nil
}

type board struct{ *Repo }

func (b board) Limit() int                               { return maxComment }
func (b board) Self(ctx context.Context) (string, error) { return b.whoami(ctx) }

func (b board) Notes(ctx context.Context, number int) object.Set[int64, forge.Note] {
	type note struct {
		ID   int64  `json:"id"`
		User user   `json:"user"`
		Body string `json:"body"`
	}
	all, err := list(ctx, b.Repo, b.below.Path("issues", number, "comments"), nil, func(n note) string { return strconv.FormatInt(n.ID, 10) }, nil)
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

type ref struct {
	Object struct {
		SHA string `json:"sha"`
	} `json:"object"`
}

// refPath is where a branch's reference is; the slashes of its name stay.
func (r *Repo) refPath(kind, name string) string {
	path := r.below.Path("git", kind, "heads")
	for part := range strings.SplitSeq(name, "/") {
		path += strings.TrimPrefix(r.below.Path(part), r.below.At)
	}
	return path
}

// CreateBranch implements forge.Forge.
func (r *Repo) CreateBranch(ctx context.Context, name, commit string) error {
	body := map[string]string{"ref": "refs/heads/" + name, "sha": commit}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("git", "refs"), body, nil)
	if rest.Status(err) == http.StatusUnprocessableEntity {
		var there ref
		if seen := r.below.Send(ctx, "", r.refPath("ref", name), nil, &there); seen == nil {
			if there.Object.SHA == commit {
				return nil
			}
			err = fmt.Errorf("%w, at %.12s", forge.ErrExists, there.Object.SHA)
		}
	}
	if err != nil {
		return fmt.Errorf("create branch %s at %.12s: %w", name, commit, err)
	}
	return nil
}

// DeleteBranch implements forge.Forge.
func (r *Repo) DeleteBranch(ctx context.Context, name, commit string) error {
	return forge.DropBranch(name, commit, func() (string, error) {
		var there ref
		err := r.below.Send(ctx, "", r.refPath("ref", name), nil, &there)
		return there.Object.SHA, found(err)
	}, func() error {
		return found(r.below.Send(ctx, http.MethodDelete, r.refPath("refs", name), nil, nil))
	})
}

// Commit implements forge.Forge: blobs, a tree, a commit, and then the branch moves,
// forward only. What was made before it is of no consequence if it does not.
func (r *Repo) Commit(ctx context.Context, c forge.Change) (string, error) {
	sha, err := r.commit(ctx, c)
	if err != nil {
		return "", fmt.Errorf("commit to branch %s on top of %.12s: %w", c.Branch, c.Onto, err)
	}
	return sha, nil
}

func (r *Repo) commit(ctx context.Context, c forge.Change) (string, error) {
	var there ref
	if err := r.below.Send(ctx, "", r.refPath("ref", c.Branch), nil, &there); err != nil {
		return "", found(err)
	}
	if there.Object.SHA != c.Onto {
		return "", fmt.Errorf("the branch is at %.12s: %w", there.Object.SHA, forge.ErrMoved)
	}
	var base struct {
		Tree struct {
			SHA string `json:"sha"`
		} `json:"tree"`
	}
	if err := r.below.Send(ctx, "", r.below.Path("git", "commits", c.Onto), nil, &base); err != nil {
		return "", err
	}
	tree, err := r.tree(ctx, base.Tree.SHA, c)
	if err != nil {
		return "", err
	}
	var made struct {
		SHA string `json:"sha"`
	}
	body := map[string]any{"message": c.Message, "tree": tree, "parents": []string{c.Onto}}
	if err := r.below.Send(ctx, http.MethodPost, r.below.Path("git", "commits"), body, &made); err != nil {
		return "", err
	}
	err = r.below.Send(ctx, http.MethodPatch, r.refPath("refs", c.Branch), map[string]any{"sha": made.SHA, "force": false}, nil)
	if rest.Says(err, "fast forward") || rest.Says(err, "does not exist") {
		err = fmt.Errorf("%w: %w", forge.ErrMoved, err)
	}
	return made.SHA, err
}

// tree makes the tree of a change and gives its name.
func (r *Repo) tree(ctx context.Context, base string, c forge.Change) (string, error) {
	type entry struct {
		Path string  `json:"path"`
		Mode string  `json:"mode"`
		Type string  `json:"type"`
		SHA  *string `json:"sha"` // null removes
	}
	var made struct {
		SHA string `json:"sha"`
	}
	var entries []entry
	for _, path := range slices.Sorted(maps.Keys(c.Write)) {
		blob := map[string]string{"content": base64.StdEncoding.EncodeToString(c.Write[path]), "encoding": "base64"}
		if err := r.below.Send(ctx, http.MethodPost, r.below.Path("git", "blobs"), blob, &made); err != nil {
			return "", fmt.Errorf("write %s: %w", path, err)
		}
		sha := made.SHA
		entries = append(entries, entry{Path: path, Mode: "100644", Type: "blob", SHA: &sha})
	}
	for _, path := range c.Remove {
		entries = append(entries, entry{Path: path, Mode: "100644", Type: "blob"})
	}
	if len(entries) == 0 {
		return "", errors.New("it changes nothing")
	}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("git", "trees"), map[string]any{"base_tree": base, "tree": entries}, &made)
	return made.SHA, err
}

// CreatePull implements forge.Forge.
func (r *Repo) CreatePull(ctx context.Context, p forge.Proposal) (forge.PullRequest, error) {
	var made pull
	body := map[string]string{"title": p.Title, "body": p.Body, "head": p.Head, "base": p.Base}
	err := r.below.Send(ctx, http.MethodPost, r.below.Path("pulls"), body, &made)
	if rest.Status(err) == http.StatusUnprocessableEntity && rest.Says(err, "already exists") {
		err = fmt.Errorf("%w: %w", forge.ErrExists, err)
	}
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("open a pull request from %s into %s: %w", p.Head, p.Base, err)
	}
	return made.value()
}

// Merge implements forge.Forge.
func (r *Repo) Merge(ctx context.Context, number int, m forge.Merge) (string, error) {
	title, more, _ := strings.Cut(m.Message, "\n")
	body := map[string]string{"sha": m.Head, "merge_method": string(m.Method)}
	if m.Message != "" {
		body["commit_title"], body["commit_message"] = title, strings.TrimSpace(more)
	}
	var made struct {
		SHA    string `json:"sha"`
		Merged bool   `json:"merged"`
	}
	req := rest.Request{Method: http.MethodPut, Path: r.below.Path("pulls", number, "merge"), Body: body, Once: true}
	err := r.below.Client.JSON(ctx, req, &made)
	switch {
	case rest.Status(err) == http.StatusConflict:
		err = fmt.Errorf("%w: %w", forge.ErrMoved, err)
	case rest.Status(err) == http.StatusMethodNotAllowed:
		err = fmt.Errorf("%w: %w", forge.ErrNotMergeable, err)
	case err == nil && !made.Merged:
		err = forge.ErrNotMergeable
	}
	if err != nil {
		return "", fmt.Errorf("merge pull request %d at %.12s: %w", number, m.Head, found(err))
	}
	return made.SHA, nil
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
