// Package gitlab is a project on GitLab, by version 4 of its REST API.
package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
	"github.com/fairway-dev/fairway/pkg/object"
)

const (
	pageSize    = 100
	maxComment  = 1_000_000
	maxSentence = 255
)

// Repo is one project. It implements forge.Forge and forge.Deployer.
type Repo struct {
	below rest.Below // /api/v4/projects/ID

	mu   sync.Mutex
	self string
}

// New gives the project GROUP/NAME, with as many groups as there are.
func New(client *rest.Client, project string) (*Repo, error) {
	if !strings.Contains(project, "/") || strings.Contains("/"+project+"/", "//") {
		return nil, fmt.Errorf("project %q on GitLab: it has to be GROUP/NAME", project)
	}
	return &Repo{below: rest.Below{Client: client, At: "/api/v4/projects/" + url.PathEscape(project)}}, nil
}

// list is a list of one page or more. GitLab counts only what is below 10,000.
func list[T any](ctx context.Context, r *Repo, path string, query url.Values, key func(T) string, decode func([]byte) ([]T, error)) ([]T, error) {
	q := url.Values{"per_page": {strconv.Itoa(pageSize)}}
	for k, v := range query {
		q[k] = v
	}
	return rest.List(ctx, r.below.Client, rest.Listing[T]{Path: path, Query: q, Size: pageSize, Total: "X-Total", Key: key, Decode: decode})
}

// Pulls implements forge.Forge.
func (r *Repo) Pulls(ctx context.Context, base string) object.Set[int, forge.PullRequest] {
	query := url.Values{"state": {"opened"}, "target_branch": {base}, "order_by": {"created_at"}, "sort": {"asc"}}
	all, err := list(ctx, r, r.below.Path("merge_requests"), query, func(p forge.PullRequest) string { return strconv.Itoa(p.Number) }, decodePulls)
	return forge.Keep("open merge requests", all, err, func(_ int, p forge.PullRequest) int { return p.Number })
}

// Pull implements forge.Forge.
func (r *Repo) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	var p pull
	if err := r.below.Send(ctx, "", r.below.Path("merge_requests", number), nil, &p); err != nil {
		return forge.PullRequest{}, fmt.Errorf("get merge request %d: %w", number, found(err))
	}
	return p.value()
}

// MergedAs implements forge.Forge. GitLab lists those too that have the commit and were
// merged as another one.
func (r *Repo) MergedAs(ctx context.Context, commit string) (forge.PullRequest, error) {
	path := r.below.Path("repository", "commits", commit, "merge_requests")
	all, err := list(ctx, r, path, nil, func(p forge.PullRequest) string { return strconv.Itoa(p.Number) }, decodePulls)
	return forge.As(commit, all, found(err))
}

// Files implements forge.Forge. Where GitLab stopped counting, they are unknown.
func (r *Repo) Files(ctx context.Context, pull forge.PullRequest) object.Set[string, forge.File] {
	all, err := list(ctx, r, r.below.Path("merge_requests", pull.Number, "diffs"), nil, func(f forge.File) string { return f.Path }, decodeFiles)
	var now forge.PullRequest
	if err == nil {
		now, err = r.Pull(ctx, pull.Number)
	}
	if err == nil && now.Files < 0 {
		err = errors.New("GitLab does not say how many there are: it has not counted them yet, or there are too many")
	}
	if err == nil {
		err = forge.Still(now, pull, all)
	}
	return forge.Keep("files of the merge request", all, err, func(_ int, f forge.File) string { return f.Path })
}

// Reviews implements forge.Forge: approvals, with the head that was there when they
// were given, and requests for changes, of which GitLab tells no time.
func (r *Repo) Reviews(ctx context.Context, number int) object.Set[int, forge.Review] {
	out, err := r.reviews(ctx, number)
	return forge.Keep("reviews", out, err, forge.Place)
}

func (r *Repo) reviews(ctx context.Context, number int) ([]forge.Review, error) {
	versions, err := list(ctx, r, r.below.Path("merge_requests", number, "versions"), nil, version.key, nil)
	if err != nil {
		return nil, err
	}
	reviewers, err := list(ctx, r, r.below.Path("merge_requests", number, "reviewers"), nil, reviewer.key, nil)
	if err != nil {
		return nil, err
	}
	var got approvals
	if err := r.below.Send(ctx, "", r.below.Path("merge_requests", number, "approvals"), nil, &got); err != nil {
		return nil, err
	}
	return got.reviews(reviewers, versions)
}

// Statuses implements forge.Forge.
func (r *Repo) Statuses(ctx context.Context, commit string) object.Set[string, forge.Status] {
	all, err := list(ctx, r, r.below.Path("repository", "commits", commit, "statuses"), nil, status.key, nil)
	out := newest(all)
	return forge.Keep("statuses", out, err, func(_ int, s forge.Status) string { return s.Context })
}

// LabelEvents implements forge.Forge.
func (r *Repo) LabelEvents(ctx context.Context, number int) object.Set[int, forge.LabelEvent] {
	all, err := list(ctx, r, r.below.Path("merge_requests", number, "resource_label_events"), nil, event.key, nil)
	out := make([]forge.LabelEvent, 0, len(all))
	for _, e := range all {
		out = append(out, forge.LabelEvent{Label: e.Label.Name, Actor: e.User.Name, Added: e.Action == "add", Time: e.Created})
	}
	return forge.Keep("events of labels", out, err, forge.Place)
}

// Access implements forge.Forge: what a member of the project or of a group above has,
// or else what everybody has. A blocked account has nothing.
func (r *Repo) Access(ctx context.Context, name string) (forge.Access, error) {
	access, err := r.access(ctx, name)
	if err != nil {
		return forge.AccessNone, fmt.Errorf("ask what %q may do: %w", name, found(err))
	}
	return access, nil
}

func (r *Repo) access(ctx context.Context, name string) (forge.Access, error) {
	who, err := r.user(ctx, name)
	if err != nil {
		return 0, err
	}
	var project struct {
		ID         int64  `json:"id"`
		Visibility string `json:"visibility"`
	}
	if err := r.below.Send(ctx, "", r.below.At, nil, &project); err != nil {
		return 0, err
	}
	var member struct {
		Level int `json:"access_level"`
	}
	err = r.below.Send(ctx, "", r.below.Path("members", "all", who.ID), nil, &member)
	switch {
	case rest.Status(err) != http.StatusNotFound && err != nil:
		return 0, err
	case who.State != "active":
		return forge.AccessNone, nil
	case member.Level >= 40:
		return forge.AccessAdmin, nil
	case member.Level >= 30:
		return forge.AccessWrite, nil
	case member.Level >= 20, project.Visibility == "public", project.Visibility == "internal":
		return forge.AccessRead, nil
	}
	return forge.AccessNone, nil
}

// user finds an account by its name; ErrNotFound if there is none.
func (r *Repo) user(ctx context.Context, name string) (user, error) {
	var users []user
	if err := r.below.Client.JSON(ctx, rest.Request{Path: "/api/v4/users", Query: url.Values{"username": {name}}}, &users); err != nil {
		return user{}, err
	}
	if len(users) != 1 || !strings.EqualFold(users[0].Name, name) || users[0].ID <= 0 {
		return user{}, forge.ErrNotFound
	}
	return users[0], nil
}

// Member implements forge.Forge.
func (r *Repo) Member(ctx context.Context, group, name string) (bool, error) {
	who, err := r.user(ctx, name)
	if err == nil {
		var got struct {
			ID    int64  `json:"id"`
			State string `json:"state"`
		}
		path := fmt.Sprintf("/api/v4/groups/%s/members/all/%d", url.PathEscape(group), who.ID)
		if err = r.below.Send(ctx, "", path, nil, &got); err == nil {
			return got.ID == who.ID && got.State == "active", nil
		}
	}
	if errors.Is(err, forge.ErrNotFound) || rest.Status(err) == http.StatusNotFound {
		return false, nil
	}
	return false, fmt.Errorf("ask whether %q is in %q: %w", name, group, err)
}

// Clock implements forge.Forge.
func (r *Repo) Clock() time.Time { return r.below.Clock() }

// found makes a 404 an error that callers know.
func found(err error) error {
	if rest.Status(err) == http.StatusNotFound {
		return fmt.Errorf("%w: %w", forge.ErrNotFound, err)
	}
	return err
}

// whoami is the login of our token.
func (r *Repo) whoami(ctx context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.self != "" {
		return r.self, nil
	}
	var me user
	if err := r.below.Send(ctx, "", "/api/v4/user", nil, &me); err != nil {
		return "", err
	}
	if me.Name == "" {
		return "", errors.New("the answer names nobody")
	}
	r.self = me.Name
	return r.self, nil
}
