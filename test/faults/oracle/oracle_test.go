package oracle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/test/faults/oracle"
)

func audit(t *testing.T, lines ...string) []oracle.Request {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &oracle.Audit{Cluster: "eu", Path: file, User: "fairway", Mark: func([]byte, oracle.Request) string { return "m" }}
	out, err := a.Since("m", 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func line(user, verb, name string, code int, body string) string {
	return `{"verb":"` + verb + `","user":{"username":"` + user + `"},"requestURI":"/x","objectRef":{"resource":"services","namespace":"shop","name":"` + name +
		`"},"requestObject":` + body + `,"responseStatus":{"code":` + string(mustJSON(code)) + `}}`
}

func mustJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

const bound = `{"preconditions":{"uid":"u","resourceVersion":"7"}}`

func same(s string) string { return s }

func holds(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}

// A deletion too many, a creation too many: found. Updates, refused requests and
// other people's requests are not.
func TestExtra(t *testing.T) {
	requests := audit(t,
		line("fairway", "patch", "cart", 201, `{}`), line("fairway", "patch", "cart", 200, `{}`), line("fairway", "patch", "cart", 200, `{}`),
		line("fairway", "delete", "cart", 200, bound), line("fairway", "delete", "pay", 409, bound), line("admin", "delete", "pay", 200, `{}`),
		line("fairway", "patch", "pay", 201, `{}`))
	want := map[string]oracle.Counts{"eu services shop/cart": {Creates: 1, Updates: 1}}
	holds(t, oracle.Extra(want, oracle.Count(requests, same)),
		"eu services shop/cart was deleted 1 times, want 0", "eu services shop/pay was created 1 times, want 0")
	want["eu services shop/cart"] = oracle.Counts{Creates: 1, Deletes: 1}
	want["eu services shop/pay"] = oracle.Counts{Creates: 1}
	holds(t, oracle.Extra(want, oracle.Count(requests, same)))
}

// A deletion that is not bound to an object by UID and resourceVersion is found,
// whether it was done or refused.
func TestUnconditional(t *testing.T) {
	requests := audit(t, line("fairway", "delete", "a", 200, bound), line("fairway", "delete", "b", 200, `{}`), line("fairway", "delete", "c", 404, `null`),
		line("fairway", "delete", "d", 200, `{"preconditions":{"uid":"u"}}`), line("fairway", "deletecollection", "", 200, bound))
	holds(t, oracle.Unconditional(requests), "shop/b (200) carries no", "shop/c (404) carries no", "shop/d (200) carries no", "deletes whatever is there")
}

func state(objects map[string]string) oracle.State {
	out := oracle.State{}
	for key, data := range objects {
		out[key] = oracle.Object{"/data/a": data, "/metadata/annotations/fairway.dev~1commit": data + "c"}
	}
	return out
}

// An object that is missing, too many or different is found; what differs
// between runs without faults is not.
func TestDifferences(t *testing.T) {
	want := state(map[string]string{"eu ConfigMap shop/a": "1", "eu ConfigMap shop/b": "1"})
	got := state(map[string]string{"eu ConfigMap shop/a": "2", "eu ConfigMap shop/c": "1"})
	holds(t, oracle.Declared().Differences(want, got), `shop/a has /data/a: "2", want "1"`, "shop/b is missing", "shop/c is too many")
	mask := oracle.Declared()
	mask.Learn(want, got)
	holds(t, mask.Differences(want, got), "shop/b is missing", "shop/c is too many")
	holds(t, oracle.Mask{}.Differences(want, want))
}

func live(kind, namespace, name, manager string, data map[string]any) oracle.Live {
	for _, k := range oracle.Kinds() {
		if k.Name == kind {
			o := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "data": data, "metadata": map[string]any{
				"name": name, "namespace": namespace, "uid": "u", "managedFields": []any{map[string]any{"manager": manager, "operation": "Apply"}},
			}}}
			return oracle.Live{Cluster: "eu", Kind: k, Unstructured: o}
		}
	}
	return oracle.Live{}
}

// An object of ours that the inventory does not name is found; other people's are not.
func TestUnrecorded(t *testing.T) {
	record := live("ConfigMap", "system", "inventory", "x", map[string]any{"prod_eu_cart": `{"unit":"prod/eu/cart","objects":[["","Service","shop","cart","u"]]}`})
	holds(t, oracle.Unrecorded([]oracle.Live{record, live("Service", "shop", "cart", "fairway:prod/eu/cart", nil)}, "system"))
	holds(t, oracle.Unrecorded([]oracle.Live{record, live("Service", "shop", "theirs", "kubectl", nil)}, "system"))
	holds(t, oracle.Unrecorded([]oracle.Live{
		record, live("Service", "shop", "pay", "fairway:prod/eu/pay", nil), live("ConfigMap", "shop", "cart", "fairway:prod/eu/cart", nil),
		live("Service", "other", "cart", "fairway:prod/eu/cart", nil),
	}, "system"), "Service shop/pay is there and not", "ConfigMap shop/cart is there and not", "Service other/cart is there and not")
}

func TestStateIsFlat(t *testing.T) {
	l := live("ConfigMap", "w1-dev", "cart", "fairway:x", map[string]any{"a/b": "w1", "list": []any{"x"}, "none": map[string]any{}})
	got, err := oracle.StateOf([]oracle.Live{l}, func(s string) string { return strings.ReplaceAll(s, "w1", "w0") })
	if err != nil {
		t.Fatal(err)
	}
	o := got["eu ConfigMap w0-dev/cart"]
	for path, want := range map[string]string{"/data/a~1b": "w0", "/data/list/0": "x", "/data/none": "{}", "/metadata/uid": "", "/metadata/managedFields": ""} {
		if o[path] != want {
			t.Errorf("%s is %q, want %q: %v", path, o[path], want, o)
		}
	}
}
