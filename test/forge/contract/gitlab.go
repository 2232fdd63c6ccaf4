package contract

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gitlab is the part of GitLab's REST API (version 4) that Fairway uses.
func (s *Server) gitlab() http.Handler {
	mux := http.NewServeMux()
	project, mr := "/api/v4/projects/{id}", "/api/v4/projects/{id}/merge_requests/{number}"
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /api/v4/user":                                            s.glUser,
		"GET /api/v4/users":                                           s.glUsers,
		"GET " + project:                                              s.glProject,
		"GET " + project + "/members/all/{user}":                      s.glMember,
		"GET /api/v4/groups/{group}/members/all/{user}":               s.glGroup,
		"GET " + project + "/merge_requests":                          s.glPulls,
		"POST " + project + "/merge_requests":                         s.glOpen,
		"GET " + mr:                                                   s.glPull,
		"PUT " + mr:                                                   s.glEdit,
		"GET " + mr + "/diffs":                                        s.glDiffs,
		"GET " + mr + "/versions":                                     s.glVersions,
		"GET " + mr + "/reviewers":                                    s.glReviewers,
		"GET " + mr + "/approvals":                                    s.glApprovals,
		"GET " + mr + "/resource_label_events":                        s.glEvents,
		"GET " + mr + "/notes":                                        s.glNotes,
		"POST " + mr + "/notes":                                       s.glSay,
		"PUT " + mr + "/notes/{note}":                                 s.glRewrite,
		"DELETE " + mr + "/notes/{note}":                              s.glErase,
		"PUT " + mr + "/merge":                                        s.glMerge,
		"GET " + project + "/repository/commits/{sha}/statuses":       s.glStatuses,
		"GET " + project + "/repository/commits/{sha}/merge_requests": s.glMerged,
		"POST " + project + "/statuses/{sha}":                         s.glStatus,
		"GET " + project + "/repository/branches/{name}":              s.glBranch,
		"POST " + project + "/repository/branches":                    s.glCreate,
		"DELETE " + project + "/repository/branches/{name}":           s.glDrop,
		"POST " + project + "/repository/commits":                     s.glCommit,
		"HEAD " + project + "/repository/files/{path}":                s.glFile,
		"GET " + project + "/environments":                            s.glEnvironments,
		"POST " + project + "/environments":                           s.glExpose,
		"PUT " + project + "/environments/{environment}":              s.glExpose,
		"POST " + project + "/environments/{environment}/stop":        s.glStop,
		"GET " + project + "/deployments":                             s.glDeployments,
		"POST " + project + "/deployments":                            s.glDeploy,
		"PUT " + project + "/deployments/{deployment}":                s.glDeployed,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if id := r.PathValue("id"); id != "" && id != Repository {
				answer(w, http.StatusNotFound, object{"message": "404 Project Not Found"})
				return
			}
			handle(w, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, object{"error": "404 Not Found"})
	})
	return mux
}

func glUserOf(u *User) object { return object{"id": u.ID, "username": u.Name, "state": "active"} }

func (s *Server) glUser(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, glUserOf(s.caller(r)))
}

func (s *Server) glUsers(w http.ResponseWriter, r *http.Request) {
	found := []object{}
	if u := s.users[r.URL.Query().Get("username")]; u != nil {
		found = append(found, glUserOf(u))
	}
	answer(w, http.StatusOK, found)
}

func (s *Server) glProject(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, object{"id": 1, "path_with_namespace": Repository, "visibility": "private"})
}

func (s *Server) glMember(w http.ResponseWriter, r *http.Request) {
	for _, u := range s.users {
		if u.ID == number(r, "user") && u.Access > None {
			answer(w, http.StatusOK, object{"id": u.ID, "username": u.Name, "state": "active", "access_level": (u.Access + 1) * 10})
			return
		}
	}
	answer(w, http.StatusNotFound, object{"message": "404 Not found"})
}

func (s *Server) glGroup(w http.ResponseWriter, r *http.Request) {
	for _, u := range s.users {
		if state := s.groups[r.PathValue("group")][u.Name]; u.ID == number(r, "user") && state != "" {
			if state == "pending" {
				state = "awaiting"
			}
			answer(w, http.StatusOK, object{"id": u.ID, "username": u.Name, "state": state, "access_level": 30})
			return
		}
	}
	answer(w, http.StatusNotFound, object{"message": "404 Not found"})
}

func (s *Server) glPullOf(p *pull, single bool) object {
	out := object{
		"id": p.number + 1000, "iid": p.number, "title": p.title, "author": glUserOf(p.author), "draft": p.draft,
		"state": map[string]string{"open": "opened", "closed": "closed", "merged": "merged"}[p.state], "labels": append([]string{}, p.labels...),
		"web_url": fmt.Sprintf("%s/%s/-/merge_requests/%d", s.URL, Repository, p.number), "created_at": p.created.Format(time.RFC3339), "updated_at": p.updated.Format(time.RFC3339),
		"sha": p.sha, "source_branch": p.branch, "target_branch": p.base, "source_project_id": 1, "target_project_id": 1,
		"detailed_merge_status": "mergeable", "merge_commit_sha": nil, "squash_commit_sha": nil,
	}
	if p.fork {
		out["source_project_id"] = 2
	}
	if p.state == "open" && s.conflicts(p) {
		out["detailed_merge_status"] = "conflict"
	}
	if p.state == "merged" {
		out["detailed_merge_status"] = "not_open"
		if !p.forward { // else there is no commit of the merge
			out["merge_commit_sha"] = p.merged
		}
	}
	if single {
		out["changes_count"] = strconv.Itoa(len(s.files(p)))
		out["diff_refs"] = object{"base_sha": s.left(p.sha, s.baseOf(p)), "head_sha": p.sha, "start_sha": s.branches[p.base]}
	}
	return out
}

func (s *Server) glPulls(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	all := []object{}
	for _, p := range s.pulls {
		if (q.Get("state") != "opened" || p.state == "open") && (q.Get("target_branch") == "" || q.Get("target_branch") == p.base) {
			all = append(all, s.glPullOf(p, false))
		}
	}
	if q.Get("sort") != "asc" {
		slices.Reverse(all)
	}
	s.page(w, r, all, true, nil)
}

// glMerged lists those that have a commit as head, and those that were merged as it.
func (s *Server) glMerged(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, p := range s.with(r.PathValue("sha")) {
		all = append(all, s.glPullOf(p, false))
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glOpen(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	for _, p := range s.pulls {
		if p.state == "open" && p.branch == body.text("source_branch") && p.base == body.text("target_branch") {
			answer(w, http.StatusConflict, object{"message": []string{fmt.Sprintf("Another open merge request already exists for this source branch: !%d", p.number)}})
			return
		}
	}
	p := s.open(s.caller(r), body.text("source_branch"), body.text("target_branch"), body.text("title"), body.text("description"))
	answer(w, http.StatusCreated, s.glPullOf(p, true))
}

func (s *Server) glPull(w http.ResponseWriter, r *http.Request) {
	if p := s.pullOf(w, r); p != nil {
		answer(w, http.StatusOK, s.glPullOf(p, true))
	}
}

// glEdit closes what is open and puts labels on and off; what is so already it leaves.
// The labels to put on are several where there are commas.
func (s *Server) glEdit(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	body := read(r)
	if label := body.text("remove_labels"); slices.Contains(p.labels, label) {
		s.label(s.caller(r), p, label, false)
	}
	for label := range strings.SplitSeq(body.text("add_labels"), ",") {
		if label = strings.TrimSpace(label); label != "" && !slices.Contains(p.labels, label) {
			s.label(s.caller(r), p, label, true)
		}
	}
	if body.text("state_event") == "close" && p.state == "open" {
		p.state = "closed"
	}
	answer(w, http.StatusOK, s.glPullOf(p, true))
}

func (s *Server) glDiffs(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, d := range s.files(p) {
		all = append(all, object{
			"old_path": d.old, "new_path": d.path, "diff": "",
			"new_file": d.what == "added", "renamed_file": d.what == "renamed", "deleted_file": d.what == "removed",
		})
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glVersions(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, v := range slices.Backward(p.versions) {
		all = append(all, object{"id": v.id, "head_commit_sha": v.sha, "created_at": v.at.Format(time.RFC3339)})
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glReviewers(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	said := map[string]object{}
	for _, v := range p.reviews {
		state := map[string]string{"APPROVED": "approved", "CHANGES_REQUESTED": "requested_changes", "COMMENTED": "reviewed"}[v.verdict]
		said[v.author.Name] = object{"user": glUserOf(v.author), "state": state}
	}
	all := []object{}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		all = append(all, said[name])
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glApprovals(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	by := []object{}
	for _, v := range p.reviews {
		if v.verdict == "APPROVED" {
			by = append(by, object{"user": glUserOf(v.author), "approved_at": v.at.Format(time.RFC3339)})
		}
	}
	answer(w, http.StatusOK, object{"iid": p.number, "approved_by": by})
}

func (s *Server) glEvents(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, e := range p.events {
		action := map[bool]string{true: "add", false: "remove"}[e.added]
		all = append(all, object{
			"id": e.id, "user": glUserOf(e.actor), "created_at": e.at.Format(time.RFC3339), "resource_type": "MergeRequest",
			"label": object{"id": 1, "name": e.label}, "action": action,
		})
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glNotes(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, n := range p.notes {
		all = append(all,
			object{"id": n.id, "author": glUserOf(n.author), "body": n.body, "system": false},
			object{"id": n.id + 1e6, "author": glUserOf(n.author), "body": "mentioned in a comment", "system": true})
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glSay(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	body := read(r).text("body")
	if p == nil || tooLong(w, body, 1_000_000) {
		return
	}
	n := &note{s.id(), s.caller(r), body}
	p.notes = append(p.notes, n)
	answer(w, http.StatusCreated, object{"id": n.id})
}

func (s *Server) glRewrite(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	body := read(r).text("body")
	for _, n := range p.notes {
		if n.id == number(r, "note") && !tooLong(w, body, 1_000_000) {
			n.body = body
			answer(w, http.StatusOK, object{"id": n.id})
		}
	}
}

func (s *Server) glErase(w http.ResponseWriter, r *http.Request) {
	if p := s.pullOf(w, r); p != nil {
		p.notes = slices.DeleteFunc(p.notes, func(n *note) bool { return n.id == number(r, "note") })
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) glMerge(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	body := read(r)
	switch {
	case p.state != "open":
		answer(w, http.StatusMethodNotAllowed, object{"message": "405 Method Not Allowed"})
	case body.text("sha") != p.sha:
		answer(w, http.StatusConflict, object{"message": "SHA does not match HEAD of source branch: " + p.sha})
	case s.conflicts(p):
		answer(w, http.StatusUnprocessableEntity, object{"message": "Branch cannot be merged"})
	default:
		s.merge(p, body.text("merge_commit_message"), body["squash"] == true)
		answer(w, http.StatusOK, s.glPullOf(p, true))
	}
}
