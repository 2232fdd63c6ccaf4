package gitea

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

type user struct {
	Login string `json:"login"`
}

type label struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func (l label) key() string { return strconv.FormatInt(l.ID, 10) }

func names(labels []label) []string {
	var out []string
	for _, l := range labels {
		out = append(out, l.Name)
	}
	return out
}

type branch struct {
	Ref    string `json:"ref"`
	SHA    string `json:"sha"`
	RepoID int64  `json:"repo_id"`
	Repo   *struct {
		Name string `json:"full_name"`
	} `json:"repo"`
}

type pull struct {
	Number      int       `json:"number"`
	Title       string    `json:"title"`
	User        user      `json:"user"`
	State       string    `json:"state"`
	Draft       bool      `json:"draft"`
	URL         string    `json:"html_url"`
	Create      time.Time `json:"created_at"`
	Update      time.Time `json:"updated_at"`
	Labels      []label   `json:"labels"`
	Head        branch    `json:"head"`
	Base        branch    `json:"base"`
	Mergeable   bool      `json:"mergeable"`
	Merged      bool      `json:"merged"`
	MergeCommit string    `json:"merge_commit_sha"`
	MergeBase   string    `json:"merge_base"`
	Files       *int      `json:"changed_files"` // not in lists
}

// value reads a pull request. Its base is where it left the branch: what Gitea shows of
// the branch itself is where that is now. The head is a branch of this repository only if Gitea
// names one: what was pushed for review (refs/for) has a reference of its own.
func (p pull) value() (forge.PullRequest, error) {
	out := forge.PullRequest{
		Number: p.Number, Title: p.Title, Author: p.User.Login, State: forge.State(p.State), Draft: p.Draft, Labels: names(p.Labels),
		Head: forge.Head{Branch: p.Head.Ref, Commit: p.Head.SHA, Fork: p.Head.RepoID != p.Base.RepoID},
		Base: forge.Base{Branch: p.Base.Ref, Commit: p.MergeBase},
		URL:  p.URL, Created: p.Create, Updated: p.Update, Mergeable: forge.MergeUnknown, Files: -1,
	}
	if strings.HasPrefix(p.Head.Ref, "refs/") {
		out.Head.Branch, out.Head.Fork = "", true
	}
	if p.Head.Repo != nil {
		out.Head.Repository = p.Head.Repo.Name
	}
	if p.Merged {
		out.State, out.MergeCommit = forge.Merged, p.MergeCommit
	}
	if p.Mergeable {
		out.Mergeable = forge.MergeYes
	}
	if p.Files != nil {
		out.Files = *p.Files
	}
	return out, out.Check()
}

func decodePulls(body []byte) ([]forge.PullRequest, error) { return rest.Convert(body, pull.value) }

type file struct {
	Name   string `json:"filename"`
	Old    string `json:"previous_filename"`
	Status string `json:"status"`
}

func decodeFiles(body []byte) ([]forge.File, error) {
	return rest.Convert(body, func(f file) (forge.File, error) {
		out := forge.File{Path: f.Name, Happened: forge.Changed}
		switch f.Status {
		case "added", "copied":
			out.Happened = forge.Added
		case "deleted":
			out.Happened = forge.Removed
		case "renamed":
			out.Happened, out.Old = forge.Renamed, f.Old
		case "changed", "unchanged":
		default:
			return out, fmt.Errorf("file %.100q has the status %.20q", f.Name, f.Status)
		}
		if out.Path == "" || out.Happened == forge.Renamed && out.Old == "" {
			return out, errors.New("a file without its name")
		}
		return out, nil
	})
}

type review struct {
	ID        int64     `json:"id"`
	User      *user     `json:"user"`
	State     string    `json:"state"`
	Commit    string    `json:"commit_id"`
	Body      string    `json:"body"`
	Dismissed bool      `json:"dismissed"`
	Comments  int       `json:"comments_count"` // on lines
	Time      time.Time `json:"submitted_at"`
}

func (v review) key() string { return strconv.FormatInt(v.ID, 10) }

// value leaves out what is no review yet: asked for, or not submitted.
func (v review) value() (forge.Review, bool) {
	verdicts := map[string]forge.Verdict{"APPROVED": forge.Approved, "REQUEST_CHANGES": forge.Rejected, "COMMENT": forge.Commented}
	verdict, ok := verdicts[v.State]
	if !ok || v.User == nil {
		return forge.Review{}, false
	}
	if v.Dismissed {
		verdict = forge.Dismissed
	}
	return forge.Review{Author: v.User.Login, Verdict: verdict, Commit: v.Commit, Time: v.Time}, true
}

type event struct {
	ID      int64     `json:"id"`
	Type    string    `json:"type"`
	User    user      `json:"user"`
	Body    string    `json:"body"`
	Created time.Time `json:"created_at"`
	Label   label     `json:"label"`
}

func (e event) key() string { return strconv.FormatInt(e.ID, 10) }

// decodeTimeline reads a page of a timeline. Of an empty one Gitea says null.
func decodeTimeline(body []byte) ([]event, error) {
	var page []event
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	for _, e := range page {
		if e.ID <= 0 || e.Type == "" {
			return nil, errors.New("an event without number or type")
		}
	}
	return page, nil
}

// decodeStatuses reads a combined status: the newest of each context, in pages.
func decodeStatuses(body []byte) ([]forge.Status, error) {
	var combined struct {
		SHA      string `json:"sha"`
		Statuses []struct {
			Context     string `json:"context"`
			State       string `json:"status"`
			Description string `json:"description"`
			URL         string `json:"target_url"`
		} `json:"statuses"`
	}
	if err := json.Unmarshal(body, &combined); err != nil {
		return nil, err
	}
	if combined.SHA == "" {
		return nil, errors.New("it is no combined status")
	}
	out := make([]forge.Status, 0, len(combined.Statuses))
	for _, s := range combined.Statuses {
		out = append(out, forge.Status{Context: s.Context, State: state(s.State), Description: s.Description, URL: s.URL})
	}
	return out, nil
}

// state reads Gitea's states, of which there are more.
func state(text string) forge.StatusState {
	switch text {
	case "success", "failure", "error", "pending":
		return forge.StatusState(text)
	case "warning", "skipped":
		return forge.Success
	}
	return forge.Errored
}

// team is a team of an organization.
type team struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func (t team) key() string { return strconv.FormatInt(t.ID, 10) }
