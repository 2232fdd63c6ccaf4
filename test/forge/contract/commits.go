package contract

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

type (
	tree   map[string]string // path to content
	commit struct {
		parents []string
		tree    string
		message string
	}
	// User is somebody with a token.
	User struct {
		ID     int64
		Name   string
		Token  string
		Access int
	}
	pull struct {
		number            int
		title, body       string
		author            *User
		state             string // open, closed, merged
		draft, fork       bool
		branch, sha, base string
		labels            []string
		created, updated  time.Time
		merged            string
		forward           bool // and the base was moved forward to it
		notes             []*note
		reviews           []review
		events            []event
		versions          []version
		mergedAt          time.Time
	}
	note struct {
		id     int64
		author *User
		body   string
	}
	review struct {
		id      int64
		author  *User
		verdict string // APPROVED, CHANGES_REQUESTED, COMMENTED
		sha     string
		at      time.Time
	}
	event struct {
		id    int64
		actor *User
		label string
		added bool
		at    time.Time
	}
	version struct {
		id  int64
		sha string
		at  time.Time
	}
	status struct {
		id                               int64
		context, state, description, url string
	}
	environment struct {
		id               int64
		name, url, state string
	}
	deployment struct {
		id            int64
		env, sha, ref string
		transient     bool
		status        string // GitLab
		statuses      []deploymentStatus
	}
	deploymentStatus struct{ state, url string }
)

func (s *Server) commit(parents []string, files tree, message string) string {
	return s.commitTree(parents, s.tree(files), message)
}

func (s *Server) commitTree(parents []string, tree, message string) string {
	sha := sum("commit", fmt.Sprint(s.id()), tree, strings.Join(parents, " "), message)
	s.commits[sha] = commit{parents, tree, message}
	return sha
}

func (s *Server) tree(files tree) string {
	text, err := json.Marshal(files)
	if err != nil {
		panic(err)
	}
	sha := sum("tree", string(text))
	s.trees[sha] = files
	return sha
}

func sum(parts ...string) string {
	h := sha1.Sum([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:])
}

func (s *Server) treeOf(commit string) tree { return s.trees[s.commits[commit].tree] }

// ancestors are a commit and all before it.
func (s *Server) ancestors(sha string) map[string]bool {
	seen := map[string]bool{}
	for todo := []string{sha}; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if !seen[next] {
			seen[next] = true
			todo = append(todo, s.commits[next].parents...)
		}
	}
	return seen
}

// fork is where a head left its base, along first parents.
func (s *Server) left(head, base string) string {
	of := s.ancestors(base)
	for at := head; at != ""; {
		if of[at] {
			return at
		}
		parents := s.commits[at].parents
		if len(parents) == 0 {
			break
		}
		at = parents[0]
	}
	return ""
}

type difference struct{ path, old, what string }

// files is what a pull request changes; equal content elsewhere is a rename.
func (s *Server) files(p *pull) []difference {
	was, is := s.treeOf(s.left(p.sha, s.baseOf(p))), s.treeOf(p.sha)
	var out []difference
	gone := map[string]string{} // content to path
	for path, content := range was {
		if _, still := is[path]; !still {
			gone[content] = path
		}
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		before, there := was[path]
		old, renamed := gone[is[path]]
		switch {
		case there && before != is[path]:
			out = append(out, difference{path, path, "modified"})
		case !there && renamed:
			out = append(out, difference{path, old, "renamed"})
			delete(gone, is[path])
		case !there:
			out = append(out, difference{path, path, "added"})
		}
	}
	for _, path := range slices.Sorted(maps.Values(gone)) {
		out = append(out, difference{path, path, "removed"})
	}
	return out
}

// baseOf is the commit that a pull request is compared with.
func (s *Server) baseOf(p *pull) string {
	if p.state == "merged" {
		return s.commits[p.merged].parents[0]
	}
	return s.branches[p.base]
}

// conflicts says that both sides changed a file.
func (s *Server) conflicts(p *pull) bool {
	was, theirs := s.treeOf(s.left(p.sha, s.branches[p.base])), s.treeOf(s.branches[p.base])
	for _, d := range s.files(p) {
		if was[d.path] != theirs[d.path] {
			return true
		}
	}
	return false
}

// with are the pull requests that have a commit as head, or were merged as it.
func (s *Server) with(sha string) (all []*pull) {
	for _, p := range s.pulls {
		if p.sha == sha || p.merged == sha {
			all = append(all, p)
		}
	}
	return all
}

func (s *Server) merge(p *pull, message string, squash bool) string {
	base := s.branches[p.base]
	next := maps.Clone(s.treeOf(base))
	head := s.treeOf(p.sha)
	for _, d := range s.files(p) {
		if d.what == "removed" || d.what == "renamed" {
			delete(next, d.old)
		}
		if d.what != "removed" {
			next[d.path] = head[d.path]
		}
	}
	parents := []string{base, p.sha}
	if squash {
		parents = parents[:1]
	}
	p.merged = s.commit(parents, next, message)
	p.state, p.mergedAt = "merged", s.tick()
	s.branches[p.base] = p.merged
	return p.merged
}

// Land brings a pull request into its base without a merge: its head rebased, or the base
// moved forward to it as it is. It gives the commit where the base is then.
func (s *Server) Land(number int, forward bool) (tip string) {
	s.change(number, func(p *pull) {
		p.forward = forward
		if tip = p.sha; !forward {
			tip = s.merge(p, s.commits[p.sha].message, true)
		}
		p.merged, p.state, p.mergedAt = tip, "merged", s.tick()
		s.branches[p.base] = tip
	})
	return tip
}
