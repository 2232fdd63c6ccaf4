// Package pulls_test holds what a pull request is told, on a real forge: by git push, the
// real daemon, and the forge's own API as the witness.
package pulls_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/forge/gitealab"
	"github.com/fairway-dev/fairway/test/labtest"
)

// world is a forge with the example company in a repository, and a daemon that reviews.
type world struct {
	t     *testing.T
	forge *gitealab.Server
	clone string
	shop  string // the token of who proposes
	log   *lines

	server string // the daemon's address
	data   string // its folder
	stop   func() // ends it
}

const repository = gitealab.Admin + "/platform"

// lines is a log that is written and read at once.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, forge: gitealab.Start(t), clone: t.TempDir(), log: &lines{}}
	var err error
	if w.shop, err = w.forge.User("shop"); err != nil {
		t.Fatal(err)
	}
	w.must(w.forge.Repository(w.forge.Token, "platform"))
	w.must(w.forge.API(w.forge.Token, http.MethodPut, "/repos/"+repository+"/collaborators/shop", map[string]any{"permission": "read"}, nil))
	for _, dir := range []string{"cue.mod", "schema", "platform", "teams", "environments"} {
		w.must(os.CopyFS(filepath.Join(w.clone, dir), os.DirFS(filepath.Join(labtest.Top(), dir))))
	}
	w.git("init", "--quiet", "-b", "main")
	w.git("add", "--all")
	w.git("commit", "--quiet", "-m", "found the company")
	w.git("push", "--quiet", w.forge.Remote(gitealab.Admin, w.forge.Token, repository), "main")
	w.must(w.forge.Filled(w.forge.Token, repository))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Shop", "-c", "user.email=shop@example.com"}, args...)...)
	cmd.Dir = w.clone
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// serve runs the daemon until the test ends. Its clusters are nowhere: what a pull
// request is told asks none.
func (w *world) serve() {
	w.t.Helper()
	if w.data == "" {
		w.data = w.t.TempDir()
	}
	dir := w.data
	token := filepath.Join(dir, "token")
	w.must(os.WriteFile(token, []byte(w.forge.Token), 0o600))
	listen := free(w.t)
	w.server = "http://" + listen
	kubeconfig := filepath.Join(dir, "kubeconfig")
	w.must(os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\n"), 0o600))
	cmd := exec.Command(binary(w.t), "serve", "--repo", w.forge.URL+"/"+repository+".git", "--data-dir", filepath.Join(dir, "data"),
		"--git-username", gitealab.Admin, "--git-password-file", token, "--kubeconfig", kubeconfig, "--poll", "1s", "--listen", listen,
		"--forge", "gitea", "--forge-url", w.forge.URL, "--forge-repository", repository, "--forge-token-file", token, "--forge-poll", "500ms")
	cmd.Stdout, cmd.Stderr = w.log, w.log
	w.must(cmd.Start())
	var once sync.Once
	w.stop = func() { once.Do(func() { w.end(cmd) }) }
	w.t.Cleanup(w.stop)
}

// end ends a daemon.
func (w *world) end(cmd *exec.Cmd) {
	w.t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		w.t.Error("the daemon did not end within 30 s of SIGTERM")
		_ = cmd.Process.Kill()
		<-done
	}
	if w.t.Failed() {
		w.t.Logf("the daemon's log:\n%s", w.log)
	}
}

// free is an address of this machine that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var built struct { // one build for all tests
	sync.Once
	path string
	err  error
}

// binary is the daemon of this tree, or FAIRWAY_BIN.
func binary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("FAIRWAY_BIN"); bin != "" {
		return bin
	}
	built.Do(func() {
		dir, err := os.MkdirTemp("", "fairway-pulls-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "reconciler")
		cmd := exec.Command("go", "build", "-o", built.path, "./cmd/reconciler")
		cmd.Dir = labtest.Top()
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build reconciler: %w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// edit replaces a text in a file of the clone, which has to be there.
func (w *world) edit(file, old, with string) {
	w.t.Helper()
	name := filepath.Join(w.clone, file)
	raw, err := os.ReadFile(name)
	w.must(err)
	if !strings.Contains(string(raw), old) {
		w.t.Fatalf("%s does not hold %q:\n%s", file, old, raw)
	}
	w.must(os.WriteFile(name, []byte(strings.Replace(string(raw), old, with, 1)), 0o644))
}

// propose commits what was edited and pushes it for review; it gives the commit.
func (w *world) propose(subject string) string {
	w.t.Helper()
	w.git("commit", "--quiet", "--all", "-m", subject)
	w.git("push", "--quiet", w.forge.Remote("shop", w.shop, repository), "HEAD:refs/for/main", "-o", "topic=change", "-o", "force-push=true")
	return w.git("rev-parse", "HEAD")
}

type said struct {
	Body string
	User struct{ Login string }
}

func (w *world) comments(number int) []said {
	w.t.Helper()
	var out []said
	w.must(w.forge.API(w.forge.Token, http.MethodGet, fmt.Sprintf("/repos/%s/issues/%d/comments", repository, number), nil, &out))
	return out
}

// atLines gives what reviews say at lines of a pull request, as "PATH:LINE TEXT".
func (w *world) atLines(number int) []string {
	w.t.Helper()
	var reviews []struct{ ID int64 }
	path := fmt.Sprintf("/repos/%s/pulls/%d/reviews", repository, number)
	w.must(w.forge.API(w.forge.Token, http.MethodGet, path, nil, &reviews))
	var out []string
	for _, r := range reviews {
		var comments []struct {
			Path string
			Line int `json:"position"`
			Body string
		}
		err := w.forge.API(w.forge.Token, http.MethodGet, fmt.Sprintf("%s/%d/comments", path, r.ID), nil, &comments)
		for _, c := range comments {
			out = append(out, fmt.Sprintf("%s:%d %s", c.Path, c.Line, c.Body))
		}
		if err != nil { // it was taken back meanwhile
			out = append(out, err.Error())
		}
	}
	return out
}

// lineOf is the number of the first line of a file that holds a text.
func (w *world) lineOf(file, text string) string {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.clone, file))
	w.must(err)
	before, _, found := strings.Cut(string(raw), text)
	if !found {
		w.t.Fatalf("%s does not hold %q", file, text)
	}
	return strconv.Itoa(strings.Count(before, "\n") + 1)
}

// status is the state and description of a context on a commit, as the forge has it.
func (w *world) status(commit, name string) (state, description string) {
	w.t.Helper()
	var out struct {
		Statuses []struct{ Context, Status, Description string } // the newest of each context
	}
	w.must(w.forge.API(w.forge.Token, http.MethodGet, fmt.Sprintf("/repos/%s/commits/%s/status?limit=50", repository, commit), nil, &out))
	for _, s := range out.Statuses {
		if s.Context == name {
			return s.Status, s.Description
		}
	}
	return "", ""
}

// patience is long, as these run beside much else.
const patience = 5 * time.Minute

func (w *world) eventually(what string, condition func() string) time.Duration {
	w.t.Helper()
	began := time.Now()
	for {
		missing := condition()
		if missing == "" {
			return time.Since(began)
		}
		if time.Since(began) > patience {
			w.t.Fatalf("%s: not within %s: %s", what, patience, missing)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// reported waits until a commit has a status.
func (w *world) reported(commit, name, state string) string {
	w.t.Helper()
	var description string
	w.eventually(name+" is "+state, func() string {
		is, said := w.status(commit, name)
		description = said
		if is == state {
			return ""
		}
		return fmt.Sprintf("it is %q: %s", is, said)
	})
	return description
}

const checkout = "teams/shop/checkout/service.cue"

// TestPullRequestIsTold: whoever proposes a change by git push is told on the pull
// request what it would do; a mistake with its line; and all of it in one comment, which
// changes as the pull request does.
func TestPullRequestIsTold(t *testing.T) {
	w := newWorld(t)
	w.serve()
	w.edit(checkout, "cpu: 60", "cpu: 65")
	first := w.propose("checkout may grow")
	if said := w.reported(first, "fairway/plan", "success"); !strings.Contains(said, "to update") {
		t.Errorf("the plan's status says %q", said)
	}
	w.reported(first, "fairway/vet", "success")
	comment := w.comment(1)
	for _, want := range []string{"averageUtilization", "| prod |", "reconciler review --base", first} {
		if !strings.Contains(comment, want) {
			t.Errorf("the comment does not have %q:\n%s", want, comment)
		}
	}

	w.edit(checkout, "cpu: 65", "cpu: 6500")
	second := w.propose("checkout may grow a lot")
	if said := w.reported(second, "fairway/vet", "failure"); !strings.Contains(said, checkout+":") {
		t.Errorf("the status does not name the line: %q", said)
	}
	w.reported(second, "fairway/plan", "failure")
	w.eventually("the comment names the mistake", func() string {
		if c := w.comment(1); !strings.Contains(c, "What this change breaks") || !strings.Contains(c, checkout+":") {
			return c
		}
		return ""
	})

	w.eventually("the mistake stands at its line", func() string {
		if at := w.atLines(1); len(at) != 1 || !strings.HasPrefix(at[0], checkout+":"+w.lineOf(checkout, "cpu: 6500")+" ") || !strings.Contains(at[0], "6500") {
			return fmt.Sprintf("at lines: %q", at)
		}
		return ""
	})

	w.edit(checkout, "cpu: 6500", "cpu: 70")
	third := w.propose("a little")
	w.reported(third, "fairway/vet", "success")
	w.eventually("nothing is said at lines any more", func() string { return strings.Join(w.atLines(1), "\n") })
	w.eventually("the comment is of the mended change", func() string {
		if c := w.comment(1); strings.Contains(c, "breaks") || !strings.Contains(c, "70") {
			return c
		}
		return ""
	})
	w.mustMatchTerminal(third)
	w.mustMatchDaemon(third)
}

// mustMatchDaemon holds that plan --pr gives what stands on the pull request, and pulls a line of it.
func (w *world) mustMatchDaemon(head string) {
	w.t.Helper()
	out, err := exec.Command(binary(w.t), "plan", "--pr", "1", "--server", w.server).CombinedOutput()
	_, told, _ := strings.Cut(w.comment(1), "-->\n")
	if err != nil || strings.TrimSpace(string(out)) != strings.TrimSpace(told) {
		w.t.Errorf("plan --pr 1 says (%v)\n%s\nthe comment\n%s", err, out, told)
	}
	out, err = exec.Command(binary(w.t), "pulls", "--server", w.server).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "to update") || !strings.Contains(string(out), "shop") {
		w.t.Errorf("pulls says (%v)\n%s", err, out)
	}
	var list struct{ Items []struct{ Head string } }
	out, err = exec.Command(binary(w.t), "pulls", "-o", "json", "--server", w.server).Output()
	if err = errors.Join(err, json.Unmarshal(out, &list)); err != nil || len(list.Items) != 1 || list.Items[0].Head != head {
		w.t.Errorf("pulls -o json says (%v)\n%s", err, out)
	}
	if out, err = exec.Command(binary(w.t), "plan", "--pr", "7", "--server", w.server).CombinedOutput(); err == nil || !strings.Contains(string(out), "pull request 7") {
		w.t.Errorf("plan --pr 7 says (%v)\n%s", err, out)
	}
}

// TestJobReports: a job without a daemon says the same as one, once however often it runs, and
// fails where the change brings mistakes.
func TestJobReports(t *testing.T) {
	w := newWorld(t)
	token := filepath.Join(t.TempDir(), "token")
	w.must(os.WriteFile(token, []byte(w.forge.Token), 0o600))
	cache := t.TempDir()
	job := func() (string, error) {
		cmd := exec.Command(binary(t), "ci", "--pr", "1", "--repo", w.forge.URL+"/"+repository+".git", "--git-username", gitealab.Admin, "--git-password-file", token,
			"--cache-dir", cache, "--forge", "gitea", "--forge-url", w.forge.URL, "--forge-repository", repository, "--forge-token-file", token)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := job(); err == nil || !strings.Contains(out, "1") {
		t.Errorf("without a pull request it says (%v)\n%s", err, out)
	}
	w.edit(checkout, "cpu: 60", "cpu: 65")
	head := w.propose("checkout may grow")
	for range 2 {
		if out, err := job(); err != nil || !strings.Contains(out, "to update") {
			t.Fatalf("it says (%v)\n%s", err, out)
		}
	}
	for _, name := range []string{"fairway/vet", "fairway/plan"} {
		if state, said := w.status(head, name); state != "success" {
			t.Errorf("%s is %s: %s", name, state, said)
		}
	}
	w.mustMatchTerminal(head)

	w.edit(checkout, "cpu: 65", "cpu: 6500")
	head = w.propose("a lot")
	out, err := job()
	if code := cmdCode(err); code != 1 {
		t.Errorf("a mistake ends it with %d (%v)\n%s", code, err, out)
	}
	if state, said := w.status(head, "fairway/vet"); state != "failure" || !strings.Contains(said, checkout+":") {
		t.Errorf("fairway/vet is %s: %s", state, said)
	}
	_ = w.comment(1) // one, still
}

func cmdCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}

// comment is the one comment of ours on a pull request.
func (w *world) comment(number int) string {
	w.t.Helper()
	var ours []string
	w.eventually("there is a comment", func() string {
		ours = nil
		for _, c := range w.comments(number) {
			if c.User.Login == gitealab.Admin {
				ours = append(ours, c.Body)
			}
		}
		if len(ours) == 0 {
			return "there is none"
		}
		return ""
	})
	if len(ours) != 1 {
		w.t.Fatalf("%d comments of ours, want one", len(ours))
	}
	return ours[0]
}

// mustMatchTerminal holds that the command which the report names gives the same bytes.
func (w *world) mustMatchTerminal(head string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(w.t), "review", "--base", w.base(), "--rev", head)
	cmd.Dir = w.clone
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+w.t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("review in the terminal: %v: %s", err, out)
	}
	_, told, _ := strings.Cut(w.comment(1), "-->\n")
	told, _, _ = strings.Cut(told, "**Who must approve**")
	if strings.TrimSpace(told) != strings.TrimSpace(string(out)) {
		w.t.Errorf("the terminal says\n%s\nthe comment\n%s", out, told)
	}
}

// base is the commit that proposals are made from: the first.
func (w *world) base() string { return w.git("rev-list", "--max-parents=0", "HEAD") }

// TestConflictIsTold: what cannot be merged is told with the files.
func TestConflictIsTold(t *testing.T) {
	w := newWorld(t)
	base := w.git("rev-parse", "HEAD")
	w.edit(checkout, "max: 12", "max: 13")
	w.git("commit", "--quiet", "--all", "-m", "the base goes on")
	w.git("push", "--quiet", w.forge.Remote(gitealab.Admin, w.forge.Token, repository), "main")
	w.git("checkout", "--quiet", "-b", "other", base)
	w.edit(checkout, "max: 12", "max: 14")
	head := w.propose("checkout may grow")
	w.serve()
	if said := w.reported(head, "fairway/plan", "failure"); said != "1 file conflicts with the base branch" {
		t.Errorf("the status says %q", said)
	}
	if c := w.comment(1); !strings.Contains(c, "- "+checkout+"\n") {
		raw, _ := json.Marshal(c)
		t.Errorf("the comment does not name the file: %s", raw)
	}
}
