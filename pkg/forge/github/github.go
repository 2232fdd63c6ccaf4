// Package github is a repository on GitHub, by version 2022-11-28 of its REST API.
package github

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
	maxComment  = 65536 // GitHub counts characters, and we bytes
	maxSentence = 140   // characters of a status
)

// Repo is one repository. It implements forge.Forge, forge.Deployer and forge.Annotator.
type Repo struct {
	below rest.Below // /repos/OWNER/NAME
	login func(context.Context) (string, error)

	mu   sync.Mutex
	self string
}

// Header is what GitHub wants with every request.
func Header() http.Header {
	return http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}
}

// New gives the repository OWNER/NAME. Login says who we are where the token cannot
// ask that, as an App's cannot; nil asks the token.
func New(client *rest.Client, repository string, login func(context.Context) (string, error)) (*Repo, error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("repository %q on GitHub: it has to be OWNER/NAME", repository)
	}
	return &Repo{below: rest.Below{Client: client, At: "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)}, login: login}, nil
}

// list is a list of one page or more.
func list[T any](ctx context.Context, r *Repo, path string, query url.Values, key func(T) string, decode func([]byte) ([]T, error)) ([]T, error) {
	q := url.Values{"per_page": {strconv.Itoa(pageSize)}}
	for k, v := range query {
		q[k] = v
	}
	return rest.List(ctx, r.below.Client, rest.Listing[T]{Path: path, Query: q, Size: pageSize, Key: key, Decode: decode})
}

// Pulls implements forge.Forge.
func (r *Repo) Pulls(ctx context.Context, base string) object.Set[int, forge.PullRequest] {
	query := url.Values{"state": {"open"}, "base": {base}, "sort": {"created"}, "direction": {"asc"}}
	all, err := list(ctx, r, r.below.Path("pulls"), query, func(p forge.PullRequest) string { return strconv.Itoa(p.Number) }, decodePulls)
	return forge.Keep("open pull requests", all, err, func(_ int, p forge.PullRequest) int { return p.Number })
}

// Pull implements forge.Forge.
func (r *Repo) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	var p pull
	if err := r.below.Send(ctx, "", r.below.Path("pulls", number), nil, &p); err != nil {
		return forge.PullRequest{}, fmt.Errorf("get pull request %d: %w", number, found(err))
	}
	return p.value()
}

// MergedAs implements forge.Forge. GitHub lists those too that have the commit and were
// merged as another one.
func (r *Repo) MergedAs(ctx context.Context, commit string) (forge.PullRequest, error) {
	all, err := list(ctx, r, r.below.Path("commits", commit, "pulls"), nil, func(p forge.PullRequest) string { return strconv.Itoa(p.Number) }, decodePulls)
	return forge.As(commit, all, found(err))
}

// Files implements forge.Forge. GitHub lists at most 3000: more are unknown.
func (r *Repo) Files(ctx context.Context, pull forge.PullRequest) object.Set[string, forge.File] {
	all, err := list(ctx, r, r.below.Path("pulls", pull.Number, "files"), nil, func(f forge.File) string { return f.Path }, decodeFiles)
	var now forge.PullRequest
	if err == nil {
		now, err = r.Pull(ctx, pull.Number)
	}
	if err == nil {
		err = forge.Still(now, pull, all)
	}
	return forge.Keep("files of the pull request", all, err, func(_ int, f forge.File) string { return f.Path })
}

// Reviews implements forge.Forge.
func (r *Repo) Reviews(ctx context.Context, number int) object.Set[int, forge.Review] {
	all, err := list(ctx, r, r.below.Path("pulls", number, "reviews"), nil, review.key, nil)
	out := make([]forge.Review, 0, len(all))
	for _, v := range all {
		if one, ok := v.value(); ok {
			out = append(out, one)
		}
	}
	return forge.Keep("reviews", out, err, forge.Place)
}

// Statuses implements forge.Forge.
func (r *Repo) Statuses(ctx context.Context, commit string) object.Set[string, forge.Status] {
	all, err := list(ctx, r, r.below.Path("commits", commit, "status"), nil, func(s forge.Status) string { return s.Context }, decodeStatuses)
	return forge.Keep("statuses", all, err, func(_ int, s forge.Status) string { return s.Context })
}

// LabelEvents implements forge.Forge.
func (r *Repo) LabelEvents(ctx context.Context, number int) object.Set[int, forge.LabelEvent] {
	all, err := list(ctx, r, r.below.Path("issues", number, "events"), nil, event.key, nil)
	var out []forge.LabelEvent
	for _, e := range all {
		if e.Event == "labeled" || e.Event == "unlabeled" {
			out = append(out, forge.LabelEvent{Label: e.Label.Name, Actor: e.Actor.Login, Added: e.Event == "labeled", Time: e.Created})
		}
	}
	return forge.Keep("events of labels", out, err, forge.Place)
}

// Access implements forge.Forge. GitHub calls maintain write, and triage read.
func (r *Repo) Access(ctx context.Context, user string) (forge.Access, error) {
	var got struct {
		Permission string `json:"permission"`
	}
	if err := r.below.Send(ctx, "", r.below.Path("collaborators", user, "permission"), nil, &got); err != nil {
		return forge.AccessNone, fmt.Errorf("ask what %q may do: %w", user, found(err))
	}
	switch got.Permission {
	case "admin":
		return forge.AccessAdmin, nil
	case "write", "maintain":
		return forge.AccessWrite, nil
	case "read", "triage":
		return forge.AccessRead, nil
	case "none":
		return forge.AccessNone, nil
	}
	return forge.AccessNone, fmt.Errorf("ask what %q may do: the permission %.20q is unknown", user, got.Permission)
}

// Member implements forge.Forge. The token has to see the organization's members.
func (r *Repo) Member(ctx context.Context, group, user string) (bool, error) {
	organization, name, ok := strings.Cut(group, "/")
	if !ok {
		return false, nil
	}
	var got struct {
		State string `json:"state"`
	}
	path := "/orgs/" + url.PathEscape(organization) + "/teams/" + url.PathEscape(name) + "/memberships/" + url.PathEscape(user)
	if err := r.below.Send(ctx, "", path, nil, &got); err != nil {
		if rest.Status(err) == http.StatusNotFound {
			return false, nil
		}
		return false, fmt.Errorf("ask whether %q is in %q: %w", user, group, err)
	}
	return got.State == "active", nil
}

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

// AddLabel implements forge.Forge. GitHub makes the label, and tells none apart by case.
func (r *Repo) AddLabel(ctx context.Context, number int, name string) error {
	is := func(on string) bool { return strings.EqualFold(on, name) }
	err := forge.Label(ctx, r, number, is, func() ([]string, error) {
		var on []label
		err := r.below.Send(ctx, http.MethodPost, r.below.Path("issues", number, "labels"), map[string][]string{"labels": {name}}, &on)
		return names(on), found(err)
	})
	if err != nil {
		return fmt.Errorf("put label %q on pull request %d: %w", name, number, err)
	}
	return nil
}

// RemoveLabel implements forge.Forge.
func (r *Repo) RemoveLabel(ctx context.Context, number int, label string) error {
	err := r.below.Send(ctx, http.MethodDelete, r.below.Path("issues", number, "labels", label), nil, nil)
	if err == nil || rest.Status(err) == http.StatusNotFound && rest.Says(err, "label does not exist") {
		return nil
	}
	return fmt.Errorf("take label %q off pull request %d: %w", label, number, found(err))
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
	if r.login != nil {
		self, err := r.login(ctx)
		r.self = self
		return self, err
	}
	var me user
	if err := r.below.Send(ctx, "", "/user", nil, &me); err != nil {
		return "", err
	}
	if me.Login == "" {
		return "", errors.New("the answer names nobody")
	}
	r.self = me.Login
	return r.self, nil
}
