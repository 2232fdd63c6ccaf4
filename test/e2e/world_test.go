package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/status"
	"github.com/fairway-dev/fairway/pkg/tenancy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// files are the edits of one commit: path to content, or gone.
type files map[string]string

const gone = "\x00gone"

// and adds edits.
func (f files) and(more files) files {
	maps.Copy(f, more)
	return f
}

// world is one test's company: its repository, its Git server and its names on
// the shared clusters.
type world struct {
	t      *testing.T
	lab    *lab
	id     string // in every name of this world
	system string // namespace of its inventory
	root   string // folder of the Git server
	clone  string
	url    string
	secret string
	pushed atomic.Pointer[func()] // what the Git server does after a push
	daemon *daemon
	base   string           // address of the daemon's API
	env    []string         // more of the environment of processes
	clock  func() time.Time // the daemon's; nil for the machine's
	note   time.Duration    // how long the record of a revision may wait
	merges reconcile.Merges // who is asked of merges; nil for nobody

	// proxies stand before a cluster, for tests that cut it off.
	proxies map[string]*proxy
}

var worlds atomic.Int64

// newWorld is a world that others live beside: its test runs with others at
// the same time.
func newWorld(t *testing.T, declared func(w *world) files) *world {
	t.Helper()
	t.Parallel()
	return newAlone(t, declared)
}

// newAlone is for tests that others would disturb. It makes a company with the
// environments dev on local and prod on prod-eu, and the declarations given, and
// pushes it. No daemon runs yet.
func newAlone(t *testing.T, declared func(w *world) files) *world {
	t.Helper()
	w := &world{
		t: t, lab: theLab(t), id: fmt.Sprintf("t%03d", worlds.Add(1)), secret: "a hook's secret",
		root: t.TempDir(), clone: filepath.Join(t.TempDir(), "platform"), proxies: map[string]*proxy{},
	}
	w.system = tenancy.SystemNamespace + "-" + w.id
	w.mayRecord()
	if err := githttp.Init(filepath.Join(w.root, "platform.git"), "main"); err != nil {
		t.Fatal(err)
	}
	handler, err := githttp.Handler(w.root, githttp.Options{OnPush: func(string) {
		if do := w.pushed.Load(); do != nil {
			(*do)()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	w.url = server.URL + "/platform.git"
	gitIn(t, w.root, "clone", "--quiet", w.url, w.clone)
	gitIn(t, w.clone, "checkout", "--quiet", "-B", "main")
	w.copyPlatform()
	w.push("found the company", w.environments().and(declared(w)))
	t.Cleanup(w.abandon)
	return w
}

// copyPlatform takes over the repository's own platform, with bare clusters and
// without policies, which services of tests do not live up to.
func (w *world) copyPlatform() {
	w.t.Helper()
	for _, dir := range []string{"schema", "platform", "cue.mod"} {
		if err := os.CopyFS(filepath.Join(w.clone, dir), os.DirFS(filepath.Join(top(), dir))); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, dir := range []string{"policies", "exceptions", "approvals"} {
		if err := os.RemoveAll(filepath.Join(w.clone, "platform", dir)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := labtest.Bare(w.clone); err != nil {
		w.t.Fatal(err)
	}
}

// abandon stops what of the world runs, without waiting for it. The rest lies there
// and disturbs nobody; to remove a namespace, a cluster asks for each kind it has.
func (w *world) abandon() {
	if w.daemon != nil {
		w.daemon.stop()
	}
	background := metav1.DeletePropagationBackground
	for _, name := range clusters() {
		for _, space := range w.spaces(name) {
			for _, kind := range []string{"Deployment", "StatefulSet", "CronJob", "Job"} {
				_ = w.lab.admin[name].Resource(kinds()[kind]).Namespace(space).DeleteCollection(
					context.Background(), metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{})
			}
		}
	}
}

// spaces are this world's namespaces on a cluster; none if it does not answer.
func (w *world) spaces(cluster string) []string {
	list, err := w.lab.admin[cluster].Resource(kinds()["Namespace"]).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return nil
	}
	var out []string
	for _, ns := range list.Items {
		if strings.Contains(ns.GetName(), w.id) {
			out = append(out, ns.GetName())
		}
	}
	return out
}

// The names of this world.
func (w *world) dev() string  { return "dev-" + w.id }
func (w *world) prod() string { return "prod-" + w.id }

// team is the full name of a team. Example: "shop-t001".
func (w *world) team(name string) string { return name + "-" + w.id }

// space is the namespace of a team in an environment.
func (w *world) space(team, environment string) string { return w.team(team) + "-" + environment }

func (w *world) inDev(service string) string  { return w.dev() + "/local/" + service }
func (w *world) inProd(service string) string { return w.prod() + "/prod-eu/" + service }

func (w *world) environments() files {
	return files{
		"environments/" + w.dev() + "/environment.cue":  w.environment(w.dev(), 10, "local", ""),
		"environments/" + w.prod() + "/environment.cue": w.environment(w.prod(), 30, "prod-eu", ""),
	}
}

func (w *world) environment(name string, rank int, cluster, more string) string {
	return fmt.Sprintf(`package environment

import "fairway.dev/schema"

schema.#Environment & {
	name:        %q
	description: "An environment of a test."
	rank:        %d
	clusters: [%q]
	domain:      "%s.example.com"
	config: LOG_LEVEL: "info"
	quota: {cpu: "200", memory: "400Gi", pods: 500}
	%s
}
`, name, rank, cluster, name, more)
}

// teamFile declares a team.
func (w *world) teamFile(name string) files {
	return files{"teams/" + w.team(name) + "/team.cue": fmt.Sprintf(`package team

import "fairway.dev/schema"

schema.#Team & {
	name:        %q
	description: "A team of a test."
	owners: ["leads"]
}
`, w.team(name))}
}

// web declares a web service. more is put into its body.
func (w *world) web(team, name, more string) files {
	if !strings.Contains(more, "scale:") {
		more = "scale: min: 1\n\t" + more
	}
	return files{w.servicePath(team, name): fmt.Sprintf(`package service

import "fairway.dev/platform/paths/web"

web.#Service & {
	name:        %q
	description: "A service of a test."
	image:       "registry.example.com/test/%s"
	http: port: 8080
	%s
}
`, name, name, more)}
}

func (w *world) servicePath(team, name string) string {
	return "teams/" + w.team(team) + "/" + name + "/service.cue"
}

func (w *world) releasePath(environment, team, name string) string {
	return "environments/" + environment + "/releases/" + w.team(team) + "/" + name + ".cue"
}

// release declares what of a service runs in an environment.
func (w *world) release(environment, team, name, tag string) files {
	return files{w.releasePath(environment, team, name): fmt.Sprintf(`package releases

import "fairway.dev/schema"

%q: schema.#Release & {image: tag: %q}
`, name, tag)}
}

// everywhere declares a web service and releases it in dev and prod.
func (w *world) everywhere(team, name, more string) files {
	return w.web(team, name, more).and(w.release(w.dev(), team, name, "1.0.0")).and(w.release(w.prod(), team, name, "1.0.0"))
}

// removed takes a service and its releases away.
func (w *world) removed(team, name string) files {
	return files{
		w.servicePath(team, name):          gone,
		w.releasePath(w.dev(), team, name): gone, w.releasePath(w.prod(), team, name): gone,
	}
}

// shopAndPay is the company of most tests: pay is called by cart and checkout
// of the team shop, and belongs to the team money.
func shopAndPay(w *world) files {
	return w.teamFile("shop").and(w.teamFile("money")).
		and(w.everywhere("money", "pay", "")).
		and(w.everywhere("shop", "cart", `needs: pay: service: "pay"`)).
		and(w.everywhere("shop", "checkout", `needs: {pay: service: "pay", cart: service: "cart"}`))
}

// write makes edits in the working clone.
func (w *world) write(edits files) {
	w.t.Helper()
	for path, content := range edits {
		file := filepath.Join(w.clone, path)
		if content == gone {
			if err := os.Remove(file); err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

// push commits edits and pushes them, as a person would. It gives the commit.
func (w *world) push(subject string, edits files) string {
	w.t.Helper()
	w.write(edits)
	gitIn(w.t, w.clone, "add", "--all")
	gitIn(w.t, w.clone, "commit", "--quiet", "--no-verify", "-m", subject)
	return w.pushHead()
}

// pushHead pushes what is committed.
func (w *world) pushHead(flags ...string) string {
	w.t.Helper()
	gitIn(w.t, w.clone, append([]string{"push", "--quiet", "--no-verify", "origin", "HEAD:main"}, flags...)...)
	return gitIn(w.t, w.clone, "rev-parse", "HEAD")
}

// ask reads one answer of the daemon's API.
func (w *world) ask(path string, into any) error {
	res, err := http.Get(w.base + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// units gives what the daemon says of this world's units, by name.
func (w *world) units() (map[string]status.Unit, error) {
	var list struct{ Items []status.Unit }
	if err := w.ask("/api/v1/units", &list); err != nil {
		return nil, err
	}
	out := map[string]status.Unit{}
	for _, u := range list.Items {
		if strings.Contains(u.Unit.Environment, w.id) {
			out[u.Unit.String()] = u
		}
	}
	return out, nil
}

func (w *world) unit(name string) status.Unit {
	w.t.Helper()
	units, err := w.units()
	if err != nil {
		w.t.Fatal(err)
	}
	return units[name]
}

func (w *world) source() status.Source {
	w.t.Helper()
	var s status.Source
	if err := w.ask("/api/v1/source", &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// records reads the journal's records of some kinds, oldest first.
func (w *world) records(unit string, of ...journal.Kind) []journal.Record {
	w.t.Helper()
	query := url.Values{"limit": {"1000"}}
	if unit != "" {
		query.Set("unit", unit)
	}
	for _, k := range of {
		query.Add("kind", string(k))
	}
	var list struct{ Items []journal.Record }
	if err := w.ask("/api/v1/records?"+query.Encode(), &list); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

// waitUnit waits until a unit is as wanted.
func (w *world) waitUnit(name, what string, is func(status.Unit) bool) status.Unit {
	w.t.Helper()
	var got status.Unit
	eventually(w.t, patience, name+" is "+what, func() string {
		units, err := w.units()
		if err != nil {
			return err.Error()
		}
		if got = units[name]; is(got) {
			return ""
		}
		return describe(got)
	})
	return got
}

func describe(u status.Unit) string {
	return fmt.Sprintf("%s is %s %s at %.7s of %.7s: %s %s (%s)", u.Unit, u.Sync, u.Health, u.Revision, u.Desired, u.Reason, u.Message, u.Hint)
}

func (w *world) waitSync(name string, sync status.Sync) status.Unit {
	w.t.Helper()
	return w.waitUnit(name, string(sync), func(u status.Unit) bool { return u.Sync == sync })
}

// settled waits until the daemon has a commit and all units are synced, but
// those named, and ready.
func (w *world) settled(commit string, but ...string) {
	w.t.Helper()
	eventually(w.t, patience, "everything is synced and healthy", func() string {
		var s status.Source
		if err := w.ask("/api/v1/source", &s); err != nil {
			return err.Error()
		}
		if s.Revision != commit {
			return fmt.Sprintf("the daemon is at %.7s and not at %.7s: %s", s.Revision, commit, s.Message)
		}
		units, err := w.units()
		if err != nil {
			return err.Error()
		}
		for _, name := range slices.Sorted(maps.Keys(units)) {
			if u := units[name]; !slices.Contains(but, name) && u.Conditions()[0].Status != "True" {
				return describe(u)
			}
		}
		if len(units) == 0 {
			return "there are no units"
		}
		return ""
	})
	w.quiet()
}

// quiet waits until every creation is recorded in the inventory by its UID, if
// it is going to be, and the daemon then wrote nothing for a second and a half,
// longer than inventories hold back.
func (w *world) quiet() {
	w.t.Helper()
	last, since, began := w.lab.now(w.t), time.Now(), time.Now()
	eventually(w.t, patience, "the daemon is quiet", func() string {
		switch long := time.Since(since) > 1500*time.Millisecond; {
		case len(w.writes(last)) > 0:
			last, since = w.lab.now(w.t), time.Now()
		case long && time.Since(began) < 5*time.Second && w.unconfirmed():
			return "it has not recorded what it made"
		case long:
			return ""
		}
		return "it writes"
	})
}

// unconfirmed reports whether an inventory has creations without a UID.
func (w *world) unconfirmed() bool {
	w.t.Helper()
	for _, name := range clusters() {
		list, err := w.lab.admin[name].Resource(kinds()["ConfigMap"]).Namespace(w.system).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, part := range list.Items {
			data, _ := part.Object["data"].(map[string]any)
			for _, value := range data {
				if text, _ := value.(string); strings.Contains(text, `,""]`) {
					return true
				}
			}
		}
	}
	return false
}

// kinds are those that tests look at.
func kinds() map[string]schema.GroupVersionResource {
	of := func(group, version, resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
	}
	return map[string]schema.GroupVersionResource{
		"Namespace": of("", "v1", "namespaces"), "Secret": of("", "v1", "secrets"), "ConfigMap": of("", "v1", "configmaps"), "Service": of("", "v1", "services"),
		"ServiceAccount": of("", "v1", "serviceaccounts"), "ResourceQuota": of("", "v1", "resourcequotas"), "LimitRange": of("", "v1", "limitranges"),
		"Deployment": of("apps", "v1", "deployments"), "CronJob": of("batch", "v1", "cronjobs"),
		"StatefulSet": of("apps", "v1", "statefulsets"), "Job": of("batch", "v1", "jobs"), "PersistentVolumeClaim": of("", "v1", "persistentvolumeclaims"),
		"NetworkPolicy": of("networking.k8s.io", "v1", "networkpolicies"), "Ingress": of("networking.k8s.io", "v1", "ingresses"),
		"StorageClass": of("storage.k8s.io", "v1", "storageclasses"), "PriorityClass": of("scheduling.k8s.io", "v1", "priorityclasses"),
		"ValidatingAdmissionPolicy":        of("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies"),
		"ValidatingAdmissionPolicyBinding": of("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"),
		"HorizontalPodAutoscaler":          of("autoscaling", "v2", "horizontalpodautoscalers"), "PodDisruptionBudget": of("policy", "v1", "poddisruptionbudgets"),
	}
}

// live reads one object, or gives nil.
func (w *world) live(cluster, kind, namespace, name string) *unstructured.Unstructured {
	w.t.Helper()
	o, err := w.lab.admin[cluster].Resource(kinds()[kind]).Namespace(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// alter changes an object as somebody with kubectl edit does, who saves again
// when a controller wrote its status meanwhile.
func (w *world) alter(cluster, kind, namespace, name, manager string, change func(o *unstructured.Unstructured)) {
	w.t.Helper()
	api := w.lab.admin[cluster].Resource(kinds()[kind]).Namespace(namespace)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		o, err := api.Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(o)
		_, err = api.Update(context.Background(), o, metav1.UpdateOptions{FieldManager: manager})
		return err
	})
	if err != nil {
		w.t.Fatalf("change %s %s/%s by hand: %v", kind, namespace, name, err)
	}
}

func (w *world) remove(cluster, kind, namespace, name string) {
	w.t.Helper()
	api := w.lab.admin[cluster].Resource(kinds()[kind]).Namespace(namespace)
	if err := api.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// objects lists everything of this world on a cluster that says it is ours, by
// kind, namespace and name.
func (w *world) objects(cluster string) map[string]*unstructured.Unstructured {
	w.t.Helper()
	out := map[string]*unstructured.Unstructured{}
	for kind, gvr := range kinds() {
		list, err := w.lab.admin[cluster].Resource(gvr).List(context.Background(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=fairway"})
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			if strings.Contains(o.GetNamespace()+"/"+o.GetName(), w.id) {
				out[kind+" "+o.GetNamespace()+"/"+o.GetName()] = o
			}
		}
	}
	return out
}

// essence is an object without what changes though nothing changed. With same,
// it is the same object and not one made again: the UID stays in.
func essence(o *unstructured.Unstructured, same bool) map[string]any {
	c := o.DeepCopy()
	delete(c.Object, "status")
	meta := c.Object["metadata"].(map[string]any)
	delete(meta, "resourceVersion")
	delete(meta, "generation")
	delete(meta, "managedFields")
	if !same {
		delete(meta, "uid")
		delete(meta, "creationTimestamp")
		unstructured.RemoveNestedField(c.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(c.Object, "spec", "clusterIPs")
	}
	annotations := c.GetAnnotations()
	delete(annotations, "fairway.dev/commit")
	delete(annotations, "deployment.kubernetes.io/revision")
	c.SetAnnotations(annotations)
	return c.Object
}

// essences are the essences of all objects on a cluster.
func (w *world) essences(cluster string, same bool) map[string]map[string]any {
	w.t.Helper()
	out := map[string]map[string]any{}
	for name, o := range w.objects(cluster) {
		out[name] = essence(o, same)
	}
	return out
}
