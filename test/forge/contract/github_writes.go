package contract

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

func (s *Server) ghRef(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	name := body.text("ref")[len("refs/heads/"):]
	_, commit := s.commits[body.text("sha")]
	switch {
	case s.branches[name] != "":
		answer(w, http.StatusUnprocessableEntity, object{"message": "Reference already exists"})
	case !commit:
		answer(w, http.StatusUnprocessableEntity, object{"message": "Object does not exist"})
	default:
		s.branches[name] = body.text("sha")
		answer(w, http.StatusCreated, s.ref(name))
	}
}

func (s *Server) ref(name string) object {
	return object{"ref": "refs/heads/" + name, "object": object{"type": "commit", "sha": s.branches[name]}}
}

func (s *Server) ghGetRef(w http.ResponseWriter, r *http.Request) {
	if s.branches[r.PathValue("name")] == "" {
		answer(w, http.StatusNotFound, object{"message": "Not Found"})
		return
	}
	answer(w, http.StatusOK, s.ref(r.PathValue("name")))
}

func (s *Server) ghDropRef(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if s.branches[name] == "" {
		answer(w, http.StatusUnprocessableEntity, object{"message": "Reference does not exist"})
		return
	}
	delete(s.branches, name)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) ghMoveRef(w http.ResponseWriter, r *http.Request) {
	body, name := read(r), r.PathValue("name")
	sha := body.text("sha")
	switch {
	case s.branches[name] == "":
		answer(w, http.StatusUnprocessableEntity, object{"message": "Reference does not exist"})
	case body["force"] != true && !s.ancestors(sha)[s.branches[name]]:
		answer(w, http.StatusUnprocessableEntity, object{"message": "Update is not a fast forward"})
	default:
		s.branches[name] = sha
		s.moved(name)
		answer(w, http.StatusOK, s.ref(name))
	}
}

func (s *Server) ghGetCommit(w http.ResponseWriter, r *http.Request) {
	c, ok := s.commits[r.PathValue("sha")]
	if !ok {
		answer(w, http.StatusNotFound, object{"message": "Not Found"})
		return
	}
	answer(w, http.StatusOK, object{"sha": r.PathValue("sha"), "tree": object{"sha": c.tree}, "message": c.message})
}

func (s *Server) ghCommit(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	var parents []string
	for _, p := range body["parents"].([]any) {
		parents = append(parents, p.(string))
	}
	sha := s.commitTree(parents, body.text("tree"), body.text("message"))
	answer(w, http.StatusCreated, object{"sha": sha})
}

func (s *Server) ghBlob(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	content, err := base64.StdEncoding.DecodeString(body.text("content"))
	if err != nil || body.text("encoding") != "base64" {
		answer(w, http.StatusUnprocessableEntity, object{"message": "content is not valid Base64"})
		return
	}
	sha := sum("blob", string(content))
	s.blobs[sha] = string(content)
	answer(w, http.StatusCreated, object{"sha": sha})
}

func (s *Server) ghTree(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	next := maps.Clone(s.trees[body.text("base_tree")])
	for _, e := range body["tree"].([]any) {
		one := object(e.(map[string]any))
		if one["sha"] == nil {
			if _, ok := next[one.text("path")]; !ok {
				answer(w, http.StatusUnprocessableEntity, object{"message": "GitRPC::BadObjectState"})
				return
			}
			delete(next, one.text("path"))
			continue
		}
		next[one.text("path")] = s.blobs[one.text("sha")]
	}
	answer(w, http.StatusCreated, object{"sha": s.tree(next)})
}

func (s *Server) ghDeployments(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	all := []object{}
	for _, d := range slices.Backward(s.deployments) {
		if (q.Get("environment") == "" || q.Get("environment") == d.env) && (q.Get("sha") == "" || q.Get("sha") == d.sha) {
			all = append(all, object{"id": d.id, "sha": d.sha, "environment": d.env})
		}
	}
	s.page(w, r, all, false, nil)
}

func (s *Server) ghDeploy(w http.ResponseWriter, r *http.Request) {
	body := read(r)
	d := &deployment{id: s.id(), env: body.text("environment"), sha: body.text("ref"), transient: body["transient_environment"] == true}
	s.deployments = append(s.deployments, d)
	answer(w, http.StatusCreated, object{"id": d.id, "sha": d.sha})
}

func (s *Server) deploymentOf(r *http.Request) *deployment {
	for _, d := range s.deployments {
		if d.id == number(r, "id") {
			return d
		}
	}
	return &deployment{}
}

func (s *Server) ghDeployed(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, one := range slices.Backward(s.deploymentOf(r).statuses) {
		all = append(all, object{"state": one.state, "environment_url": one.url})
	}
	s.page(w, r, all, false, nil)
}

func (s *Server) ghDeployStatus(w http.ResponseWriter, r *http.Request) {
	body, d := read(r), s.deploymentOf(r)
	d.statuses = append(d.statuses, deploymentStatus{body.text("state"), body.text("environment_url")})
	answer(w, http.StatusCreated, object{"state": body.text("state")})
}

// Deployments gives what is said of each environment, as "ENVIRONMENT COMMIT STATE URL".
func (s *Server) Deployments() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, d := range s.deployments {
		line := fmt.Sprintf("%s %.7s %s", d.env, d.sha, d.status)
		if n := len(d.statuses); n > 0 {
			line = fmt.Sprintf("%s %.7s %s %s", d.env, d.sha, d.statuses[n-1].state, d.statuses[n-1].url)
		}
		out = append(out, line)
	}
	for _, e := range s.environments {
		out = append(out, fmt.Sprintf("%s %s %s", e.name, e.state, e.url))
	}
	return out
}
