package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairway-dev/fairway/pkg/status"
)

// aviary hands out canaries: strings that are found nowhere else, each planted
// where something secret goes in.
type aviary struct {
	mu    sync.Mutex
	names map[string]string // where each was planted
}

func (a *aviary) plant(where string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	canary := fmt.Sprintf("canary%03dzq%xyk", len(a.names), time.Now().UnixNano())
	a.names[canary] = where
	return canary
}

// keep takes a secret that was there before for a canary.
func (a *aviary) keep(where, secret string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names[secret] = where
}

// search wants no canary in a text, plain or as Kubernetes keeps it.
func (a *aviary) search(t *testing.T, what string, text []byte) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for canary, where := range a.names {
		for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
			if i := bytes.Index(text, []byte(form)); i >= 0 {
				t.Errorf("%s shows what was planted in %s: ...%s...", what, where, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// vault is a golden path that makes nothing but objects with secrets. body is
// what a service of each name becomes.
func (w *world) vault(objects map[string]string) files {
	out := files{"platform/paths/vault/type.cue": `package vault

import "fairway.dev/schema"

#Service: {
	schema.#Service
	path: "vault"
	endpoints: {}
	environments: [schema.#Name]: schema.#Overlay
}
`, "platform/paths/vault/README.md": "Secrets of a test.\n"}
	var b strings.Builder
	b.WriteString(`package vault

import "fairway.dev/schema"

#Unit: {
	schema.#Unit
	in: _
	#metadata: {
		name:      in.service.name
		namespace: in.namespace
		annotations?: [string]: string
	}
`)
	for _, name := range sortedNames(objects) {
		fmt.Fprintf(&b, "\tif in.service.name == %q {\n\t\tout: objects: it: {%s}\n\t}\n", name, objects[name])
		out.and(files{w.servicePath("shop", name): fmt.Sprintf(`package service

import "fairway.dev/platform/paths/vault"

vault.#Service & {
	name:        %q
	description: "A secret of a test."
	image:       "registry.example.com/test/%s"
}
`, name, name)}).and(w.release(w.dev(), "shop", name, "1.0.0"))
	}
	b.WriteString("}\n")
	out["platform/paths/vault/objects.cue"] = b.String()
	return out
}

func sortedNames(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// secretObject spells a Secret, with one canary a field.
func secretObject(a *aviary, name string, fields ...string) string {
	out := "apiVersion: \"v1\", kind: \"Secret\", metadata: #metadata\n"
	for i, f := range fields {
		canary := a.plant(fmt.Sprintf("%s of the Secret %s", f, name))
		switch f {
		case "data":
			out += fmt.Sprintf("data: k%d: %q\n", i, base64.StdEncoding.EncodeToString([]byte(canary)))
		case "bad base64":
			out += fmt.Sprintf("data: k%d: %q\n", i, "!!"+canary)
		case "list":
			out += fmt.Sprintf("data: [%q]\n", canary)
		case "number":
			out += fmt.Sprintf("stringData: {k%d: {deep: %q}}\n", i, canary)
		case "bad key":
			out += fmt.Sprintf("stringData: \"bad key!\": %q\n", canary)
		default:
			out += fmt.Sprintf("%s: k%d: %q\n", f, i, canary)
		}
	}
	return out
}

// vaults are the services with secrets, and how each comes to grief.
func (w *world) vaults(a *aviary) map[string]string {
	marked := func(data string) string {
		return "apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #metadata, metadata: annotations: \"fairway.dev/sensitive\": \"true\"\n" + data
	}
	many := make([]string, 0, 24)
	for range 10 {
		many = append(many, "data", "stringData")
	}
	return map[string]string{
		"good":     secretObject(a, "good", many...),
		"changing": secretObject(a, "changing", "data", "stringData"),
		"drifting": secretObject(a, "drifting", "data", "data"),
		"badcode":  secretObject(a, "badcode", "bad base64", "data"),
		"listed":   secretObject(a, "listed", "list"),
		"numbered": secretObject(a, "numbered", "number", "data"),
		"misspelt": secretObject(a, "misspelt", "stringDta", "data"),
		"badkey":   secretObject(a, "badkey", "bad key"),
		"denied":   secretObject(a, "denied", "data", "stringData"),
		"clash": secretObject(a, "clash") + fmt.Sprintf("data: k: %q & %q\nstringData: m: %q & =~\"^nothing$\"\n",
			a.plant("one side of a clash"), a.plant("the other side of a clash"), a.plant("what breaks a pattern")),
		"marked":    marked(fmt.Sprintf("data: {a: %q, b: %q}\n", a.plant("a marked ConfigMap"), a.plant("a marked ConfigMap"))),
		"markedbad": marked(fmt.Sprintf("data: {a: {deep: %q}}\n", a.plant("a marked ConfigMap that is refused"))),
	}
}

// denyEchoing has the cluster ask a webhook that refuses the Secrets called
// denied, and says all it was told and a canary of its own wherever it can.
func (w *world) denyEchoing(cluster string, a *aviary) {
	w.t.Helper()
	own := a.plant("the words of a webhook")
	hook := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID    string          `json:"uid"`
				Name   string          `json:"name"`
				Object json.RawMessage `json:"object"`
			} `json:"request"`
		}
		_ = json.NewDecoder(r.Body).Decode(&review) // the API server sends JSON
		said := string(review.Request.Object) + own
		answer := map[string]any{"uid": review.Request.UID, "allowed": review.Request.Name != "denied", "warnings": []string{own}}
		if review.Request.Name == "denied" {
			answer["status"] = map[string]any{"message": said, "reason": own, "code": 422,
				"details": map[string]any{"causes": []any{map[string]any{"field": own, "message": said, "reason": own}}}}
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})
	}))
	w.t.Cleanup(hook.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw})
	api := w.lab.admin[cluster].Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"})
	config := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": map[string]any{"name": "echo-" + w.id},
		"webhooks": []any{map[string]any{
			"name": "echo.example.com", "sideEffects": "None", "admissionReviewVersions": []any{"v1"}, "failurePolicy": "Fail",
			"clientConfig":      map[string]any{"url": hook.URL + "/deny", "caBundle": base64.StdEncoding.EncodeToString(ca)},
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": w.space("shop", w.dev())}},
			"rules":             []any{map[string]any{"operations": []any{"CREATE", "UPDATE"}, "apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{"secrets"}}},
		}},
	}}
	if _, err := api.Create(context.Background(), config, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = api.Delete(context.Background(), "echo-"+w.id, metav1.DeleteOptions{}) })
}

// guardedGit stands before the Git server and wants a password. While rude is
// set it answers with what it was sent.
func (w *world) guardedGit(password string, rude *atomic.Bool) string {
	w.t.Helper()
	behind, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: behind.Scheme, Host: behind.Host})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, got, _ := r.BasicAuth()
		switch {
		case rude.Load():
			http.Error(rw, "remote: "+got+" "+r.Header.Get("Authorization"), http.StatusForbidden)
		case got != password:
			rw.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(rw, "a password, please", http.StatusUnauthorized)
		default:
			proxy.ServeHTTP(rw, r)
		}
	}))
	w.t.Cleanup(server.Close)
	return server.URL + behind.Path
}

// secretFile writes a canary into a file.
func secretFile(t *testing.T, canary string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCanaries: secrets are planted wherever they go in, everything is run that
// says anything, and none of it says one of them.
func TestCanaries(t *testing.T) {
	a := &aviary{names: map[string]string{}}
	l := newLock(t)
	a.keep("the age key", l.key.String())
	var objects map[string]string
	w := newWorld(t, func(w *world) files {
		objects = w.vaults(a)
		return w.teamFile("shop").and(w.vault(objects)).and(w.sealedService(l.seal("sealed", a.plant("a file that sops encrypted"))))
	})
	w.write(files{"environments/" + w.dev() + "/environment.cue": w.environment(w.dev(), 10, "local", `drift: "report"`)})
	w.denyEchoing("local", a)
	config, err := clientcmd.LoadFromFile(w.lab.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	a.keep("the kubeconfig", config.AuthInfos["local"].Token)
	password, token := a.plant("the password file"), a.plant("the token file")
	w.secret = a.plant("the hook's secret")
	w.env = []string{"CANARY_OF_THE_ENVIRONMENT=" + a.plant("the environment")}
	rude := &atomic.Bool{}
	commit := w.push("report drift", files{"REPORT.md": "Drift is reported.\n"})
	data := t.TempDir() // everybody may read it until the daemon takes it over
	p := w.spawnWith(data, w.guardedGit(password, rude), "--verbose", "--git-username", "reader",
		"--git-password-file", secretFile(t, password), "--token-file", secretFile(t, token), "--age-key-file", l.file())
	for name, sync := range map[string]status.Sync{
		"good": status.Synced, "marked": status.Synced, "sealed": status.Synced, "badcode": status.Failed, "listed": status.Failed, "numbered": status.Failed,
		"misspelt": status.Failed, "badkey": status.Failed, "denied": status.Failed, "markedbad": status.Failed, "clash": status.Held,
	} {
		w.waitSync(w.inDev(name), sync)
	}
	if u := w.unit(w.inDev("denied")); !strings.Contains(u.Message, `"echo.example.com" denied`) {
		t.Errorf("a denial does not say whose it is: %s", u.Message)
	}
	w.stir(a, objects)
	w.sayEverything(a, commit)
	rude.Store(true)
	w.hook(w.secret)
	eventually(t, patience, "the rude Git server is noticed", func() string {
		if w.source().Message == "" {
			return "the source has no trouble"
		}
		return ""
	})
	w.answers(a, token)
	p.end(t, syscall.SIGQUIT) // Go writes every goroutine's stack
	a.search(t, "the log", []byte(p.log.String()))
	if !strings.Contains(p.log.String(), "goroutine ") {
		t.Error("there are no stacks in the log")
	}
	w.mustKeepToItself(a, data)
	if n := len(a.names); n < 50 {
		t.Errorf("%d canaries, want 50 at least", n)
	}
	t.Logf("%d canaries", len(a.names))
}

// stir changes a Secret in Git, and two by hand.
func (w *world) stir(a *aviary, objects map[string]string) {
	w.t.Helper()
	objects["changing"] = secretObject(a, "changing, later", "data", "stringData", "data")
	commit := w.push("another secret", w.vault(objects))
	w.hook(w.secret)
	w.waitUnit(w.inDev("changing"), "at the new commit", func(u status.Unit) bool { return u.Revision == commit && u.Sync == status.Synced })
	w.alter("local", "Secret", w.space("shop", w.dev()), "drifting", "kubectl-edit", func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, base64.StdEncoding.EncodeToString([]byte(a.plant("a Secret changed by hand"))), "data", "k0")
		_ = unstructured.SetNestedField(o.Object, base64.StdEncoding.EncodeToString([]byte(a.plant("a Secret added to by hand"))), "data", "extra")
		o.SetAnnotations(withNote(o.GetAnnotations(), "kubectl.kubernetes.io/last-applied-configuration", a.plant("what kubectl noted of a Secret")))
	})
	w.alter("local", "ConfigMap", w.space("shop", w.dev()), "marked", "kubectl-edit", func(o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, a.plant("a marked ConfigMap changed by hand"), "data", "a")
	})
	w.waitSync(w.inDev("drifting"), status.Drifted)
	w.waitSync(w.inDev("marked"), status.Drifted)
}

// sayEverything runs every command that prints what is declared or live.
func (w *world) sayEverything(a *aviary, base string) {
	w.t.Helper()
	where := []string{"--kubeconfig", w.lab.kubeconfig, "--system-namespace", w.system}
	for _, args := range [][]string{
		{"vet"}, {"vet", "--format", "json"}, {"vet", "--format", "sarif"}, {"vet", "--format", "github"},
		{"render"}, {"render", "-o", "json"}, {"render", "--out", filepath.Join(w.t.TempDir(), "rendered")},
		append([]string{"plan"}, where...), append([]string{"plan", "-o", "json"}, where...), append([]string{"plan", "-o", "markdown"}, where...),
		{"plan", "--base", base}, {"plan", "--base", base, "-o", "json"}, {"plan", "--base", base, "-o", "markdown"},
		append([]string{"drift"}, where...), append([]string{"drift", "-o", "json"}, where...), append([]string{"drift", "-o", "markdown"}, where...),
		append([]string{"apply", "--yes", "--env", w.dev(), "--journal", filepath.Join(w.t.TempDir(), "journal.db")}, where...),
		{"status", "--server", w.base}, {"status", "--server", w.base, "-o", "json"},
		{"serve", "--repo", "https://user:" + a.plant("a URL") + "@127.0.0.1:1/x.git", "--data-dir", w.t.TempDir(), "--listen", "127.0.0.1:0", "--poll", "1s"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if args[0] == "serve" {
			ctx, cancel = context.WithTimeout(context.Background(), 3*time.Second)
		}
		cmd := exec.CommandContext(ctx, reconciler(w.t), args...)
		cmd.Dir = w.clone
		cmd.Env = append(append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(w.root, "cache")), w.env...)
		out, _ := cmd.CombinedOutput() // many of them say no
		cancel()
		if len(out) == 0 && !slices.Contains(args, "--out") { // which may go well
			w.t.Errorf("reconciler %s says nothing", strings.Join(args, " "))
		}
		a.search(w.t, "reconciler "+strings.Join(args, " "), out)
		if strings.HasPrefix(strings.Join(args, " "), "render --out") {
			a.searchFolder(w.t, args[2], func(string) bool { return false })
		}
	}
}

// answers asks the API for all it tells, with and without the token.
func (w *world) answers(a *aviary, token string) {
	w.t.Helper()
	paths := []string{"/livez?verbose", "/readyz?verbose", "/metrics", "/api/v1/units", "/api/v1/clusters", "/api/v1/source", "/api/v1/nothing",
		"/api/v1/records?limit=1000", "/api/v1/records?limit=1000&order=newest", "/api/v1/events?since=0", "/api/v1/records?limit=x"}
	units, err := w.units()
	if err != nil {
		w.t.Fatal(err)
	}
	for name := range units {
		paths = append(paths, "/api/v1/units/"+name)
	}
	for _, path := range paths {
		for _, bearer := range []string{"", token, "wrong"} {
			a.search(w.t, path, w.answer(path, bearer))
		}
	}
}

// answer reads an answer, and of a stream what comes at once.
func (w *world) answer(path, bearer string) []byte {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body) // a stream is cut off
	return body
}

// mustKeepToItself looks at what is left behind: the data folder, but for the
// copy of Git and the rendered objects, which nobody else may read; and every
// object on the cluster but those that are secret.
func (w *world) mustKeepToItself(a *aviary, data string) {
	w.t.Helper()
	a.searchFolder(w.t, data, func(name string) bool { return strings.HasPrefix(name, "git/") || name == "results" })
	for name, mode := range map[string]os.FileMode{".": 0o700, "results": 0o600, "journal.db": 0o600} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			w.t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			w.t.Errorf("%s has the mode %o, want %o", name, got, mode)
		}
	}
	for kind, gvr := range kinds() {
		if kind == "Secret" {
			continue // that is where they belong
		}
		list, err := w.lab.admin["local"].Resource(gvr).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range list.Items {
			if list.Items[i].GetName() == "marked" {
				continue
			}
			text, err := list.Items[i].MarshalJSON()
			if err != nil {
				w.t.Fatal(err)
			}
			a.search(w.t, kind+" "+list.Items[i].GetName(), text)
		}
	}
}

// searchFolder searches every file but those that are skipped.
func (a *aviary) searchFolder(t *testing.T, dir string, skip func(name string) bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, e os.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, file)
		if err != nil || e.IsDir() || skip(name) {
			return err
		}
		content, err := os.ReadFile(file)
		a.search(t, file, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func withNote(annotations map[string]string, key, value string) map[string]string {
	out := maps.Clone(annotations)
	out[key] = value
	return out
}
