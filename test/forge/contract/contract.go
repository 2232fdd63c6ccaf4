// Package contract is a stand-in for GitHub and for GitLab: one repository in memory,
// behind those of their requests that Fairway uses, in the shapes that their public
// documentation gives. It is not the real thing, and what it shows is that we keep to
// the contract as it is written down, also when the other side does not.
package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Repository is its name at either forge.
const Repository = "acme/platform"

// Levels of access.
const (
	None = iota
	Read
	Write
	Admin
)

// Server is a forge with one repository.
type Server struct {
	URL string

	server *httptest.Server
	fault  atomic.Pointer[func(http.Handler) http.Handler]
	mu     sync.Mutex
	state
	app appKey
	// Sent is the requests that came, as "METHOD path", oldest first.
	sent []string
}

type state struct {
	next         int64
	clock        time.Time
	commits      map[string]commit
	trees        map[string]tree
	blobs        map[string]string
	branches     map[string]string
	users        map[string]*User
	groups       map[string]map[string]string // states of members, by group and name
	labels       []string                     // that were ever put on
	pulls        []*pull                      // number is the index and one
	statuses     map[string][]status
	environments []*environment
	deployments  []*deployment
	runs         []object // check runs, as they were sent
}

type object map[string]any

// GitHub starts a stand-in for GitHub, whose API is at its root.
func GitHub() *Server { return start((*Server).github) }

// GitLab starts a stand-in for GitLab.
func GitLab() *Server { return start((*Server).gitlab) }

func start(routes func(*Server) http.Handler) *Server {
	s := &Server{state: state{
		commits: map[string]commit{}, trees: map[string]tree{}, blobs: map[string]string{}, branches: map[string]string{},
		users: map[string]*User{}, statuses: map[string][]status{},
		clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}}
	inner := tagged(s.known(routes(s)))
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.sent = append(s.sent, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		if fault := s.fault.Load(); fault != nil {
			(*fault)(inner).ServeHTTP(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	s.URL = s.server.URL
	s.branches["main"] = s.commit(nil, tree{"README.md": "platform\n"}, "first")
	return s
}

// Close ends the server.
func (s *Server) Close() { s.server.Close() }

// Break puts a fault in front of the server; nil takes it away.
func (s *Server) Break(fault func(http.Handler) http.Handler) {
	if fault == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&fault)
}

// Sent gives the requests since it was last asked, and forgets them.
func (s *Server) Sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// known lets in who has a token, and takes the lock for the request.
func (s *Server) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if strings.HasPrefix(r.URL.Path, "/app") {
			s.apps(w, r, token)
			return
		}
		for _, u := range s.users {
			if u.Token == token {
				next.ServeHTTP(w, r)
				return
			}
		}
		answer(w, http.StatusUnauthorized, object{"message": "Bad credentials"})
	})
}

// caller is whose token a request has.
func (s *Server) caller(r *http.Request) *User {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, u := range s.users {
		if u.Token == token {
			return u
		}
	}
	return nil
}

// AddUser makes a user and gives him.
func (s *Server) AddUser(name string, access int) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &User{ID: s.id(), Name: name, Token: "token-of-" + name, Access: access}
	s.users[name] = u
	return u
}

// Join makes a user a member of a group; one that is only asked to be is pending.
func (s *Server) Join(group, user, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = map[string]map[string]string{}
	}
	if s.groups[group] == nil {
		s.groups[group] = map[string]string{}
	}
	s.groups[group][user] = state
}

// Head is the commit of a branch.
func (s *Server) Head(branch string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.branches[branch]
}

// Push commits files to a branch, which starts at main if it is new; a nil content removes.
func (s *Server) Push(branch string, files map[string]*string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent, ok := s.branches[branch]
	if !ok {
		parent = s.branches["main"]
	}
	next := maps.Clone(s.treeOf(parent))
	for path, content := range files {
		if content == nil {
			delete(next, path)
			continue
		}
		next[path] = *content
	}
	s.branches[branch] = s.commit([]string{parent}, next, "push to "+branch)
	s.moved(branch)
	return s.branches[branch]
}

// Point moves a branch to a commit that a Git server of the test has: here it is known by
// its name alone, with the files of main. It is that of a fork's branch, too.
func (s *Server) Point(branch, sha string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	main := s.branches["main"]
	s.commits[sha] = commit{[]string{main}, s.commits[main].tree, "pushed to Git"}
	s.branches[branch] = sha
	for _, p := range s.pulls {
		if p.branch == branch && p.state == "open" {
			s.move(p, sha)
		}
	}
}

// At makes it a time for the server.
func (s *Server) At(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = now.UTC()
}

// Status is what a commit was told last under a name, as "STATE DESCRIPTION" in the
// forge's own words.
func (s *Server) Status(sha, context string) (said string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.statuses[sha] {
		if one.context == context {
			said = one.state + " " + one.description
		}
	}
	return said
}

// moved tells the open pull requests of a branch where it is.
func (s *Server) moved(branch string) {
	for _, p := range s.pulls {
		if p.state == "open" && p.branch == branch && !p.fork && p.sha != s.branches[branch] {
			s.move(p, s.branches[branch])
		}
	}
}

func (s *Server) move(p *pull, sha string) {
	p.sha = sha
	p.versions = append(p.versions, version{s.id(), sha, s.tick()})
	p.updated = s.tick()
}

// Open opens a pull request of a branch into main.
func (s *Server) Open(author, branch, title string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open(s.users[author], branch, "main", title, "").number
}

func (s *Server) open(author *User, branch, base, title, body string) *pull {
	now := s.tick()
	p := &pull{
		number: len(s.pulls) + 1, title: title, body: body, author: author, state: "open",
		branch: branch, sha: s.branches[branch], base: base, created: now, updated: now,
	}
	p.versions = []version{{s.id(), p.sha, s.tick()}}
	s.pulls = append(s.pulls, p)
	return p
}

// Fork makes a pull request one of a fork.
func (s *Server) Fork(number int) { s.change(number, func(p *pull) { p.fork = true }) }

// Shut closes a pull request.
func (s *Server) Shut(number int) { s.change(number, func(p *pull) { p.state = "closed" }) }

// Review reviews a pull request: APPROVED, CHANGES_REQUESTED or COMMENTED.
func (s *Server) Review(author string, number int, verdict string) {
	s.change(number, func(p *pull) {
		p.reviews = append(p.reviews, review{s.id(), s.users[author], verdict, p.sha, s.tick()})
	})
}

// Label puts a label on a pull request, or takes it off.
func (s *Server) Label(actor string, number int, label string, on bool) {
	s.change(number, func(p *pull) { s.label(s.users[actor], p, label, on) })
}

func (s *Server) label(actor *User, p *pull, label string, on bool) {
	p.labels = slices.DeleteFunc(p.labels, func(l string) bool { return l == label })
	if on {
		p.labels = append(p.labels, label)
	}
	if !slices.Contains(s.labels, label) {
		s.labels = append(s.labels, label)
	}
	p.events = append(p.events, event{s.id(), actor, label, on, s.tick()})
}

// Say comments on a pull request.
func (s *Server) Say(author string, number int, body string) {
	s.change(number, func(p *pull) { p.notes = append(p.notes, &note{s.id(), s.users[author], body}) })
}

// Said gives the comments on a pull request as "AUTHOR: BODY", oldest first.
func (s *Server) Said(number int) []string {
	var out []string
	s.change(number, func(p *pull) {
		for _, n := range p.notes {
			out = append(out, n.author.Name+": "+n.body)
		}
	})
	return out
}

// File is a file on a branch; false if there is none.
func (s *Server) File(branch, path string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.treeOf(s.branches[branch])[path]
	return content, ok
}

func (s *Server) change(number int, change func(*pull)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.pulls[number-1])
}

func (s *Server) id() int64 {
	s.next++
	return s.next
}

// tick is a time later than all before.
func (s *Server) tick() time.Time {
	s.clock = s.clock.Add(time.Second)
	return s.clock
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // who went away needs no answer
}

// read decodes a request's body.
func read(r *http.Request) object {
	var body object
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return object{}
	}
	return body
}

func (o object) text(key string) string {
	text, _ := o[key].(string)
	return text
}

func number(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.PathValue(name), 10, 64)
	return n
}

// pullOf is the pull request of a path, or a 404.
func (s *Server) pullOf(w http.ResponseWriter, r *http.Request) *pull {
	n := number(r, "number")
	if n < 1 || int(n) > len(s.pulls) {
		answer(w, http.StatusNotFound, object{"message": "404 Not found"})
		return nil
	}
	return s.pulls[n-1]
}

// page answers one page of a list, with Link (RFC 8288) and, for GitLab, its counts.
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []object, counts bool, wrap func([]object) any) {
	q := r.URL.Query()
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size < 1 || size > 100 {
		size = 30
	}
	page, _ := strconv.Atoi(q.Get("page"))
	page = max(page, 1)
	last := max((len(all)+size-1)/size, 1)
	var links []string
	link := func(to int, rel string) {
		q.Set("page", strconv.Itoa(to))
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", s.URL, r.URL.EscapedPath(), q.Encode(), rel))
	}
	if page > 1 {
		link(1, "first")
		link(page-1, "prev")
	}
	if page < last {
		link(page+1, "next")
		link(last, "last")
	}
	if len(links) > 0 {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	if counts {
		w.Header().Set("X-Total", strconv.Itoa(len(all)))
		w.Header().Set("X-Total-Pages", strconv.Itoa(last))
	}
	from := min((page-1)*size, len(all))
	part := append([]object{}, all[from:min(from+size, len(all))]...)
	if wrap != nil {
		answer(w, http.StatusOK, wrap(part))
		return
	}
	answer(w, http.StatusOK, part)
}
