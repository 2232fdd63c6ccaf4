package contract

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

func (s *Server) glStatuses(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, one := range s.statuses[r.PathValue("sha")] {
		all = append(all, object{"id": one.id, "name": one.context, "status": one.state, "description": one.description, "target_url": one.url})
	}
	s.page(w, r, all, true, nil)
}

// glStatus keeps one status a name, and refuses one that does not change its state.
func (s *Server) glStatus(w http.ResponseWriter, r *http.Request) {
	body, sha := read(r), r.PathValue("sha")
	if _, ok := s.commits[sha]; !ok {
		answer(w, http.StatusNotFound, object{"message": "404 Commit Not Found"})
		return
	}
	for i, one := range s.statuses[sha] {
		if one.context != body.text("name") {
			continue
		}
		if one.state == body.text("state") && one.state == "pending" {
			answer(w, http.StatusBadRequest, object{"message": `Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "enqueue")`})
			return
		}
		s.statuses[sha] = slices.Delete(s.statuses[sha], i, i+1)
		break
	}
	one := status{s.id(), body.text("name"), body.text("state"), body.text("description"), body.text("target_url")}
	s.statuses[sha] = append(s.statuses[sha], one)
	answer(w, http.StatusCreated, object{"id": one.id})
}

func (s *Server) glBranch(w http.ResponseWriter, r *http.Request) {
	sha := s.branches[r.PathValue("name")]
	if sha == "" {
		answer(w, http.StatusNotFound, object{"message": "404 Branch Not Found"})
		return
	}
	answer(w, http.StatusOK, object{"name": r.PathValue("name"), "commit": object{"id": sha}})
}

func (s *Server) glCreate(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	name, ref := body.text("branch"), body.text("ref")
	switch {
	case s.branches[name] != "":
		answer(w, http.StatusBadRequest, object{"message": "Branch already exists"})
	case s.commits[ref].tree == "":
		answer(w, http.StatusBadRequest, object{"message": "Invalid reference name: " + ref})
	default:
		s.branches[name] = ref
		answer(w, http.StatusCreated, object{"name": name, "commit": object{"id": ref}})
	}
}

func (s *Server) glDrop(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if s.branches[name] == "" {
		answer(w, http.StatusNotFound, object{"message": "404 Branch Not Found"})
		return
	}
	delete(s.branches, name)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) glCommit(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	branch := body.text("branch")
	head := s.branches[branch]
	next := maps.Clone(s.treeOf(head))
	for _, a := range body["actions"].([]any) {
		one := object(a.(map[string]any))
		path := one.text("file_path")
		_, there := next[path]
		if last := one.text("last_commit_id"); last != "" && s.last(head, path) != last {
			answer(w, http.StatusBadRequest, object{"message": "You are attempting to update a file that has changed since you started editing it."})
			return
		}
		switch {
		case one.text("action") == "create" && there:
			answer(w, http.StatusBadRequest, object{"message": "A file with this name already exists"})
			return
		case one.text("action") != "create" && !there:
			answer(w, http.StatusBadRequest, object{"message": "A file with this name doesn't exist"})
			return
		case one.text("action") == "delete":
			delete(next, path)
			continue
		}
		content, err := base64.StdEncoding.DecodeString(one.text("content"))
		if err != nil {
			answer(w, http.StatusBadRequest, object{"message": "content is not base64"})
			return
		}
		next[path] = string(content)
	}
	s.branches[branch] = s.commit([]string{head}, next, body.text("commit_message"))
	s.moved(branch)
	answer(w, http.StatusCreated, object{"id": s.branches[branch], "parent_ids": []string{head}})
}

// last is the commit that last changed a file, along first parents.
func (s *Server) last(head, path string) string {
	for at := head; ; {
		c := s.commits[at]
		if len(c.parents) == 0 || s.treeOf(c.parents[0])[path] != s.treeOf(at)[path] {
			return at
		}
		at = c.parents[0]
	}
}

func (s *Server) glFile(w http.ResponseWriter, r *http.Request) {
	ref := r.URL.Query().Get("ref")
	if _, ok := s.treeOf(ref)[r.PathValue("path")]; !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("X-Gitlab-Last-Commit-Id", s.last(ref, r.PathValue("path")))
	w.WriteHeader(http.StatusOK)
}

func (s *Server) glEnvironments(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, e := range s.environments {
		if e.name == r.URL.Query().Get("name") {
			all = append(all, object{"id": e.id, "name": e.name, "state": e.state, "external_url": e.url})
		}
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glExpose(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	if _, err := url.Parse(body.text("external_url")); err != nil {
		answer(w, http.StatusBadRequest, object{"message": "external_url is invalid"})
		return
	}
	for _, e := range s.environments {
		if e.id == number(r, "environment") {
			e.url = body.text("external_url")
			answer(w, http.StatusOK, object{"id": e.id})
			return
		}
	}
	e := &environment{s.id(), body.text("name"), body.text("external_url"), "available"}
	s.environments = append(s.environments, e)
	answer(w, http.StatusCreated, object{"id": e.id})
}

func (s *Server) glStop(w http.ResponseWriter, r *http.Request) {
	for _, e := range s.environments {
		if e.id == number(r, "environment") {
			e.state = "stopped"
			answer(w, http.StatusOK, object{"id": e.id, "state": e.state})
		}
	}
}

func (s *Server) glDeployments(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, d := range slices.Backward(s.deployments) {
		if d.env == r.URL.Query().Get("environment") {
			all = append(all, object{"id": d.id, "sha": d.sha, "status": d.status})
		}
	}
	s.page(w, r, all, true, nil)
}

func (s *Server) glDeploy(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	if body.text("ref") == "" || body["tag"] == nil {
		answer(w, http.StatusBadRequest, object{"error": "ref is missing, tag is missing"})
		return
	}
	d := &deployment{id: s.id(), env: body.text("environment"), sha: body.text("sha"), ref: body.text("ref"), status: body.text("status")}
	s.deployments = append(s.deployments, d)
	answer(w, http.StatusCreated, object{"id": d.id})
}

func (s *Server) glDeployed(w http.ResponseWriter, r *http.Request) {
	for _, d := range s.deployments {
		if d.id == number(r, "deployment") {
			d.status = read(r).text("status")
			answer(w, http.StatusOK, object{"id": d.id})
		}
	}
}
