package contract

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// github is the part of GitHub's REST API (2022-11-28) that Fairway uses.
func (s *Server) github() http.Handler {
	mux := http.NewServeMux()
	repo := "/repos/" + Repository
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /user":                                         s.ghUser,
		"GET " + repo + "/pulls":                            s.ghPulls,
		"POST " + repo + "/pulls":                           s.ghOpen,
		"GET " + repo + "/pulls/{number}":                   s.ghPull,
		"PATCH " + repo + "/pulls/{number}":                 s.ghEdit,
		"GET " + repo + "/pulls/{number}/files":             s.ghFiles,
		"GET " + repo + "/pulls/{number}/reviews":           s.ghReviews,
		"PUT " + repo + "/pulls/{number}/merge":             s.ghMerge,
		"GET " + repo + "/commits/{sha}/status":             s.ghCombined,
		"GET " + repo + "/commits/{sha}/pulls":              s.ghMerged,
		"POST " + repo + "/statuses/{sha}":                  s.ghStatus,
		"GET " + repo + "/issues/{number}/events":           s.ghEvents,
		"GET " + repo + "/issues/{number}/comments":         s.ghNotes,
		"POST " + repo + "/issues/{number}/comments":        s.ghSay,
		"PATCH " + repo + "/issues/comments/{id}":           s.ghRewrite,
		"DELETE " + repo + "/issues/comments/{id}":          s.ghErase,
		"POST " + repo + "/issues/{number}/labels":          s.ghLabel,
		"DELETE " + repo + "/issues/{number}/labels/{name}": s.ghUnlabel,
		"GET " + repo + "/collaborators/{user}/permission":  s.ghPermission,
		"GET /orgs/{org}/teams/{team}/memberships/{user}":   s.ghTeam,
		"POST " + repo + "/git/refs":                        s.ghRef,
		"GET " + repo + "/git/ref/heads/{name...}":          s.ghGetRef,
		"PATCH " + repo + "/git/refs/heads/{name...}":       s.ghMoveRef,
		"DELETE " + repo + "/git/refs/heads/{name...}":      s.ghDropRef,
		"GET " + repo + "/git/commits/{sha}":                s.ghGetCommit,
		"POST " + repo + "/git/commits":                     s.ghCommit,
		"POST " + repo + "/git/blobs":                       s.ghBlob,
		"POST " + repo + "/git/trees":                       s.ghTree,
		"GET " + repo + "/deployments":                      s.ghDeployments,
		"POST " + repo + "/deployments":                     s.ghDeploy,
		"GET " + repo + "/deployments/{id}/statuses":        s.ghDeployed,
		"POST " + repo + "/deployments/{id}/statuses":       s.ghDeployStatus,
		"GET " + repo + "/commits/{sha}/check-runs":         s.ghCheckRuns,
		"POST " + repo + "/check-runs":                      s.ghCheckRun,
		"/": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusNotFound, object{"message": "Not Found"})
		},
	} {
		mux.HandleFunc(pattern, handle)
	}
	return mux
}

func (s *Server) ghUser(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, object{"login": s.caller(r).Name})
}

func (s *Server) ghPullOf(p *pull, single bool) object {
	repo := object{"id": 1, "full_name": Repository}
	head := object{"ref": p.branch, "sha": p.sha, "label": "acme:" + p.branch, "repo": repo}
	if p.fork {
		head["repo"] = object{"id": 2, "full_name": "somebody/platform"}
	}
	labels := []object{}
	for _, l := range p.labels {
		labels = append(labels, object{"id": 1, "name": l})
	}
	state := p.state
	out := object{
		"number": p.number, "title": p.title, "user": object{"login": p.author.Name}, "draft": p.draft, "labels": labels,
		"html_url": fmt.Sprintf("%s/%s/pull/%d", s.URL, Repository, p.number), "created_at": p.created.Format(time.RFC3339), "updated_at": p.updated.Format(time.RFC3339),
		"head": head, "base": object{"ref": p.base, "sha": s.branches[p.base], "repo": repo}, "merged_at": nil, "merge_commit_sha": nil,
	}
	if p.state == "merged" {
		state = "closed"
		out["merged_at"], out["merge_commit_sha"] = p.mergedAt.Format(time.RFC3339), p.merged
	}
	out["state"] = state
	if single {
		out["merged"], out["changed_files"], out["mergeable"] = p.state == "merged", len(s.files(p)), !s.conflicts(p)
	}
	return out
}

func (s *Server) ghPulls(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	all := []object{}
	for _, p := range s.pulls {
		if (q.Get("state") == "all" || p.state == "open") && (q.Get("base") == "" || q.Get("base") == p.base) {
			all = append(all, s.ghPullOf(p, false))
		}
	}
	if q.Get("direction") != "asc" {
		slices.Reverse(all)
	}
	s.page(w, r, all, false, nil)
}

// ghMerged lists those that have a commit as head, and those that were merged as it.
func (s *Server) ghMerged(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, p := range s.with(r.PathValue("sha")) {
		all = append(all, s.ghPullOf(p, false))
	}
	s.page(w, r, all, false, nil)
}

func (s *Server) ghOpen(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	for _, p := range s.pulls {
		if p.state == "open" && p.branch == body.text("head") && p.base == body.text("base") {
			answer(w, http.StatusUnprocessableEntity, object{
				"message": "Validation Failed",
				"errors":  []object{{"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for acme:" + p.branch + "."}},
			})
			return
		}
	}
	if s.branches[body.text("head")] == "" {
		answer(w, http.StatusUnprocessableEntity, object{"message": "Validation Failed", "errors": []object{{"field": "head", "code": "invalid"}}})
		return
	}
	p := s.open(s.caller(r), body.text("head"), body.text("base"), body.text("title"), body.text("body"))
	answer(w, http.StatusCreated, s.ghPullOf(p, true))
}

func (s *Server) ghPull(w http.ResponseWriter, r *http.Request) {
	if p := s.pullOf(w, r); p != nil {
		answer(w, http.StatusOK, s.ghPullOf(p, true))
	}
}

// ghEdit closes. One that was merged is closed already.
func (s *Server) ghEdit(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	if read(r).text("state") == "closed" && p.state == "open" {
		p.state = "closed"
	}
	answer(w, http.StatusOK, s.ghPullOf(p, true))
}

func (s *Server) ghFiles(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, d := range s.files(p) {
		one := object{"filename": d.path, "status": d.what, "sha": sum("blob", d.path)}
		if d.what == "renamed" {
			one["previous_filename"] = d.old
		}
		all = append(all, one)
	}
	s.page(w, r, all, false, nil)
}

func (s *Server) ghReviews(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, v := range p.reviews {
		all = append(all, object{
			"id": v.id, "user": object{"login": v.author.Name}, "state": v.verdict, "commit_id": v.sha,
			"submitted_at": v.at.Format(time.RFC3339),
		})
	}
	s.page(w, r, all, false, nil)
}

func (s *Server) ghMerge(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	body := read(r)
	switch {
	case p.state != "open" || s.conflicts(p):
		answer(w, http.StatusMethodNotAllowed, object{"message": "Pull Request is not mergeable"})
	case body.text("sha") != "" && body.text("sha") != p.sha:
		answer(w, http.StatusConflict, object{"message": "Head branch was modified. Review and try the merge again."})
	default:
		sha := s.merge(p, body.text("commit_title"), body.text("merge_method") == "squash")
		answer(w, http.StatusOK, object{"sha": sha, "merged": true, "message": "Pull Request successfully merged"})
	}
}

func (s *Server) ghCombined(w http.ResponseWriter, r *http.Request) {
	newest := map[string]status{}
	for _, one := range s.statuses[r.PathValue("sha")] {
		newest[one.context] = one
	}
	all := []object{}
	for _, context := range slices.Sorted(maps.Keys(newest)) {
		one := newest[context]
		all = append(all, object{"id": one.id, "context": one.context, "state": one.state, "description": one.description, "target_url": one.url})
	}
	s.page(w, r, all, false, func(part []object) any {
		return object{"state": "pending", "sha": r.PathValue("sha"), "total_count": len(all), "statuses": part}
	})
}

func (s *Server) ghStatus(w http.ResponseWriter, r *http.Request) {
	body, sha := read(r), r.PathValue("sha")
	if _, ok := s.commits[sha]; !ok || len([]rune(body.text("description"))) > 140 {
		answer(w, http.StatusUnprocessableEntity, object{"message": "Validation Failed"})
		return
	}
	s.statuses[sha] = append(s.statuses[sha], status{s.id(), body.text("context"), body.text("state"), body.text("description"), body.text("target_url")})
	answer(w, http.StatusCreated, object{"context": body.text("context")})
}

func (s *Server) ghEvents(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, e := range p.events {
		kind := map[bool]string{true: "labeled", false: "unlabeled"}[e.added]
		all = append(all, object{
			"id": e.id, "event": kind, "actor": object{"login": e.actor.Name}, "label": object{"name": e.label},
			"created_at": e.at.Format(time.RFC3339),
		}, object{"id": e.id + 1e6, "event": "subscribed", "actor": nil, "created_at": e.at.Format(time.RFC3339)})
	}
	s.page(w, r, all, false, nil)
}

func (s *Server) ghNotes(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	all := []object{}
	for _, n := range p.notes {
		all = append(all, object{"id": n.id, "user": object{"login": n.author.Name}, "body": n.body})
	}
	s.page(w, r, all, false, nil)
}

func tooLong(w http.ResponseWriter, body string, most int) bool {
	if len([]rune(body)) <= most {
		return false
	}
	answer(w, http.StatusUnprocessableEntity, object{"message": fmt.Sprintf("body is too long (maximum is %d characters)", most)})
	return true
}

func (s *Server) ghSay(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	body := read(r).text("body")
	if p == nil || tooLong(w, body, 65536) {
		return
	}
	n := &note{s.id(), s.caller(r), body}
	p.notes = append(p.notes, n)
	answer(w, http.StatusCreated, object{"id": n.id})
}

// noteOf finds a comment by its number, with the pull request that it is on.
func (s *Server) noteOf(w http.ResponseWriter, r *http.Request) (*pull, *note) {
	for _, p := range s.pulls {
		for _, n := range p.notes {
			if n.id == number(r, "id") {
				return p, n
			}
		}
	}
	answer(w, http.StatusNotFound, object{"message": "Not Found"})
	return nil, nil
}

func (s *Server) ghRewrite(w http.ResponseWriter, r *http.Request) {
	_, n := s.noteOf(w, r)
	body := read(r).text("body")
	if n == nil || tooLong(w, body, 65536) {
		return
	}
	n.body = body
	answer(w, http.StatusOK, object{"id": n.id})
}

func (s *Server) ghErase(w http.ResponseWriter, r *http.Request) {
	p, n := s.noteOf(w, r)
	if n == nil {
		return
	}
	p.notes = slices.DeleteFunc(p.notes, func(one *note) bool { return one == n })
	w.WriteHeader(http.StatusNoContent)
}

// ghLabel makes the labels that there are not: no two differ by case alone.
func (s *Server) ghLabel(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	if p == nil {
		return
	}
	wanted, _ := read(r)["labels"].([]any)
	for _, one := range wanted {
		name, _ := one.(string)
		if name == "" {
			answer(w, http.StatusUnprocessableEntity, object{"message": "Validation Failed", "errors": []object{{"resource": "Label", "code": "missing_field", "field": "name"}}})
			return
		}
		at := slices.IndexFunc(s.labels, func(l string) bool { return strings.EqualFold(l, name) })
		if at >= 0 {
			name = s.labels[at]
		}
		if !slices.Contains(p.labels, name) {
			s.label(s.caller(r), p, name, true)
		}
	}
	answer(w, http.StatusOK, s.ghPullOf(p, false)["labels"])
}

func (s *Server) ghUnlabel(w http.ResponseWriter, r *http.Request) {
	p := s.pullOf(w, r)
	switch {
	case p == nil:
	case !slices.Contains(p.labels, r.PathValue("name")):
		answer(w, http.StatusNotFound, object{"message": "Label does not exist"})
	default:
		s.label(s.caller(r), p, r.PathValue("name"), false)
		answer(w, http.StatusOK, []object{})
	}
}

func (s *Server) ghPermission(w http.ResponseWriter, r *http.Request) {
	u := s.users[r.PathValue("user")]
	if u == nil {
		answer(w, http.StatusNotFound, object{"message": "Not Found"})
		return
	}
	answer(w, http.StatusOK, object{"permission": [...]string{"none", "read", "write", "admin"}[u.Access]})
}

func (s *Server) ghTeam(w http.ResponseWriter, r *http.Request) {
	if state := s.groups[r.PathValue("org")+"/"+r.PathValue("team")][r.PathValue("user")]; state != "" {
		answer(w, http.StatusOK, object{"role": "member", "state": state})
		return
	}
	answer(w, http.StatusNotFound, object{"message": "Not Found"})
}
