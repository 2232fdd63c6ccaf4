package contract

import (
	"fmt"
	"net/http"
	"strings"
)

// ghCheckRuns gives the newest run of a name first, as with filter=latest.
func (s *Server) ghCheckRuns(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, run := range s.runs {
		if run["head_sha"] == r.PathValue("sha") && run["name"] == r.URL.Query().Get("check_name") {
			all = []object{run}
		}
	}
	answer(w, http.StatusOK, object{"total_count": len(all), "check_runs": all})
}

// ghCheckRun takes a run that is done, from Apps only and within the documented limits.
func (s *Server) ghCheckRun(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(s.caller(r).Name, "[bot]") {
		answer(w, http.StatusForbidden, object{"message": "You must authenticate via a GitHub App."})
		return
	}
	body := read(r)
	if why := wrongRun(body); why != "" {
		answer(w, http.StatusUnprocessableEntity, object{"message": "Invalid request.\n\n" + why})
		return
	}
	body["id"] = s.id()
	s.runs = append(s.runs, body)
	answer(w, http.StatusCreated, body)
}

func wrongRun(run object) string {
	output, _ := run["output"].(map[string]any)
	out := object(output)
	lines, _ := out["annotations"].([]any)
	switch {
	case run["name"] == nil || run["head_sha"] == nil || run["status"] != "completed" || run["conclusion"] == nil:
		return "name, head_sha, status or conclusion is missing"
	case out["title"] == nil || out["title"] == "" || out["summary"] == nil || out["summary"] == "":
		return "an output has a title and a summary"
	case len(lines) > 50:
		return "No more than 50 items are allowed"
	}
	for _, l := range lines {
		one := object(l.(map[string]any))
		level := one.text("annotation_level")
		start, _ := one["start_line"].(float64)
		end, _ := one["end_line"].(float64)
		if one.text("path") == "" || one.text("message") == "" || len(one.text("title")) > 255 || start < 1 || end < start ||
			level != "notice" && level != "warning" && level != "failure" {
			return fmt.Sprintf("%v is no annotation", one)
		}
	}
	return ""
}

// Lines gives what the newest check run of a commit says at lines, as "PATH:LINE LEVEL: TEXT".
func (s *Server) Lines(commit string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, run := range s.runs {
		if run["head_sha"] != commit {
			continue
		}
		out = nil
		for _, l := range run["output"].(map[string]any)["annotations"].([]any) {
			one := object(l.(map[string]any))
			out = append(out, fmt.Sprintf("%s:%v %s: %s", one["path"], one["start_line"], one["annotation_level"], one["message"]))
		}
	}
	return out
}
