package workload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairway-dev/fairway/test/faults/world"
)

// Standard is W0, the standard workload: six teams in three environments on two
// clusters, about forty services and 260 objects, among them namespaces, a
// Deployment whose replicas are somebody else's, and Jobs that cannot be
// changed; and sixteen commits, one of everything that happens to a platform.
func Standard() (*world.Workload, error) {
	quota, err := edited("platform/baseline/team/quota.cue", `"services.nodeports":     "0"`, "\"services.nodeports\":     \"0\"\n\t\t\t\"count/secrets\":          \"100\"")
	if err != nil {
		return nil, err
	}
	all := []string{"dev", "staging", "prod"}
	cart := service("web", "shop", "cart", `needs: pay: service: "pay"`)
	renamed := world.Files{servicePath("shop", "cart"): world.Gone, "teams/" + team("shop") + "/cart/cart.cue": cart[servicePath("shop", "cart")]}
	return &world.Workload{Name: "w0", Steps: []world.Step{
		{Name: "found", Edits: company(all)},
		{Name: "release", Edits: released("shop", "checkout", "1.1.0", all...)},
		{Name: "new service", Edits: service("web", "risk", "limits", `needs: ledger: service: "ledger"`).And(released("risk", "limits", "1.0.0", all...))},
		{Name: "scaled", Edits: service("web", "search", "finder", "scale: {min: 3, max: 6}"), Act: scaledByHand},
		{Name: "invalid beside a change", Edits: service("web", "shop", "storefront", `needs: cart: service: "crat"`).
			And(service("web", "money", "pay", `config: MODE: "strict"`))},
		{Name: "fix", Edits: service("web", "shop", "storefront", `needs: cart: service: "cart"`+"\n\tconfig: SIZE: \"9\"")},
		{Name: "file renamed", Edits: renamed},
		{Name: "renders nothing", Edits: service("note", "ops", "motd", `args: ["nothing"]`)},
		{Name: "renders again", Edits: service("note", "ops", "motd", "")},
		{Name: "service removed", Edits: removed("ops", "audit", all...)},
		{Name: "removal reverted", Revert: "service removed"},
		{Name: "release removed", Edits: world.Files{releasePath("prod", "risk", "scorer"): world.Gone}},
		{Name: "cannot be changed", Edits: released("data", "migrate", "2.0.0", "dev")},
		{Name: "change taken back", Revert: "cannot be changed"},
		{Name: "platform changed", Edits: world.Files{"platform/baseline/team/quota.cue": quota}},
		// Not dev: its Job has the configuration's hash in its pods, which cannot be changed.
		{Name: "environments changed", Edits: environment("staging", 20, "local", "warn", "").And(environment("prod", 30, "prod-eu", "warn", ""))},
	}}, nil
}

// company is what the standard workload starts with.
func company(all []string) world.Files {
	out := environment("dev", 10, "local", "debug", "").And(environment("staging", 20, "local", "info", "")).And(environment("prod", 30, "prod-eu", "info", ""))
	for _, t := range []string{"shop", "money", "data", "search", "ops", "risk"} {
		out.And(teamFile(t))
	}
	for _, s := range []struct{ path, team, name, more string }{
		{"web", "shop", "storefront", `needs: cart: service: "cart"`},
		{"web", "shop", "cart", `needs: pay: service: "pay"`},
		{"web", "shop", "checkout", `needs: {pay: service: "pay", cart: service: "cart"}` + "\n\thttp: public: true\n\tscale: {min: 2, max: 4}"},
		{"web", "money", "pay", ""},
		{"web", "money", "ledger", ""},
		{"worker", "money", "mail", ""},
		{"worker", "data", "events", ""},
		{"cron", "data", "report", ""},
		{"web", "search", "finder", ""},
		{"worker", "search", "indexer", ""},
		{"web", "ops", "audit", `needs: ledger: service: "ledger"`},
		{"note", "ops", "motd", ""},
		{"web", "risk", "scorer", `needs: pay: service: "pay"`},
	} {
		out.And(service(s.path, s.team, s.name, s.more)).And(released(s.team, s.name, "1.0.0", all...))
	}
	return out.And(paths()).And(service("task", "data", "migrate", "")).And(released("data", "migrate", "1.0.0", "dev"))
}

// edited is a file of the repository with one change.
func edited(path, old, changed string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(world.Top(), path))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(raw), old) {
		return "", fmt.Errorf("%s no longer has %q, which the standard workload changes", path, old)
	}
	return strings.Replace(string(raw), old, changed, 1), nil
}

// scaledByHand has somebody, as an autoscaler would, give checkout in prod more
// pods than it asks for at least. Its Deployment says nothing of replicas.
func scaledByHand(w *world.World) error {
	deployments := w.Admin()["prod-eu"].Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"})
	api := deployments.Namespace(w.Own(Space("shop", "prod")))
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		_, err := api.Patch(context.Background(), "checkout", "application/merge-patch+json", []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{FieldManager: "autoscaler"}, "scale")
		if !apierrors.IsNotFound(err) || time.Since(began) > time.Minute {
			return err // it may not be there yet: the daemon is having a hard time
		}
	}
}

// paths are golden paths of the workload's own: a Job, whose pods cannot be
// changed, and one that can render nothing at all.
func paths() world.Files {
	kind := func(path, more string) string {
		return fmt.Sprintf(`// Package %s is a golden path of a test.
package %s

import "fairway.dev/schema"

// #Service is what a team writes.
#Service: {
	schema.#Service
	path: %q
	%s

	// What is different in an environment.
	environments: [schema.#Name]: #Overlay
}

// #Overlay is what may differ.
#Overlay: {
	schema.#Overlay
}
`, path, path, path, more)
	}
	return world.Files{
		"platform/paths/task/type.cue": kind("task", "\n\t// What its run is given.\n\tresources: _\n\n\t// Says that it is one.\n\ttask!: bool\n"),
		"platform/paths/task/objects.cue": `package task

import (
	"fairway.dev/platform/parts"
	"fairway.dev/schema"
)

// #Unit is a Job that runs once.
#Unit: {
	schema.#Unit
	parts.#Workload
	in:        _
	#metadata: _
	#pod:      _
	#public:   false
	#pod: spec: restartPolicy: "Never"
	out: objects: job: {
		apiVersion: "batch/v1"
		kind:       "Job"
		metadata:   #metadata
		spec: {
			backoffLimit: 2
			template:     #pod
		}
	}
}
`,
		"platform/paths/note/type.cue": kind("note", ""),
		"platform/paths/note/objects.cue": `package note

import "fairway.dev/schema"

// #Unit is a ConfigMap, or nothing.
#Unit: {
	schema.#Unit
	in: _
	if in.service.args == _|_ {
		out: objects: note: {
			apiVersion: "v1"
			kind:       "ConfigMap"
			metadata: {name: in.service.name, namespace: in.namespace}
			data: text: "hello"
		}
	}
	out: objects: {}
}
`,
	}
}
