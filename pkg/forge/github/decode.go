package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

type user struct {
	Login string `json:"login"`
}

type label struct {
	Name string `json:"name"`
}

func names(labels []label) []string {
	var out []string
	for _, l := range labels {
		out = append(out, l.Name)
	}
	return out
}

type branch struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		ID   int64  `json:"id"`
		Name string `json:"full_name"`
	} `json:"repo"`
}

// pull is a pull request as a list and a single answer give it; what only the second
// gives is a pointer.
type pull struct {
	Number      int        `json:"number"`
	Title       string     `json:"title"`
	User        user       `json:"user"`
	State       string     `json:"state"`
	Draft       bool       `json:"draft"`
	URL         string     `json:"html_url"`
	Create      time.Time  `json:"created_at"`
	Update      time.Time  `json:"updated_at"`
	Labels      []label    `json:"labels"`
	Head        branch     `json:"head"`
	Base        branch     `json:"base"`
	MergedAt    *time.Time `json:"merged_at"`
	Mergeable   *bool      `json:"mergeable"`
	MergeCommit string     `json:"merge_commit_sha"`
	Files       *int       `json:"changed_files"`
}

func (p pull) value() (forge.PullRequest, error) {
	out := forge.PullRequest{
		Number: p.Number, Title: p.Title, Author: p.User.Login, State: forge.State(p.State), Draft: p.Draft, Labels: names(p.Labels),
		Head: forge.Head{Branch: p.Head.Ref, Commit: p.Head.SHA, Fork: p.Head.Repo == nil || p.Base.Repo == nil || p.Head.Repo.ID != p.Base.Repo.ID},
		Base: forge.Base{Branch: p.Base.Ref, Commit: p.Base.SHA},
		URL:  p.URL, Created: p.Create, Updated: p.Update, Mergeable: forge.MergeUnknown, Files: -1,
	}
	if p.Head.Repo != nil {
		out.Head.Repository = p.Head.Repo.Name
	}
	if p.MergedAt != nil { // before that, merge_commit_sha is a try of GitHub's own
		out.State, out.MergeCommit = forge.Merged, p.MergeCommit
	}
	if p.Mergeable != nil {
		out.Mergeable = forge.MergeNo
		if *p.Mergeable {
			out.Mergeable = forge.MergeYes
		}
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
		case "removed":
			out.Happened = forge.Removed
		case "renamed":
			out.Happened, out.Old = forge.Renamed, f.Old
		case "modified", "changed":
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
	ID     int64     `json:"id"`
	User   *user     `json:"user"`
	State  string    `json:"state"`
	Commit string    `json:"commit_id"`
	Time   time.Time `json:"submitted_at"`
}

func (v review) key() string { return strconv.FormatInt(v.ID, 10) }

// value leaves out what was not submitted, and verdicts of accounts that are gone.
func (v review) value() (forge.Review, bool) {
	verdicts := map[string]forge.Verdict{
		"APPROVED": forge.Approved, "CHANGES_REQUESTED": forge.Rejected, "COMMENTED": forge.Commented, "DISMISSED": forge.Dismissed,
	}
	verdict, ok := verdicts[v.State]
	if !ok || v.User == nil {
		return forge.Review{}, false
	}
	return forge.Review{Author: v.User.Login, Verdict: verdict, Commit: v.Commit, Time: v.Time}, true
}

type event struct {
	ID      int64     `json:"id"`
	Event   string    `json:"event"`
	Actor   user      `json:"actor"`
	Created time.Time `json:"created_at"`
	Label   label     `json:"label"`
}

func (e event) key() string { return strconv.FormatInt(e.ID, 10) }

// decodeStatuses reads a combined status: the newest of each context, in pages.
func decodeStatuses(body []byte) ([]forge.Status, error) {
	var combined struct {
		Total    *int `json:"total_count"`
		Statuses []struct {
			Context     string `json:"context"`
			State       string `json:"state"`
			Description string `json:"description"`
			URL         string `json:"target_url"`
		} `json:"statuses"`
	}
	if err := json.Unmarshal(body, &combined); err != nil {
		return nil, err
	}
	switch n := len(combined.Statuses); {
	case combined.Total == nil || combined.Statuses == nil:
		return nil, errors.New("it is no combined status")
	case *combined.Total < n || *combined.Total <= pageSize && *combined.Total != n:
		return nil, fmt.Errorf("%d of %d statuses came", n, *combined.Total)
	}
	out := make([]forge.Status, 0, len(combined.Statuses))
	for _, s := range combined.Statuses {
		out = append(out, forge.Status{Context: s.Context, State: forge.StatusState(s.State), Description: s.Description, URL: s.URL})
	}
	return out, nil
}
