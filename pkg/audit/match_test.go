package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/journal"
)

// scene is a journal and what an API server wrote of the same events.
type scene struct {
	t      *testing.T
	path   string
	j      *journal.Journal
	ledger *audit.Ledger
	lines  []string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, path: filepath.Join(t.TempDir(), "journal.db")}
	s.j = journal.Open(journal.Options{Path: s.path, OnError: func(err error) { t.Error(err) }})
	s.ledger = audit.New(s.j, nil)
	return s
}

// plan takes down a plan with an update and a deletion.
func (s *scene) plan() *cluster.Cause {
	return s.ledger.Plan(context.Background(), journal.Record{
		Unit: "prod/prod-eu/cart", Cluster: "prod-eu", Revision: "c0ffee", PlanDigest: "4d0a1c9e77b2",
		Steps: []journal.Step{
			{Object: "Deployment shop-prod/cart", Action: "update", Reason: "what is declared changed"},
			{Object: "NetworkPolicy shop-prod/cart", Action: "prune", Reason: "not declared any more"},
		},
	})
}

// logged is one request as the API server writes it.
type logged struct{ id, verb, uri, resource, namespace, name, body string }

func update(id string) logged {
	return logged{id, "patch", "/apis/apps/v1/namespaces/shop-prod/deployments/cart?force=false", "deployments", "shop-prod", "cart",
		`{"metadata":{"annotations":{"fairway.dev/unit":"prod/prod-eu/cart","fairway.dev/commit":"c0ffee"}}}`}
}

func deletion(id string) logged {
	return logged{id, "delete", "/apis/networking.k8s.io/v1/namespaces/shop-prod/networkpolicies/cart", "networkpolicies", "shop-prod", "cart",
		`{"preconditions":{"uid":"u","resourceVersion":"7"}}`}
}

func (s *scene) log(requests ...logged) {
	for _, r := range requests {
		s.lines = append(s.lines, fmt.Sprintf(`{"auditID":%q,"stage":"ResponseComplete","verb":%q,"requestURI":%q,"user":{"username":"fairway"},"userAgent":"fairway/devel",`+
			`"objectRef":{"resource":%q,"namespace":%q,"name":%q},"requestObject":%s,"responseStatus":{"code":200},"requestReceivedTimestamp":%q}`,
			r.id, r.verb, r.uri, r.resource, r.namespace, r.name, r.body, time.Now().UTC().Format(time.RFC3339Nano)))
	}
}

func (s *scene) outcome(kind journal.Kind, ids ...string) {
	s.j.Append(context.Background(), journal.Record{Kind: kind, Cluster: "prod-eu", Object: "Deployment shop-prod/cart", Action: "update", Requests: ids})
}

// match closes the journal and matches it.
func (s *scene) match() audit.Report {
	s.t.Helper()
	if err := s.j.Close(); err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(strings.Join(s.lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	r, err := audit.Match(s.t.Context(), audit.Sources{Journal: s.path, Logs: map[string]string{"prod-eu": file}, Users: []string{"fairway"}})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// Each scene but the first has one thing wrong, and the report says which.
func TestMatch(t *testing.T) {
	for name, c := range map[string]struct {
		play func(s *scene)
		want string
	}{
		"whole": {func(s *scene) {
			cause := s.plan()
			one, two := cause.Step(0).Next(), cause.Step(1).Next()
			s.log(update(one), deletion(two))
			s.outcome(journal.Applied, one)
			deed := s.ledger.Deed(context.Background(), cluster.Deed{Cluster: "prod-eu", Object: "/api/v1/namespaces/fairway-system/configmaps/inventory-a", Action: "patch", Units: []string{"prod/prod-eu/cart"}})
			s.log(logged{deed.Next(), "patch", "/api/v1/namespaces/fairway-system/configmaps/inventory-a", "configmaps", "fairway-system", "inventory-a", "{}"})
		}, ""},
		"cut short before it told": {func(s *scene) { s.log(update(s.plan().Step(0).Next())) }, ""},
		"failed without an answer": {func(s *scene) {
			c := s.plan()
			s.log(deletion(c.Step(1).Next()))
			s.outcome(journal.Failed, c.Step(0).Next())
		}, ""},
		"a dry run":      {func(s *scene) { r := update("x"); r.uri += "&dryRun=All"; s.log(r) }, ""},
		"no id":          {func(s *scene) { s.log(update("3f1c")) }, "carries no id"},
		"no record":      {func(s *scene) { s.plan(); s.log(update("fw-0-0-0.0.1")) }, "has no record of it"},
		"an id twice":    {func(s *scene) { id := s.plan().Step(0).Next(); s.log(update(id), update(id)) }, "the same id"},
		"another object": {func(s *scene) { r := update(s.plan().Step(0).Next()); r.name = "pay"; s.log(r) }, "step is to update Deployment shop-prod/cart"},
		"another verb":   {func(s *scene) { r := deletion(s.plan().Step(0).Next()); s.log(r) }, "step is to update"},
		"another unit":   {func(s *scene) { r := update(s.plan().Step(0).Next()); r.body = `{}`; s.log(r) }, `is of unit ""`},
		"another commit": {func(s *scene) {
			r := update(s.plan().Step(0).Next())
			r.body = strings.Replace(r.body, "c0ffee", "bad", 1)
			s.log(r)
		}, `is of commit "bad"`},
		"no such step": {func(s *scene) { s.log(update(s.plan().Step(7).Next())) }, "has no such step"},
		"a deletion of whatever": {func(s *scene) {
			r := deletion(s.plan().Step(1).Next())
			r.body = `{"preconditions":{"uid":"u"}}`
			s.log(r)
		}, "without saying which version"},
		"a deletion of all": {func(s *scene) { r := deletion(s.plan().Step(1).Next()); r.verb = "deletecollection"; s.log(r) }, "without saying which version"},
		"told and never asked": {func(s *scene) {
			c := s.plan()
			s.log(update(c.Step(0).Next()))
			s.outcome(journal.Applied, c.Step(0).Next())
		}, "the API server has no record"},
		"bookkeeping of another thing": {func(s *scene) {
			deed := s.ledger.Deed(context.Background(), cluster.Deed{Cluster: "prod-eu", Object: "/api/v1/namespaces/fairway-system/configmaps/a", Action: "patch"})
			s.log(logged{deed.Next(), "patch", "/api/v1/namespaces/shop-prod/configmaps/cart", "configmaps", "shop-prod", "cart", "{}"})
		}, "the journal says it was for"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.play(s)
			r := s.match()
			switch {
			case c.want == "" && len(r.Problems) > 0:
				t.Errorf("%+v", r.Problems)
			case c.want != "" && (len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, c.want)):
				t.Errorf("got %+v, want one that says %q", r.Problems, c.want)
			}
			if text, err := json.Marshal(r); err != nil || !strings.Contains(string(text), `"problems":[`) {
				t.Errorf("%s, %v", text, err)
			}
		})
	}
}

// A plan is on disk when the ledger gives its cause, whatever happens then.
func TestAhead(t *testing.T) {
	s := newScene(t)
	cause := s.plan()
	found := false
	if _, err := journal.Walk(t.Context(), s.path, func(r journal.Record) error {
		found = found || r.Kind == journal.Planned && r.Cause == cause.ID() && len(r.Steps) == 2
		return nil
	}); err != nil || !found {
		t.Errorf("the plan is not on disk yet: %v", err)
	}
}

// calls is a journal that notes what is asked of it.
type calls struct{ asked []string }

func (c *calls) Append(_ context.Context, records ...journal.Record) {
	for _, r := range records {
		c.asked = append(c.asked, "append "+string(r.Kind))
	}
}

func (c *calls) Secure(context.Context) bool {
	c.asked = append(c.asked, "secure")
	return true
}

// No cause is given before its record was secured, once.
func TestSecuredFirst(t *testing.T) {
	c := &calls{}
	ledger := audit.New(c, nil)
	ledger.Plan(t.Context(), journal.Record{PlanDigest: "d", Steps: make([]journal.Step, 50)})
	ledger.Deed(t.Context(), cluster.Deed{})
	if got, want := strings.Join(c.asked, ", "), "append planned, secure, append bookkeeping, secure"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Nothing that befalls the journal stops a plan.
func TestStuckJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	var said error
	j := journal.Open(journal.Options{Path: path, OnError: func(err error) { said = errors.Join(said, err) }})
	ledger := audit.New(j, nil)
	for n := range 100 { // each would wait 200 ms for a journal that is slow
		if cause := ledger.Plan(t.Context(), journal.Record{PlanDigest: "d"}); cause == nil || cause.Next() == "" {
			t.Fatalf("plan %d has no cause", n)
		}
	}
	if err := j.Close(); err == nil || said == nil {
		t.Errorf("nobody was told: %v, %v", err, said)
	}
	var none *audit.Ledger
	if none.Plan(t.Context(), journal.Record{}) != nil || none.Deed(t.Context(), cluster.Deed{}) != nil {
		t.Error("no ledger gives a cause")
	}
}
