package pulls_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
	"github.com/fairway-dev/fairway/test/forge/contract"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestPreviewsElsewhere goes the way of a preview with the forges that cannot be had
// here: the stand-ins that keep to their documentation, real Git over HTTP with the names
// that they give heads, and a real control plane.
func TestPreviewsElsewhere(t *testing.T) {
	set, err := labtest.RunSet("local")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Stop)
	clone, repo := founded(t)
	for _, forge := range []struct {
		kind, ref string
		start     func() *contract.Server
	}{{"github", "refs/pull/", contract.GitHub}, {"gitlab", "refs/merge-requests/", contract.GitLab}} {
		t.Run(forge.kind, func(t *testing.T) { // one after the other: they have one plane
			e := &elsewhere{world: &world{t: t, clone: clone, log: &lines{}, data: t.TempDir()}, set: set, kubeconfig: set.Kubeconfig, kind: forge.kind, ref: forge.ref, forge: forge.start()}
			t.Cleanup(e.forge.Close)
			e.forge.At(time.Now())
			e.serve(repo, "--forge-poll", "500ms")
			e.previewed()
			e.stranger()
		})
	}
}

// elsewhere is a small company with a stand-in for a forge, and a daemon that previews.
type elsewhere struct {
	*world
	set        *labtest.Set
	kubeconfig string
	kind, ref  string
	forge      *contract.Server
}

// smallCompany is a company with one service on one cluster, by its files.
func smallCompany() map[string]string {
	return map[string]string{
		"teams/shop/team.cue":                     "package team\n\nimport \"fairway.dev/schema\"\n\nschema.#Team & {name: \"shop\", description: \"A team of a test.\", owners: [\"leads\"]}\n",
		"teams/shop/cart/service.cue":             "package service\n\nimport \"fairway.dev/platform/paths/web\"\n\nweb.#Service & {\n\tname: \"cart\"\n\tdescription: \"A service of a test.\"\n\timage: \"registry.example.com/shop/cart\"\n\thttp: {port: 8080, public: true}\n\tconfig: EDITION: \"0\"\n}\n",
		"environments/dev/releases/shop/cart.cue": "package releases\n\nimport \"fairway.dev/schema\"\n\ncart: schema.#Release & {image: tag: \"1.0.0\"}\n",
		"environments/dev/environment.cue":        "package environment\n\nimport \"fairway.dev/schema\"\n\nschema.#Environment & {name: \"dev\", description: \"An environment of a test.\", rank: 10, clusters: [\"local\"], domain: \"dev.example.com\", quota: {cpu: \"20\", memory: \"40Gi\", pods: 50}}\n",
		"platform/previews/previews.cue":          "package previews\n\nimport \"fairway.dev/schema\"\n\npreviews: schema.#Previews & {\n\tbase: \"dev\"\n\t#environment: {name: _, description: \"A pull request of a test.\", rank: 1, clusters: [\"local\"], domain: \"\\(name).preview.example.com\", maxReplicas: 1, quota: {cpu: \"2\", memory: \"4Gi\", pods: 12}}\n}\n",
	}
}

// founded puts the small company into a repository that is served, and gives a clone and
// the repository's address.
func founded(t *testing.T) (clone, repo string) {
	t.Helper()
	w := &world{t: t, clone: t.TempDir()}
	for _, dir := range []string{"cue.mod", "schema", "platform"} {
		w.must(os.CopyFS(filepath.Join(w.clone, dir), os.DirFS(filepath.Join(labtest.Top(), dir))))
	}
	w.must(labtest.Bare(w.clone))
	w.must(os.RemoveAll(filepath.Join(w.clone, "platform", "clusters", "prod-eu")))
	for name, text := range smallCompany() {
		w.must(os.MkdirAll(filepath.Dir(filepath.Join(w.clone, name)), 0o755))
		w.must(os.WriteFile(filepath.Join(w.clone, name), []byte(text), 0o644))
	}
	root := t.TempDir()
	w.must(githttp.Init(filepath.Join(root, "platform.git"), "main"))
	handler, err := githttp.Handler(root, githttp.Options{})
	w.must(err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	repo = server.URL + "/platform.git"
	for _, args := range [][]string{
		{"init", "--quiet", "-b", "main"}, {"add", "--all"}, {"commit", "--quiet", "-m", "found the company"}, {"remote", "add", "origin", repo}, {"push", "--quiet", "origin", "main"},
	} {
		w.git(args...)
	}
	return w.clone, repo
}

// serve runs the daemon until the test ends, with more flags.
func (e *elsewhere) serve(repo string, more ...string) {
	e.t.Helper()
	token := filepath.Join(e.data, "token")
	e.must(os.WriteFile(token, []byte(e.forge.AddUser("fairway", contract.Admin).Token), 0o600))
	listen := free(e.t)
	e.server = "http://" + listen
	cmd := exec.Command(binary(e.t), append([]string{"serve", "--repo", repo, "--data-dir", filepath.Join(e.data, "data"), "--kubeconfig", e.kubeconfig, "--poll", "1s", "--listen", listen,
		"--forge", e.kind, "--forge-url", e.forge.URL, "--forge-repository", contract.Repository, "--forge-token-file", token}, more...)...)
	cmd.Stdout, cmd.Stderr = e.log, e.log
	e.must(cmd.Start())
	var once sync.Once
	e.stop = func() { once.Do(func() { e.end(cmd) }) }
	e.t.Cleanup(e.stop)
}

// edition pushes an edition of the service to a branch, by the name that the forge gives
// a pull request's head, and gives the commit.
func (e *elsewhere) edition(branch, number, edition string) string {
	e.t.Helper()
	file := filepath.Join(e.clone, "teams", "shop", "cart", "service.cue")
	text, err := os.ReadFile(file)
	e.must(err)
	before, rest, _ := strings.Cut(string(text), `EDITION: "`)
	_, after, _ := strings.Cut(rest, `"`)
	e.must(os.WriteFile(file, []byte(before+`EDITION: "`+edition+`"`+after), 0o644))
	e.git("commit", "--quiet", "--all", "-m", "edition "+edition)
	e.git("push", "--quiet", "--force", "origin", "HEAD:"+e.ref+number+"/head")
	head := e.git("rev-parse", "HEAD")
	e.forge.Point(branch, head)
	return head
}

// told waits until something was said of a head's preview.
func (e *elsewhere) told(head, want string) {
	e.t.Helper()
	e.eventually("the preview of "+head[:12]+" is told: "+want, func() string {
		if said := e.forge.Status(head, "fairway/preview"); !strings.Contains(said, want) {
			return "it is told " + said
		}
		return ""
	})
}

// running is the edition that a preview runs with; "" where there is no preview.
func (e *elsewhere) running(preview string) string {
	e.t.Helper()
	namespace := "shop-" + preview
	maps := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	got, err := e.set.Admin["local"].Resource(maps).Namespace(namespace).Get(e.t.Context(), "cart", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	e.must(err)
	data, _ := got.Object["data"].(map[string]any)
	edition, _ := data["EDITION"].(string)
	return edition
}

// gone waits until a preview's namespace is gone.
func (e *elsewhere) gone(preview string) {
	e.t.Helper()
	spaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	e.eventually(preview+" is gone", func() string {
		_, err := e.set.Admin["local"].Resource(spaces).Get(e.t.Context(), "shop-"+preview, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return "its namespace is there"
	})
}

// previewed: a pull request of who may write becomes a preview, which follows pushes, is
// told of as a status, a comment and a deployment, and goes with the pull request.
func (e *elsewhere) previewed() {
	e.t.Helper()
	e.forge.AddUser("dev", contract.Write)
	e.git("checkout", "--quiet", "--detach", "origin/main")
	head := e.edition("wait", "1", "1")
	e.forge.Open("dev", "wait", "cart is another edition")
	const url = "https://cart.shop.pr-1.preview.example.com"
	e.told(head, "success "+url)
	if got := e.running("pr-1"); got != "1" {
		e.t.Errorf("the preview runs edition %q, want what the pull request has", got)
	}
	second := e.edition("wait", "1", "2")
	e.told(second, "success "+url)
	if got := e.running("pr-1"); got != "2" {
		e.t.Errorf("after a push the preview runs edition %q", got)
	}
	e.eventually("the one comment says that the preview is ready", func() string {
		said := e.forge.Said(1)
		if len(said) != 1 || !strings.Contains(said[0], "**Preview** `pr-1`: ready") {
			return strings.Join(said, "; ")
		}
		return ""
	})
	e.eventually("the preview is a deployment", func() string {
		for _, d := range e.forge.Deployments() {
			if strings.HasPrefix(d, "pr-1 "+second[:7]+" success") || strings.HasPrefix(d, "preview/pr-1 "+second[:7]+" success") {
				return ""
			}
		}
		return strings.Join(e.forge.Deployments(), "; ")
	})
	e.forge.Shut(1)
	e.gone("pr-1")
	e.eventually("the deployment is over", func() string {
		all := strings.Join(e.forge.Deployments(), "; ")
		if strings.Contains(all, "inactive") || strings.Contains(all, "stopped") {
			return ""
		}
		return all
	})
}

// stranger: who may not write is previewed when a maintainer lets exactly that head in.
func (e *elsewhere) stranger() {
	e.t.Helper()
	e.forge.AddUser("guest", contract.Read)
	e.git("checkout", "--quiet", "--detach", "origin/main")
	head := e.edition("theirs", "2", "3")
	e.forge.Open("guest", "theirs", "a stranger's")
	e.forge.Fork(2)
	e.told(head, "preview-"+head[:12])
	if got := e.running("pr-2"); got != "" {
		e.t.Errorf("a stranger's pull request is previewed: edition %q", got)
	}
	passer := e.forge.AddUser("passer-by", contract.Read)
	e.forge.Sent()
	e.forge.Label(passer.Name, 2, "preview-"+head[:12], true)
	e.eventually("it is asked whether who put the label on may write", func() string {
		for _, sent := range e.forge.Sent() {
			if strings.Contains(sent, "/collaborators/"+passer.Name+"/") || strings.HasSuffix(sent, fmt.Sprint("/members/all/", passer.ID)) {
				return ""
			}
		}
		return "nobody asks"
	})
	if got := e.running("pr-2"); got != "" {
		e.t.Errorf("anybody's label lets a stranger's head in: edition %q", got)
	}
	e.forge.AddUser("lead", contract.Admin)
	e.forge.Label("lead", 2, "preview-"+head[:12], true)
	e.told(head, "success https://cart.shop.pr-2.preview.example.com")
	later := e.edition("theirs", "2", "4")
	e.told(later, "preview-"+later[:12])
	e.gone("pr-2")
	e.forge.Shut(2)
}
