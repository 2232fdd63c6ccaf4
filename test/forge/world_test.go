package forge_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/connect"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
	"github.com/fairway-dev/fairway/test/forge/contract"
	"github.com/fairway-dev/fairway/test/forge/gitealab"
)

// world is a repository on a forge with people around it: fairway, whose token we
// have, an administrator; dev, who writes; reader, who reads; stranger, who may nothing.
type world struct {
	kind   string
	url    string // of the forge, behind what can break it
	repo   string
	token  string
	total  string // the header that counts; empty if there is none
	three  int    // pull requests that make three pages
	breaks func(contract.Fault)
	sent   func() []string // requests that change something, since last asked

	push   func(branch string, files map[string]*string) string
	head   func(branch string) string
	file   func(branch, path string) (string, bool)
	open   func(branch, title string) int // by dev
	shut   func(number int)
	land   func(number int, forward bool) string // rebased, or as it is
	review func(user string, number int, verdict string)
	label  func(user string, number int, label string, on bool)
	say    func(user string, number int, body string)
	said   func(number int) []string // AUTHOR: BODY
	join   func(group, user string)
}

// connect gives the forge, with options for the client.
func (w *world) connect(t testing.TB, opts rest.Options) forge.Forge {
	t.Helper()
	f, err := connect.To(connect.Target{Kind: w.kind, URL: w.url, Repository: w.repo, Token: w.token, Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (w *world) forge(t testing.TB) forge.Forge {
	return w.connect(t, rest.Options{Timeout: 2 * time.Minute})
}

// each runs a test at every forge, in a repository of its own.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) *world{
		"gitea": func(t *testing.T) *world {
			_, w := giteaWorld(t)
			return w
		},
		"github": func(t *testing.T) *world { return contractWorld(t, "github", contract.GitHub(), "", 201) },
		"gitlab": func(t *testing.T) *world { return contractWorld(t, "gitlab", contract.GitLab(), "X-Total", 201) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			test(t, make(t))
		})
	}
}

func contractWorld(t *testing.T, kind string, s *contract.Server, total string, three int) *world {
	t.Cleanup(s.Close)
	us := s.AddUser("fairway", contract.Admin)
	s.AddUser("dev", contract.Write)
	s.AddUser("reader", contract.Read)
	s.AddUser("stranger", contract.None)
	return &world{
		kind: kind, url: s.URL, repo: contract.Repository, token: us.Token, total: total, three: three,
		breaks: func(f contract.Fault) { s.Break(f) },
		sent:   func() []string { return changing(s.Sent()) },
		push:   s.Push, head: s.Head, file: s.File, shut: s.Shut, land: s.Land, review: s.Review, label: s.Label, say: s.Say, said: s.Said,
		join: func(group, user string) { s.Join(group, user, "active") },
		open: func(branch, title string) int { return s.Open("dev", branch, title) },
	}
}

func changing(sent []string) []string {
	var out []string
	for _, line := range sent {
		if !strings.HasPrefix(line, "GET ") && !strings.HasPrefix(line, "HEAD ") {
			out = append(out, line)
		}
	}
	return out
}

// lab is the one Gitea of this process.
type lab struct {
	server *gitealab.Server
	tokens map[string]string
	err    error
}

var (
	start    = sync.OnceValue(startLab)
	started  atomic.Bool
	worlds   atomic.Int64
	giteaMax = 2 // items of a page: an administrator may set that, and lists get pages
)

func startLab() (l lab) {
	started.Store(true)
	l.tokens = map[string]string{}
	if l.server, l.err = gitealab.Run("", fmt.Sprintf("[api]\nMAX_RESPONSE_ITEMS = %d\n", giteaMax)); l.err != nil {
		return l
	}
	l.tokens[gitealab.Admin] = l.server.Token
	for _, name := range []string{"dev", "reader", "stranger"} {
		if l.tokens[name], l.err = l.server.User(name); l.err != nil {
			return l
		}
	}
	return l
}

func TestMain(m *testing.M) {
	code := m.Run()
	if started.Load() && start().server != nil {
		start().server.Stop()
	}
	os.Exit(code)
}

// gitea is a world in a repository of the real Gitea.
type gitea struct {
	t    *testing.T
	lab  lab
	repo string
	work string
}

func giteaWorld(t *testing.T) (*gitea, *world) {
	t.Helper()
	if os.Getenv("FAIRWAY_FORGE") == "skip" {
		t.Skip("FAIRWAY_FORGE=skip: no Gitea is wanted")
	}
	l := start()
	if l.err != nil {
		t.Fatal(l.err)
	}
	name := fmt.Sprintf("platform%d", worlds.Add(1))
	g := &gitea{t: t, lab: l, repo: gitealab.Admin + "/" + name, work: filepath.Join(t.TempDir(), "work")}
	g.must(l.server.Repository(l.server.Token, name))
	for user, permission := range map[string]string{"dev": "write", "reader": "read"} {
		g.api(gitealab.Admin, http.MethodPut, "/collaborators/"+user, map[string]any{"permission": permission}, nil)
	}
	for _, label := range []string{"preview", "other"} {
		g.api(gitealab.Admin, http.MethodPost, "/labels", map[string]any{"name": label, "color": "#00aabb"}, nil)
	}
	g.must(os.Mkdir(g.work, 0o777))
	g.git("init", "--quiet", "--initial-branch=main")
	g.git("remote", "add", "origin", l.server.Remote("dev", l.tokens["dev"], g.repo))
	g.must(os.WriteFile(filepath.Join(g.work, "README.md"), []byte("platform\n"), 0o666))
	g.git("add", "--all")
	g.git("commit", "--quiet", "-m", "first")
	g.git("push", "--quiet", "origin", "main")
	g.must(l.server.Filled(l.server.Token, g.repo))

	front, sent, breaks := proxied(t, l.server.URL)
	return g, &world{
		kind: "gitea", url: front, repo: g.repo, token: l.server.Token, total: "X-Total-Count", three: 2*giteaMax + 1,
		breaks: breaks, sent: sent, push: g.push, head: g.head, file: g.file, open: g.open, shut: g.shut, land: g.land,
		review: g.review, label: g.label, say: g.say, said: g.said, join: g.join,
	}
}

// join makes a user a member of a team, both of which are made if they are not there.
func (g *gitea) join(group, user string) {
	g.t.Helper()
	organization, name, _ := strings.Cut(group, "/")
	admin := g.lab.server.Token
	if err := g.lab.server.API(admin, http.MethodGet, "/orgs/"+organization, nil, nil); err != nil {
		g.must(g.lab.server.API(admin, http.MethodPost, "/orgs", map[string]any{"username": organization}, nil))
	}
	var teams []struct {
		ID   int64
		Name string
	}
	g.must(g.lab.server.API(admin, http.MethodGet, "/orgs/"+organization+"/teams/search?q="+name, nil, &struct{ Data any }{&teams}))
	var id int64
	for _, t := range teams {
		if t.Name == name {
			id = t.ID
		}
	}
	if id == 0 {
		team := struct{ ID int64 }{}
		g.must(g.lab.server.API(admin, http.MethodPost, "/orgs/"+organization+"/teams", map[string]any{"name": name, "permission": "read", "units": []string{"repo.code"}}, &team))
		id = team.ID
	}
	g.must(g.lab.server.API(admin, http.MethodPut, fmt.Sprintf("/teams/%d/members/%s", id, user), nil, nil))
}

// proxied puts a server in front of another, in which faults can be had.
func proxied(t *testing.T, to string) (string, func() []string, func(contract.Fault)) {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	var fault atomic.Pointer[contract.Fault]
	var mu sync.Mutex
	var log []string
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		log = append(log, r.Method+" "+r.URL.Path)
		mu.Unlock()
		if f := fault.Load(); f != nil {
			(*f)(proxy).ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	sent := func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := changing(log)
		log = nil
		return out
	}
	return server.URL, sent, func(f contract.Fault) {
		if f == nil {
			fault.Store(nil)
			return
		}
		fault.Store(&f)
	}
}

func (g *gitea) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// api asks below the repository.
func (g *gitea) api(user, method, path string, body, into any) {
	g.t.Helper()
	g.must(g.lab.server.API(g.lab.tokens[user], method, "/repos/"+g.repo+path, body, into))
}

// land has Gitea merge a pull request without a merge commit once it has looked at it.
func (g *gitea) land(number int, forward bool) string {
	g.t.Helper()
	how := map[bool]string{false: "rebase", true: "fast-forward-only"}[forward]
	path := fmt.Sprintf("/repos/%s/pulls/%d/merge", g.repo, number)
	err := g.lab.server.API(g.lab.server.Token, http.MethodPost, path, map[string]any{"Do": how}, nil)
	for began := time.Now(); err != nil && time.Since(began) < 2*time.Minute; time.Sleep(200 * time.Millisecond) {
		err = g.lab.server.API(g.lab.server.Token, http.MethodPost, path, map[string]any{"Do": how}, nil)
	}
	g.must(err)
	return g.head("main")
}

func (g *gitea) git(args ...string) string {
	g.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = g.work
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.work, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=dev", "GIT_COMMITTER_EMAIL=dev@example.com",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (g *gitea) push(branch string, files map[string]*string) string {
	g.t.Helper()
	g.git("fetch", "--quiet", "--prune", "origin")
	from := "origin/" + branch
	if g.git("branch", "--remotes", "--list", from) == "" {
		from = "origin/main"
	}
	g.git("checkout", "--quiet", "--force", "-B", "work", from)
	for path, content := range files {
		full := filepath.Join(g.work, path)
		if content == nil {
			g.must(os.Remove(full))
			continue
		}
		g.must(os.MkdirAll(filepath.Dir(full), 0o777))
		g.must(os.WriteFile(full, []byte(*content), 0o666))
	}
	g.git("add", "--all")
	g.git("commit", "--quiet", "--allow-empty", "-m", "push to "+branch)
	g.git("push", "--quiet", "origin", "work:"+branch)
	commit := g.git("rev-parse", "HEAD")
	g.settle(branch, commit)
	return commit
}

// settle waits until the pull requests of a branch are at its commit: Gitea moves
// them after the push was answered.
func (g *gitea) settle(branch, commit string) {
	g.t.Helper()
	for range 200 {
		var open []struct {
			Head struct{ Ref, Sha string }
		}
		g.api(gitealab.Admin, http.MethodGet, "/pulls?state=open", nil, &open)
		behind := false
		for _, p := range open {
			behind = behind || p.Head.Ref == branch && p.Head.Sha != commit
		}
		if !behind {
			return
		}
		time.Sleep(150 * time.Millisecond)
	}
	g.t.Fatalf("the pull request of %s did not move", branch)
}

func (g *gitea) head(branch string) string {
	var there struct{ Commit struct{ ID string } }
	g.api(gitealab.Admin, http.MethodGet, "/branches/"+url.PathEscape(branch), nil, &there)
	return there.Commit.ID
}

func (g *gitea) file(branch, path string) (string, bool) {
	g.git("fetch", "--quiet", "origin")
	if g.git("ls-tree", "--name-only", "origin/"+branch, path) == "" {
		return "", false
	}
	cmd := exec.Command("git", "show", "origin/"+branch+":"+path)
	cmd.Dir = g.work
	out, err := cmd.Output()
	g.must(err)
	return string(out), true
}

func (g *gitea) open(branch, title string) int {
	var made struct{ Number int }
	g.api("dev", http.MethodPost, "/pulls", map[string]any{"title": title, "head": branch, "base": "main"}, &made)
	return made.Number
}

func (g *gitea) shut(number int) {
	g.api("dev", http.MethodPatch, fmt.Sprintf("/pulls/%d", number), map[string]any{"state": "closed"}, nil)
}

func (g *gitea) review(user string, number int, verdict string) {
	event := map[string]string{"APPROVED": "APPROVED", "CHANGES_REQUESTED": "REQUEST_CHANGES", "COMMENTED": "COMMENT"}[verdict]
	g.api(user, http.MethodPost, fmt.Sprintf("/pulls/%d/reviews", number), map[string]any{"event": event, "body": "see above"}, nil)
}

func (g *gitea) label(user string, number int, label string, on bool) {
	var labels []struct {
		ID   int64
		Name string
	}
	g.api(gitealab.Admin, http.MethodGet, "/labels", nil, &labels)
	for _, l := range labels {
		switch {
		case l.Name != label:
		case on:
			g.api(user, http.MethodPost, fmt.Sprintf("/issues/%d/labels", number), map[string]any{"labels": []int64{l.ID}}, nil)
		default:
			g.api(user, http.MethodDelete, fmt.Sprintf("/issues/%d/labels/%d", number, l.ID), nil, nil)
		}
	}
}

func (g *gitea) say(user string, number int, body string) {
	g.api(user, http.MethodPost, fmt.Sprintf("/issues/%d/comments", number), map[string]any{"body": body}, nil)
}

func (g *gitea) said(number int) []string {
	var notes []struct {
		User struct{ Login string }
		Body string
	}
	g.api(gitealab.Admin, http.MethodGet, fmt.Sprintf("/issues/%d/comments", number), nil, &notes)
	var out []string
	for _, n := range notes {
		out = append(out, n.User.Login+": "+n.Body)
	}
	return out
}

func text(s string) *string { return &s }

// mergeable waits until a forge knows whether it can merge.
func mergeable(ctx context.Context, t *testing.T, f forge.Forge, number int, want forge.Mergeable) {
	t.Helper()
	var got forge.PullRequest
	for range 200 {
		var err error
		if got, err = f.Pull(ctx, number); err != nil {
			t.Fatal(err)
		}
		if got.Mergeable == want {
			return
		}
		time.Sleep(150 * time.Millisecond)
	}
	t.Fatalf("mergeable is %q after a while, want %q", got.Mergeable, want)
}
