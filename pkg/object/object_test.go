package object_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/object"
)

type fields = map[string]any

func TestDiff(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after fields
		want          []string
	}{
		{"equal", fields{"a": int64(1)}, fields{"a": 1.0}, nil},
		{"leaf", fields{"a": int64(1)}, fields{"a": int64(2)}, []string{"~ .a: 1 -> 2"}},
		{"added and removed", fields{"a": "x"}, fields{"b": "y"}, []string{`- .a: "x"`, `+ .b: "y"`}},
		{"new object", nil, fields{"a": fields{"b": "y"}}, []string{`+ .a.b: "y"`}},
		{"object gone", fields{"a": []any{"x"}}, nil, []string{`- .a[0]: "x"`}},
		{"key with a dot", nil, fields{"a.b/c": "y"}, []string{`+ ."a.b/c": "y"`}},
		{"by merge key, whatever the order", fields{"l": []any{fields{"name": "a", "v": "1"}, fields{"name": "b"}}},
			fields{"l": []any{fields{"name": "b"}, fields{"name": "a", "v": "2"}}}, []string{`~ .l[a].v: "1" -> "2"`}},
		{"by place without a key", fields{"l": []any{"a", "b"}}, fields{"l": []any{"a"}}, []string{`- .l[1]: "b"`}},
		{"by place where a key is shared", fields{"l": []any{fields{"port": int64(1)}, fields{"port": int64(1), "p": "u"}}},
			fields{"l": []any{fields{"port": int64(1)}, fields{"port": int64(1), "p": "v"}}}, []string{`~ .l[1].p: "u" -> "v"`}},
		{"another type", fields{"a": fields{"b": "x"}}, fields{"a": "x"}, []string{`~ .a: {"b":"x"} -> "x"`}},
		{"empty is not absent", fields{"l": []any{fields{}}}, fields{"l": []any{}}, []string{`- .l[0]: {}`}},
		{"whole numbers beyond a float", fields{"a": int64(9007199254740993)}, fields{"a": int64(9007199254740992)},
			[]string{"~ .a: 9007199254740993 -> 9007199254740992"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range object.Diff(test.before, test.after) {
				got = append(got, c.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestByMergeKey(t *testing.T) {
	for _, test := range []struct {
		name string
		list []any
		want []string // nil: cannot be told apart
	}{
		{"name before port", []any{fields{"name": "http", "port": int64(80)}, fields{"port": int64(9090)}}, []string{"9090", "http"}},
		{"mount paths", []any{fields{"mountPath": "/tmp"}}, []string{"/tmp"}},
		{"twice", []any{fields{"name": "a"}, fields{"name": "a"}}, nil},
		{"no key", []any{fields{"value": "a"}}, nil},
		{"no map", []any{"a"}, nil},
		{"empty name", []any{fields{"name": ""}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for key := range object.ByMergeKey(test.list) {
				got = append(got, key)
			}
			if diff := cmp.Diff(test.want, got, cmp.Transformer("sort", sorted)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func sorted(s []string) map[string]bool {
	out := map[string]bool{}
	for _, e := range s {
		out[e] = true
	}
	return out
}

// Secret values never leave Redact, whatever form they have; other kinds are
// as they are.
func TestRedact(t *testing.T) {
	secret := object.ID{Kind: "Secret", Namespace: "n", Name: "s"}
	changes := object.Diff(nil, fields{
		"data": fields{"k": "HIDDEN", "dotted.key": "HIDDEN"}, "stringData": fields{"k": "HIDDEN"}, "type": "Opaque",
		"metadata": fields{"annotations": fields{"kubectl.kubernetes.io/last-applied-configuration": "HIDDEN", "note": "seen"}},
	})
	changes = append(changes, object.FieldChange{Path: ".data", Before: fields{"k": "HIDDEN"}, After: "HIDDEN"})
	text, err := json.Marshal(object.Redact(secret, changes))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("HIDDEN")) {
		t.Errorf("a secret is shown: %s", text)
	}
	for _, shown := range []string{"Opaque", "seen", object.Masked} {
		if !bytes.Contains(text, []byte(shown)) {
			t.Errorf("%q is not shown: %s", shown, text)
		}
	}
	if got := object.Redact(object.ID{Kind: "ConfigMap", Name: "s"}, changes); !cmp.Equal(got, changes) {
		t.Errorf("a ConfigMap is masked: %v", got)
	}
	if got := object.Redact(object.ID{Group: "example.com", Kind: "Secret", Name: "s"}, changes); !cmp.Equal(got, changes) {
		t.Errorf("another group's Secret is masked: %v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		`{"kind":"A","metadata":{"name":"n"}}`:                            `object "n" has no apiVersion`,
		`{"apiVersion":"v1","metadata":{"name":"n"}}`:                     `object "n" has no kind`,
		`{"apiVersion":"v1","kind":"A"}`:                                  `A has no metadata.name`,
		`{"apiVersion":"v1","kind":"List","metadata":{"name":"n"}}`:       `List: lists are not allowed, write one object each`,
		`{"apiVersion":"v1","kind":"SecretList","metadata":{"name":"n"}}`: `SecretList: lists are not allowed, write one object each`,
		`null`: `object "" has no apiVersion`,
		`[]`:   `read object: json: cannot unmarshal array into Go value of type map[string]interface {}`,
		`{"apiVersion":"v1","kind":"A","metadata":{"name":"n"}}{}`: `read object: something stands after the object`,
	} {
		if _, err := object.Parse([]byte(raw)); err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", raw, err, want)
		}
	}
}

func TestCanonicalBytes(t *testing.T) {
	want := `{"apiVersion":"apps/v1","b":[1,1.5,null,true],"kind":"Deployment","metadata":{"name":"n","namespace":"s"},"z":"<&>"}`
	for _, raw := range []string{
		want,
		" {\n\"z\": \"<&>\", \"metadata\": {\"namespace\":\"s\",\"name\":\"n\"},\"kind\":\"Deployment\", \"b\":[1.0, 15e-1, null, true], \"apiVersion\":\"apps/v1\" }\n",
	} {
		o, err := object.Parse([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if string(o.Body) != want || o.Digest != object.Sum([]byte(want)) {
			t.Errorf("got %s (%s)\nwant %s", o.Body, o.Digest, want)
		}
		if id := (object.ID{Group: "apps", Kind: "Deployment", Namespace: "s", Name: "n"}); o.ID != id || o.Version() != "v1" {
			t.Errorf("got %v %s", o.ID, o.Version())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"apiVersion":"v1","kind":"A","metadata":{"name":"n"}}`, `{"apiVersion":"v1","kind":"A","metadata":{"name":"n"},"x":[-0.0,1e21,1e-7,9223372036854775808]}`,
		`{"apiVersion":"v1","kind":"A","metadata":{"name":"n"},"x":1E400}`,
		`{"apiVersion":"a/b/c","kind":"A","metadata":{"name":"\ud800"},"\u2028":"<"}`, `null`, `{`, `[[[[`, "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"\xff\"}}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := object.Parse(raw)
		if err != nil {
			return
		}
		again, err := object.Parse(o.Body)
		if err != nil || !bytes.Equal(again.Body, o.Body) || again.ID != o.ID || again.Digest != o.Digest {
			t.Errorf("%q is not stable: %s, then %s (%v)", raw, o.Body, again.Body, err)
		}
		if changes := object.Diff(o.Fields(), again.Fields()); len(changes) > 0 {
			t.Errorf("%q differs from itself: %v", raw, changes)
		}
	})
}

func TestDigestText(t *testing.T) {
	d := object.Sum([]byte("x"))
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back object.Digest
	if err := json.Unmarshal(text, &back); err != nil || back != d {
		t.Errorf("got %s, %v; want %s", back, err, d)
	}
	if len(d.Short()) != 12 || d.IsZero() || !(object.Digest{}).IsZero() {
		t.Errorf("short %q, zero %v", d.Short(), d.IsZero())
	}
	for _, bad := range []string{"", "abc", d.String() + "00", "zz" + d.String()[2:]} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as a digest", bad)
		}
	}
}

func TestUnknownIsNotEmpty(t *testing.T) {
	why := errors.New("no answer")
	for name, test := range map[string]struct {
		set   object.Set[string, int]
		known bool
	}{"zero": {known: false}, "unknown": {object.Unknown[string, int](why), false}, "empty": {object.Known(map[string]int{}), true}} {
		if _, known := test.set.Members(); known != test.known {
			t.Errorf("%s: known is %v", name, known)
		}
	}
	if got := object.Unknown[string, int](why).Why(); got != why {
		t.Errorf("got %v", got)
	}
}

func TestIDString(t *testing.T) {
	for want, id := range map[string]object.ID{
		"Deployment shop-prod/checkout":              {Group: "apps", Kind: "Deployment", Namespace: "shop-prod", Name: "checkout"},
		"Namespace shop-prod":                        {Kind: "Namespace", Name: "shop-prod"},
		"NetworkPolicy n/p":                          {Group: "networking.k8s.io", Kind: "NetworkPolicy", Namespace: "n", Name: "p"},
		"Certificate.cert-manager.io shop-prod/cert": {Group: "cert-manager.io", Kind: "Certificate", Namespace: "shop-prod", Name: "cert"},
	} {
		if got := id.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestProtected(t *testing.T) {
	for id, want := range map[object.ID]bool{
		{Kind: "Namespace"}: true, {Kind: "PersistentVolumeClaim"}: true, {Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: true,
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}: true, {Kind: "ConfigMap"}: false,
		{Group: "storage.k8s.io", Kind: "StorageClass"}: true, {Group: "scheduling.k8s.io", Kind: "PriorityClass"}: true, {Group: "example.com", Kind: "Namespace"}: false,
	} {
		if got := object.Protected(id); got != want {
			t.Errorf("%s %s: got %v", id.Group, id.Kind, got)
		}
	}
}
