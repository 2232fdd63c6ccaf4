package webhook

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a hint. A body that passes them is a hint of nothing.
const (
	maxDepth = 64
	maxName  = 255
	maxPull  = 1 << 31
)

// sender says by its headers whose request it is. Gitea sends GitHub's headers
// too, so its own are looked for first.
func sender(h http.Header) Forge {
	has := func(names ...string) bool {
		for _, name := range names {
			if h.Get(name) != "" {
				return true
			}
		}
		return false
	}
	switch {
	case has("X-Gitea-Event", "X-Gitea-Signature", "X-Forgejo-Event", "X-Forgejo-Signature"):
		return Gitea
	case has("X-Gitlab-Event", "X-Gitlab-Token"):
		return GitLab
	case has("X-Github-Event", "X-Hub-Signature-256"):
		return GitHub
	case has("Webhook-Id"):
		return Standard
	}
	return Generic
}

// payload is the little that is looked at, of whatever a forge sends.
type payload struct {
	Ref         string
	RefType     string `json:"ref_type"`
	Number      int
	Repository  json.RawMessage
	PullRequest *struct{ Number int } `json:"pull_request"`
	Issue       *struct {
		Number      int
		PullRequest json.RawMessage `json:"pull_request"`
	}
	IsPull bool `json:"is_pull"`

	ObjectKind string `json:"object_kind"`
	Project    struct {
		Path string `json:"path_with_namespace"`
	}
	Attributes struct{ IID int }  `json:"object_attributes"`
	Merge      *struct{ IID int } `json:"merge_request"`

	Type   string
	Branch string
	Pull   int `json:"pullRequest"`
	Data   *struct {
		Repository, Branch string
		Pull               int `json:"pullRequest"`
	}
}

// hintOf makes what it can of a body that is signed. What it does not
// understand is a hint of nothing.
func hintOf(forge Forge, h http.Header, body []byte) Hint {
	hint := Hint{Forge: forge, Event: name(eventOf(forge, h))}
	p, ok := parse(h, body)
	if !ok {
		return hint
	}
	switch forge {
	case GitHub, Gitea:
		p.likeGitHub(&hint)
	case GitLab:
		p.likeGitLab(&hint)
	default:
		p.plainly(&hint)
	}
	hint.Repository, hint.Branch = repository(hint.Repository), name(hint.Branch)
	if hint.PullRequest < 0 || hint.PullRequest >= maxPull {
		hint.PullRequest = 0
	}
	return hint
}

func eventOf(forge Forge, h http.Header) string {
	switch forge {
	case GitHub:
		return h.Get("X-Github-Event")
	case GitLab:
		return h.Get("X-Gitlab-Event")
	case Gitea:
		if event := h.Get("X-Gitea-Event"); event != "" {
			return event
		}
		return h.Get("X-Forgejo-Event")
	}
	return ""
}

// parse reads a body as JSON, or as the form with JSON in it that GitHub sends
// where it is not told otherwise.
func parse(h http.Header, body []byte) (payload, bool) {
	if kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil && kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return payload{}, false
		}
		body = []byte(form.Get("payload"))
	}
	var p payload
	if !shallow(body) || json.Unmarshal(body, &p) != nil {
		return payload{}, false
	}
	return p, true
}

// shallow reports whether nothing in a JSON text lies deeper than maxDepth.
func shallow(body []byte) bool {
	depth, quoted, escaped := 0, false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = b == '\\', b != '"'
		case b == '"':
			quoted = true
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return true
}

// likeGitHub reads what GitHub sends, and Gitea after it: pushes, and whatever
// is about a pull request.
func (p payload) likeGitHub(hint *Hint) {
	var repository struct {
		FullName string `json:"full_name"`
	}
	_ = json.Unmarshal(p.Repository, &repository) // what is none is no repository
	hint.Repository = repository.FullName
	switch {
	case p.PullRequest != nil && p.PullRequest.Number > 0:
		hint.PullRequest = p.PullRequest.Number
	case p.PullRequest != nil:
		hint.PullRequest = p.Number
	case p.Issue != nil && (p.IsPull || len(p.Issue.PullRequest) > 0 && string(p.Issue.PullRequest) != "null"):
		hint.PullRequest = p.Issue.Number
	default:
		hint.Branch, _ = strings.CutPrefix(p.Ref, "refs/heads/")
		if p.RefType == "tag" || strings.HasPrefix(hint.Branch, "refs/") {
			hint.Branch = ""
		}
	}
}

// likeGitLab reads what GitLab sends. Its system hooks say what they are in the
// body alone.
func (p payload) likeGitLab(hint *Hint) {
	hint.Repository = p.Project.Path
	switch p.ObjectKind {
	case "push":
		hint.Branch, _ = strings.CutPrefix(p.Ref, "refs/heads/")
	case "merge_request":
		hint.PullRequest = p.Attributes.IID
	case "note":
		if p.Merge != nil {
			hint.PullRequest = p.Merge.IID
		}
	}
}

// plainly reads what anybody else may send: {"repository": "acme/platform",
// "branch": "main", "pullRequest": 7}, or that as the data of an event of
// Standard Webhooks, whose type it has.
func (p payload) plainly(hint *Hint) {
	hint.Event = name(p.Type)
	if p.Data != nil {
		hint.Repository, hint.Branch, hint.PullRequest = p.Data.Repository, p.Data.Branch, p.Data.Pull
		return
	}
	_ = json.Unmarshal(p.Repository, &hint.Repository) // what is no text is none
	hint.Branch, hint.PullRequest = p.Branch, p.Pull
}

// name is a text that could be a name, or "".
func name(text string) string {
	bad := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(text) > maxName || !utf8.ValidString(text) || strings.ContainsFunc(text, bad) {
		return ""
	}
	return text
}

// repository is a text that could be a repository with its owner, or "".
func repository(text string) string {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r))
	}
	owner, rest, ok := strings.Cut(text, "/")
	if !ok || owner == "" || rest == "" || len(text) > maxName || strings.ContainsFunc(text, bad) || strings.Contains(text, "..") {
		return ""
	}
	return text
}
