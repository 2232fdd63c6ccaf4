package kube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/object"
)

// The spliced body is the decoded body with two annotations more.
func TestStamped(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`"`, `\`, `{}`, `"metadata":{`, `annotations`, `</script>`}))
	rapid.Check(t, func(t *rapid.T) {
		meta := map[string]any{"name": "a", "labels": map[string]any{text.Draw(t, "label"): text.Draw(t, "value")}}
		switch rapid.IntRange(0, 2).Draw(t, "annotations") {
		case 1:
			meta["annotations"] = map[string]any{}
		case 2:
			meta["annotations"] = map[string]any{text.Draw(t, "key"): text.Draw(t, "note")}
		}
		o, err := object.FromFields(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta,
			"data":  map[string]any{"annotations": text.Draw(t, "data"), "metadata": map[string]any{"annotations": map[string]any{}}},
			"alist": []any{map[string]any{"metadata": map[string]any{}}, text.Draw(t, "element"), int64(3), nil, true},
		})
		if err != nil {
			t.Fatal(err)
		}
		commit := text.Draw(t, "commit")
		body, err := stamped(o.Body, commit, o.Digest, "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := object.DecodeFields(body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		want := o.Fields()
		notes, _ := want["metadata"].(map[string]any)["annotations"].(map[string]any)
		if notes == nil {
			notes = map[string]any{}
			want["metadata"].(map[string]any)["annotations"] = notes
		}
		notes[object.AnnotationCommit], notes[object.AnnotationDigest] = strings.ToValidUTF8(commit, "\ufffd"), o.Digest.String()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("stamped (-want +got):\n%s", diff)
		}
	})
}

func TestStampedRefuses(t *testing.T) {
	o, err := object.Parse([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","annotations":{"fairway.dev/digest":"x"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stamped(o.Body, "c", o.Digest, ""); err == nil {
		t.Error("a body that carries a digest of its own was stamped")
	}
	o, err = object.Parse([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"doc":"see fairway.dev/digest"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stamped(o.Body, "c", o.Digest, ""); err != nil {
		t.Errorf("a body that only speaks of the annotation: %v", err)
	}
}

func FuzzStamped(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"v1","metadata":{"annotations":{"a":"b"}}}`))
	f.Add([]byte(`{"metadata":{`))
	f.Add([]byte(`{"a":"\`))
	f.Fuzz(func(t *testing.T, body []byte) {
		stamped(body, "c", object.Digest{}, "")
	})
}

func TestManagerIsShortAndUnique(t *testing.T) {
	if got := manager("prod/prod-eu/checkout"); got != "fairway:prod/prod-eu/checkout" {
		t.Errorf("manager: got %q", got)
	}
	a, b := manager(strings.Repeat("x", 200)+"a"), manager(strings.Repeat("x", 200)+"b")
	if len(a) != maxManager || a == b {
		t.Errorf("managers of long units: %q and %q", a, b)
	}
}
