package gitlab

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

type user struct {
	ID    int64  `json:"id"`
	Name  string `json:"username"`
	State string `json:"state"`
}

// pull is a merge request as a list and a single answer give it.
type pull struct {
	Number       int       `json:"iid"`
	Title        string    `json:"title"`
	Author       user      `json:"author"`
	State        string    `json:"state"`
	Draft        bool      `json:"draft"`
	URL          string    `json:"web_url"`
	Create       time.Time `json:"created_at"`
	Update       time.Time `json:"updated_at"`
	Labels       []string  `json:"labels"`
	SHA          string    `json:"sha"`
	Source       string    `json:"source_branch"`
	Target       string    `json:"target_branch"`
	SourceID     int64     `json:"source_project_id"`
	TargetID     int64     `json:"target_project_id"`
	Detailed     string    `json:"detailed_merge_status"`
	MergeCommit  string    `json:"merge_commit_sha"`
	SquashCommit string    `json:"squash_commit_sha"`
	Count        string    `json:"changes_count"` // not in lists
	Refs         *struct {
		Start string `json:"start_sha"`
	} `json:"diff_refs"` // not in lists
}

func (p pull) value() (forge.PullRequest, error) {
	states := map[string]forge.State{"opened": forge.Open, "locked": forge.Open, "closed": forge.Closed, "merged": forge.Merged}
	out := forge.PullRequest{
		Number: p.Number, Title: p.Title, Author: p.Author.Name, State: states[p.State], Draft: p.Draft, Labels: p.Labels,
		Head: forge.Head{Branch: p.Source, Commit: p.SHA, Repository: strconv.FormatInt(p.SourceID, 10), Fork: p.SourceID == 0 || p.SourceID != p.TargetID},
		Base: forge.Base{Branch: p.Target},
		URL:  p.URL, Created: p.Create, Updated: p.Update, Mergeable: forge.MergeUnknown, Files: -1,
	}
	if p.Refs != nil {
		out.Base.Commit = p.Refs.Start
	}
	if out.State == forge.Merged { // fast-forward merges make no commit
		out.MergeCommit = cmp.Or(p.MergeCommit, p.SquashCommit, p.SHA)
	}
	switch p.Detailed {
	case "mergeable":
		out.Mergeable = forge.MergeYes
	case "conflict", "need_rebase", "broken_status":
		out.Mergeable = forge.MergeNo
	}
	if n, err := strconv.Atoi(p.Count); err == nil { // "1000+" is not counted
		out.Files = n
	}
	return out, out.Check()
}

func decodePulls(body []byte) ([]forge.PullRequest, error) { return rest.Convert(body, pull.value) }

type file struct {
	Old     string `json:"old_path"`
	New     string `json:"new_path"`
	Added   bool   `json:"new_file"`
	Renamed bool   `json:"renamed_file"`
	Removed bool   `json:"deleted_file"`
}

func decodeFiles(body []byte) ([]forge.File, error) {
	return rest.Convert(body, func(f file) (forge.File, error) {
		if f.New == "" || f.Old == "" {
			return forge.File{}, errors.New("a file without its names")
		}
		out := forge.File{Path: f.New, Happened: forge.Changed}
		switch {
		case f.Removed:
			out.Path, out.Happened = f.Old, forge.Removed
		case f.Added:
			out.Happened = forge.Added
		case f.Renamed:
			out.Happened, out.Old = forge.Renamed, f.Old
		}
		return out, nil
	})
}

type version struct {
	ID      int64     `json:"id"`
	Head    string    `json:"head_commit_sha"`
	Created time.Time `json:"created_at"`
}

func (v version) key() string { return strconv.FormatInt(v.ID, 10) }

type reviewer struct {
	User  user   `json:"user"`
	State string `json:"state"`
}

func (v reviewer) key() string { return strconv.FormatInt(v.User.ID, 10) }

type approvals struct {
	By []approval `json:"approved_by"`
}

type approval struct {
	User user      `json:"user"`
	At   time.Time `json:"approved_at"` // an older GitLab does not say
}

// reviews joins what GitLab keeps apart. An approval is of the newest head that the
// merge request had at its time; without a time nobody can say of which.
func (a approvals) reviews(reviewers []reviewer, versions []version) ([]forge.Review, error) {
	if a.By == nil {
		return nil, errors.New("the answer holds no approvals, not even none")
	}
	var out []forge.Review
	for _, v := range reviewers {
		if v.State == "requested_changes" {
			out = append(out, forge.Review{Author: v.User.Name, Verdict: forge.Rejected})
		}
	}
	slices.SortFunc(versions, func(a, b version) int { return a.Created.Compare(b.Created) })
	slices.SortStableFunc(a.By, func(x, y approval) int { return x.At.Compare(y.At) })
	for _, by := range a.By {
		one := forge.Review{Author: by.User.Name, Verdict: forge.Approved, Time: by.At}
		for _, v := range versions {
			if !by.At.IsZero() && !v.Created.After(by.At) {
				one.Commit = v.Head
			}
		}
		if one.Author == "" {
			return nil, errors.New("an approval of nobody")
		}
		out = append(out, one)
	}
	return out, nil
}

type event struct {
	ID      int64     `json:"id"`
	User    user      `json:"user"`
	Created time.Time `json:"created_at"`
	Action  string    `json:"action"`
	Label   struct {
		Name string `json:"name"`
	} `json:"label"` // null where it was deleted
}

func (e event) key() string { return strconv.FormatInt(e.ID, 10) }

type status struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Status      string `json:"status"`
	Description string `json:"description"`
	URL         string `json:"target_url"`
}

func (s status) key() string { return strconv.FormatInt(s.ID, 10) }

// newest keeps the status with the highest number of each name: a commit that is in
// several branches has some for each.
func newest(all []status) []forge.Status {
	slices.SortFunc(all, func(a, b status) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	var out []forge.Status
	for i, s := range all {
		if i+1 < len(all) && all[i+1].Name == s.Name {
			continue
		}
		out = append(out, forge.Status{Context: s.Name, State: state(s.Status), Description: s.Description, URL: s.URL})
	}
	return out
}

// state reads GitLab's states, of which there are more.
func state(text string) forge.StatusState {
	switch text {
	case "success", "skipped":
		return forge.Success
	case "failed":
		return forge.Failure
	case "canceled":
		return forge.Errored
	}
	return forge.Pending
}

// said is a state as GitLab has it: it does not tell a failure from an error.
func said(s forge.StatusState) (string, error) {
	switch s {
	case forge.Pending:
		return "pending", nil
	case forge.Success:
		return "success", nil
	case forge.Failure, forge.Errored:
		return "failed", nil
	}
	return "", fmt.Errorf("the state %q of a status is unknown", s)
}
