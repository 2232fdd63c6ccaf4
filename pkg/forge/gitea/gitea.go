// Package gitea is a repository on Gitea or Forgejo, by version 1 of their API.
package gitea

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
	pageSize    = 50 // what Gitea gives at most, unless its administrator says otherwise
	maxSentence = 255
)

// Repo is one repository. It implements forge.Forge and forge.Annotator.
type Repo struct {
	below rest.Below // /api/v1/repos/OWNER/NAME

	mu   sync.Mutex
	self string
}

// New gives the repository OWNER/NAME.
func New(client *rest.Client, repository string) (*Repo, error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("repository %q on Gitea: it has to be OWNER/NAME", repository)
	}
	return &Repo{below: rest.Below{Client: client, At: "/api/v1/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)}}, nil
}

// list is a list of which Gitea says in a header how many there are.
func list[T any](ctx context.Context, r *Repo, path string, query url.Values, key func(T) string, decode func([]byte) ([]T, error)) ([]T, error) {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for k, v := range query {
		q[k] = v
	}
	return rest.List(ctx, r.below.Client, rest.Listing[T]{
		Path: path, Query: q, Size: pageSize, Total: "X-Total-Count", Counted: true, Key: key, Decode: decode,
	})
}

// Pulls implements forge.Forge. An older Gitea does not know the filter, so it is held here too.
func (r *Repo) Pulls(ctx context.Context, base string) object.Set[int, forge.PullRequest] {
	query := url.Values{"state": {"open"}, "sort": {"oldest"}, "base_branch": {base}}
	all, err := list(ctx, r, r.below.Path("pulls"), query, func(p forge.PullRequest) string { return strconv.Itoa(p.Number) }, decodePulls)
	var out []forge.PullRequest
	for _, p := range all {
		if p.Base.Branch == base {
			out = append(out, p)
		}
	}
	return forge.Keep("open pull requests", out, err, func(_ int, p forge.PullRequest) int { return p.Number })
}

// Pull implements forge.Forge.
func (r *Repo) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	p, err := r.pull(ctx, number)
	if err != nil {
		return forge.PullRequest{}, fmt.Errorf("get pull request %d: %w", number, found(err))
	}
	return p.value()
}

// MergedAs implements forge.Forge.
func (r *Repo) MergedAs(ctx context.Context, commit string) (forge.PullRequest, error) {
	var p pull
	if err := r.below.Send(ctx, "", r.below.Path("commits", commit, "pull"), nil, &p); err != nil {
		return forge.As(commit, nil, found(err))
	}
	one, err := p.value()
	return forge.As(commit, []forge.PullRequest{one}, err)
}

func (r *Repo) pull(ctx context.Context, number int) (pull, error) {
	var p pull
	err := r.below.Send(ctx, "", r.below.Path("pulls", number), nil, &p)
	return p, err
}

// Files implements forge.Forge.
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

// LabelEvents implements forge.Forge. They are in the timeline, which Gitea cuts into
// pages before it leaves out comments on lines and references that we may not see, and
// does not count: a page may be empty and not the last. So as many empty pages are
// passed as those comments can fill, and what came is held against the labels that
// are on: an event that is missing leaves them apart.
func (r *Repo) LabelEvents(ctx context.Context, number int) object.Set[int, forge.LabelEvent] {
	all, err := r.timeline(ctx, number)
	var p pull
	if err == nil {
		p, err = r.pull(ctx, number)
	}
	var out []forge.LabelEvent
	on := map[int64]bool{}
	for _, e := range all {
		if e.Type == "label" {
			out = append(out, forge.LabelEvent{Label: e.Label.Name, Actor: e.User.Login, Added: e.Body == "1", Time: e.Created})
			on[e.Label.ID] = e.Body == "1"
		}
	}
	for _, l := range p.Labels {
		if err == nil && !on[l.ID] {
			err = fmt.Errorf("label %q is on, and no event says so", l.Name)
		}
		delete(on, l.ID)
	}
	delete(on, 0) // of labels that are no more
	for id, is := range on {
		if err == nil && is {
			err = fmt.Errorf("label %d was put on and is not on, and no event says so", id)
		}
	}
	return forge.Keep("events of labels", out, found(err), forge.Place)
}

func (r *Repo) timeline(ctx context.Context, number int) ([]event, error) {
	reviews, err := list(ctx, r, r.below.Path("pulls", number, "reviews"), nil, review.key, nil)
	if err != nil {
		return nil, err
	}
	var settings struct {
		Most int `json:"max_response_items"`
	}
	if err := r.below.Send(ctx, "", "/api/v1/settings/api", nil, &settings); err != nil {
		return nil, err
	}
	if settings.Most <= 0 {
		return nil, errors.New("the forge does not say how long its pages are")
	}
	size, left := min(settings.Most, pageSize), 0
	for _, v := range reviews {
		left += v.Comments
	}
	return rest.List(ctx, r.below.Client, rest.Listing[event]{
		Path: r.below.Path("issues", number, "timeline"), Query: url.Values{"limit": {strconv.Itoa(size)}},
		Size: size, Blank: 2 + left/size, Key: event.key, Decode: decodeTimeline,
	})
}

// Access implements forge.Forge. The token has to be of an administrator of the repository.
func (r *Repo) Access(ctx context.Context, user string) (forge.Access, error) {
	var got struct {
		Permission string `json:"permission"`
	}
	if err := r.below.Send(ctx, "", r.below.Path("collaborators", user, "permission"), nil, &got); err != nil {
		return forge.AccessNone, fmt.Errorf("ask what %q may do: %w", user, found(err))
	}
	switch got.Permission {
	case "admin", "owner":
		return forge.AccessAdmin, nil
	case "write":
		return forge.AccessWrite, nil
	case "read":
		return forge.AccessRead, nil
	case "none":
		return forge.AccessNone, nil
	}
	return forge.AccessNone, fmt.Errorf("ask what %q may do: the permission %.20q is unknown", user, got.Permission)
}

// Member implements forge.Forge.
func (r *Repo) Member(ctx context.Context, group, user string) (bool, error) {
	in, err := r.member(ctx, group, user)
	if err != nil && rest.Status(err) != http.StatusNotFound {
		return false, fmt.Errorf("ask whether %q is in %q: %w", user, group, err)
	}
	return in && err == nil, nil
}

func (r *Repo) member(ctx context.Context, group, user string) (bool, error) {
	organization, name, ok := strings.Cut(group, "/")
	if !ok {
		return false, nil
	}
	teams, err := list(ctx, r, "/api/v1/orgs/"+url.PathEscape(organization)+"/teams", nil, team.key, rest.Array[team])
	if err != nil {
		return false, err
	}
	for _, t := range teams {
		if strings.EqualFold(t.Name, name) {
			var got struct {
				Login string `json:"login"`
			}
			err := r.below.Send(ctx, "", fmt.Sprintf("/api/v1/teams/%d/members/%s", t.ID, url.PathEscape(user)), nil, &got)
			return strings.EqualFold(got.Login, user), err
		}
	}
	return false, nil
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
	if err := r.below.Send(ctx, "", "/api/v1/user", nil, &me); err != nil {
		return "", err
	}
	if me.Login == "" {
		return "", errors.New("the answer names nobody")
	}
	r.self = me.Login
	return r.self, nil
}
