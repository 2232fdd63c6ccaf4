package pulls_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairway-dev/fairway/test/forge/gitealab"
	"github.com/fairway-dev/fairway/test/labtest"
)

// platform is the whole of it on this machine, as `reconciler up` runs it with a forge.
type platform struct {
	*world
	state string
	dev   string // the token of who works in the clone
	live  dynamic.Interface
}

// noon is a time at which no environment of the company sleeps.
const noon = "2026-12-01T12:00:00Z"

// newPlatform runs the platform with the example company until the test ends.
func newPlatform(t *testing.T) *platform {
	t.Helper()
	top, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	p := &platform{world: &world{t: t, clone: top, log: &lines{}}, state: state}
	for _, dir := range []string{"cue.mod", "schema", "platform", "teams", "environments", "lab/addons"} {
		p.must(os.CopyFS(filepath.Join(top, dir), os.DirFS(filepath.Join(labtest.Top(), dir))))
	}
	key, err := os.ReadFile(filepath.Join(labtest.Top(), "lab", "demo-age-key.txt"))
	p.must(err)
	p.must(os.WriteFile(filepath.Join(top, "lab", "demo-age-key.txt"), key, 0o600))
	p.git("init", "--quiet", "-b", "main")
	p.git("add", "--all")
	p.git("commit", "--quiet", "-m", "found the company")
	p.up(top)
	p.clone = filepath.Join(state, "platform")
	p.forge = p.theForge()
	return p
}

// up starts the platform and waits until all of it is healthy.
func (p *platform) up(top string) {
	p.t.Helper()
	lab, err := labtest.Binary()
	p.must(err)
	forge, err := gitealab.Binary()
	p.must(err)
	listen := free(p.t)
	p.server = "http://" + listen
	cmd := exec.Command(binary(p.t), "up", "-C", top, "--state-dir", p.state, "--lab", lab, "--gitea", forge, "--listen", listen, "--at", noon, "--timeout", patience.String())
	cmd.Stdout, cmd.Stderr = p.log, p.log
	p.must(cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	p.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			p.t.Error("up did not end within a minute of Ctrl-C")
			_ = cmd.Process.Kill()
			<-ended
		}
		if p.t.Failed() {
			daemon, _ := os.ReadFile(filepath.Join(p.state, "daemon.log"))
			p.t.Logf("up says:\n%s\nthe daemon's log:\n%s", p.log, daemon)
		}
	})
	p.eventually("the platform is healthy", func() string {
		select {
		case <-ended:
			p.t.Fatalf("up ended:\n%s", p.log)
		default:
		}
		if said := p.log.String(); !strings.Contains(said, "Ctrl-C ends everything") {
			return "it says " + said
		}
		return ""
	})
	cfg, err := clientcmd.BuildConfigFromFlags("", filepath.Join(p.state, "planes", "local", "admin.kubeconfig"))
	p.must(err)
	p.live, err = dynamic.NewForConfig(cfg)
	p.must(err)
}

// theForge is the forge of up, as its administrator sees it.
func (p *platform) theForge() *gitealab.Server {
	p.t.Helper()
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(p.state, "forge", name))
		p.must(err)
		return strings.TrimSpace(string(raw))
	}
	p.dev = read("person")
	return &gitealab.Server{URL: "http://127.0.0.1:" + read("port"), Token: read("token")}
}

// proposeAs pushes what was edited for review in somebody's name; it gives the commit.
func (p *platform) proposeAs(user, token, topic, subject string) string {
	p.t.Helper()
	p.git("commit", "--quiet", "--all", "-m", subject)
	p.git("push", "--quiet", p.forge.Remote(user, token, repository), "HEAD:refs/for/main", "-o", "topic="+topic, "-o", "force-push=true")
	return p.git("rev-parse", "HEAD")
}

// object is one of the cluster called local; nil if it is not there.
func (p *platform) object(group, version, resource, namespace, name string) map[string]any {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kind := schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
	o, err := p.live.Resource(kind).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	p.must(err)
	return o.Object
}

// config is a variable of a service in a namespace, "" if it is not there.
func (p *platform) config(namespace, service, name string) string {
	p.t.Helper()
	data, _ := p.object("", "v1", "configmaps", namespace, service)["data"].(map[string]any)
	value, _ := data[name].(string)
	return value
}

// letIn reports whether a service's network policy names a namespace.
func (p *platform) letIn(namespace, service, from string) bool {
	p.t.Helper()
	raw, err := json.Marshal(p.object("networking.k8s.io", "v1", "networkpolicies", namespace, service)["spec"])
	p.must(err)
	return strings.Contains(string(raw), `"`+from+`"`)
}

// gone waits until nothing of a preview is left on the cluster.
func (p *platform) gone(namespace string) time.Duration {
	p.t.Helper()
	return p.eventually(namespace+" is gone", func() string {
		if o := p.object("", "v1", "namespaces", "", namespace); o != nil {
			return fmt.Sprint(o["status"])
		}
		if p.letIn("shop-dev", "cart", namespace) {
			return "cart of dev still lets it in"
		}
		return ""
	})
}

// reconciler runs a command against the daemon; it has to succeed.
func (p *platform) reconciler(args ...string) string {
	p.t.Helper()
	out, err := exec.Command(binary(p.t), append(args, "--server", p.server)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("reconciler %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (p *platform) merge(number int) {
	p.t.Helper()
	p.eventually("the forge merges it", func() string {
		err := p.forge.API(p.forge.Token, http.MethodPost, fmt.Sprintf("/repos/%s/pulls/%d/merge", repository, number), map[string]any{"Do": "merge"}, nil)
		if err != nil {
			return err.Error()
		}
		return ""
	})
}

func (p *platform) close(number int) {
	p.t.Helper()
	p.must(p.forge.API(p.forge.Token, http.MethodPatch, fmt.Sprintf("/repos/%s/pulls/%d", repository, number), map[string]any{"state": "closed"}, nil))
}

// TestPullRequestBecomesAPreview is the walk: propose by git push, read the comment, see
// the preview live, break it and see the line, mend it, merge, see it deployed, and the
// preview gone.
func TestPullRequestBecomesAPreview(t *testing.T) {
	p := newPlatform(t)
	p.edit(checkout, `"20s"`, `"30s"`)
	head := p.proposeAs("dev", p.dev, "wait", "checkout waits longer for payments")
	const url = "https://checkout.shop.pr-1.preview.example.com"
	if said := p.reported(head, "fairway/preview", "success"); said != url {
		t.Errorf("the status says %q, want %s", said, url)
	}
	if got := p.config("shop-pr-1", "checkout", "PAYMENT_TIMEOUT"); got != "30s" {
		t.Errorf("the preview runs with %q, want what the pull request has", got)
	}
	if got := p.config("shop-dev", "checkout", "PAYMENT_TIMEOUT"); got != "20s" {
		t.Errorf("dev runs with %q, want what main has", got)
	}
	if !p.letIn("shop-dev", "cart", "shop-pr-1") || !p.letIn("payments-dev", "payment-gateway", "shop-pr-1") {
		t.Error("what the preview needs and does not have does not let it in")
	}
	if space := p.object("", "v1", "namespaces", "", "shop-pr-1"); !strings.Contains(fmt.Sprint(space), "pod-security.kubernetes.io/enforce:restricted") {
		t.Errorf("the preview's namespace is %v", space)
	}
	p.eventually("the comment tells of the preview", func() string {
		if c := p.comment(1); !strings.Contains(c, "**Preview** `pr-1`: ready") || !strings.Contains(c, "| checkout | "+url+" | Healthy |") {
			return c
		}
		return ""
	})
	if out := p.reconciler("get", "previews"); !strings.Contains(out, "ready") || !strings.Contains(out, url) {
		t.Errorf("get previews says\n%s", out)
	}

	p.edit(checkout, "cpu: 60", "cpu: 6500")
	head = p.proposeAs("dev", p.dev, "wait", "checkout may grow a lot")
	for status, want := range map[string]string{"fairway/vet": "1 mistake, the first in " + checkout + ":", "fairway/preview": checkout + ":"} {
		if said := p.reported(head, status, "failure"); !strings.Contains(said, want) {
			t.Errorf("%s says %q, want %q", status, said, want)
		}
	}
	p.edit(checkout, "cpu: 6500", "cpu: 65")
	head = p.proposeAs("dev", p.dev, "wait", "a little")
	p.reported(head, "fairway/preview", "success")

	p.merge(1)
	p.eventually("dev has what was merged", func() string {
		if got := p.config("shop-dev", "checkout", "PAYMENT_TIMEOUT"); got != "30s" {
			return got
		}
		return ""
	})
	p.gone("shop-pr-1")
	p.eventually("nothing is said to be there", func() string {
		if out := p.reconciler("get", "previews") + p.reconciler("status"); strings.Contains(out, "pr-1") {
			return out
		}
		return ""
	})
	p.stranger()
	p.image()
	log, err := os.ReadFile(filepath.Join(p.state, "daemon.log"))
	p.must(err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "unit failed") && strings.Contains(line, "unit=pr-") {
			t.Errorf("what is of a preview does not go in order: %s", line)
		}
	}
}

// stranger: who may not write here is previewed when somebody lets exactly his head in.
func (p *platform) stranger() {
	p.t.Helper()
	token := p.reader("guest")
	p.git("fetch", "--quiet", "origin", "main")
	p.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
	p.edit(checkout, `"30s"`, `"40s"`)
	head := p.proposeAs("guest", token, "guest", "checkout waits even longer")
	said := p.reported(head, "fairway/preview", "pending")
	if !strings.Contains(said, "preview-"+head[:12]) {
		p.t.Errorf("the status does not say how it is let in: %q", said)
	}
	if p.object("", "v1", "namespaces", "", "shop-pr-2") != nil {
		p.t.Error("a stranger's pull request is previewed")
	}
	p.reconciler("preview", "allow", "pr-2", "--head", head[:12])
	p.reported(head, "fairway/preview", "success")

	p.edit(checkout, `"40s"`, `"50s"`)
	head = p.proposeAs("guest", token, "guest", "and longer")
	p.reported(head, "fairway/preview", "pending")
	p.gone("shop-pr-2")
	p.close(2)
}

// image: a preview of an image that was built elsewhere is a pull request, which is
// closed when the preview is taken away.
func (p *platform) image() {
	p.t.Helper()
	made := p.reconciler("preview", "create", "storefront", "--image", "9.9.9-pr34", "--for", "storefront#34")
	if !strings.HasPrefix(made, "pr-3 ") {
		p.t.Errorf("preview create says %q", made)
	}
	running := func(tag string) func() string {
		return func() string {
			raw, err := json.Marshal(p.object("apps", "v1", "deployments", "shop-pr-3", "storefront")["spec"])
			p.must(err)
			if !strings.Contains(string(raw), ":"+tag+`"`) {
				return string(raw)
			}
			return ""
		}
	}
	p.eventually("the image runs", running("9.9.9-pr34"))
	if again := p.reconciler("preview", "create", "storefront", "--image", "9.9.10-pr34", "--for", "storefront#34"); !strings.HasPrefix(again, "pr-3 ") {
		p.t.Errorf("a later image of the same says %q", again)
	}
	p.eventually("the later image runs", running("9.9.10-pr34"))
	p.reconciler("preview", "extend", "pr-3", "--days", "9")
	var pull struct {
		State  string
		Labels []struct{ Name string }
	}
	at := "/repos/" + repository + "/pulls/3"
	p.must(p.forge.API(p.forge.Token, http.MethodGet, at, nil, &pull))
	if len(pull.Labels) != 1 || !strings.HasPrefix(pull.Labels[0].Name, "preview-until-") {
		p.t.Errorf("the labels are %v", pull.Labels)
	}
	p.reconciler("preview", "delete", "pr-3")
	p.gone("shop-pr-3")
	p.must(p.forge.API(p.forge.Token, http.MethodGet, at, nil, &pull))
	if pull.State != "closed" {
		p.t.Errorf("the pull request is %s", pull.State)
	}
	p.eventually("its branch is gone", func() string {
		var branches []struct{ Name string }
		p.must(p.forge.API(p.forge.Token, http.MethodGet, "/repos/"+repository+"/branches", nil, &branches))
		for _, b := range branches {
			if strings.HasPrefix(b.Name, "preview/") {
				return b.Name
			}
		}
		return ""
	})
	out, err := exec.Command(binary(p.t), "preview", "create", "nothing", "--image", "1.0.0", "--server", p.server).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no such service") {
		p.t.Errorf("a preview of nothing says (%v) %s", err, out)
	}
}
