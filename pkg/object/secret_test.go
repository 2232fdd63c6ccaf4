package object_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Whatever a Secret or a marked object holds, however malformed, is not shown;
// that it is there, and what it is called, is.
func TestRedactMalformedAndMarked(t *testing.T) {
	marked := fields{"annotations": fields{object.AnnotationSensitive: "true"}, "name": "n"}
	for name, o := range map[string]struct {
		id object.ID
		is fields
	}{
		"list for data":      {object.ID{Kind: "Secret", Name: "n"}, fields{"data": []any{"HIDDEN"}}},
		"misspelt field":     {object.ID{Kind: "Secret", Name: "n"}, fields{"stringDta": fields{"a": "HIDDEN"}}},
		"group for type":     {object.ID{Kind: "Secret", Name: "n"}, fields{"type": fields{"a": "HIDDEN"}}},
		"list of notes":      {object.ID{Kind: "Secret", Name: "n"}, fields{"metadata": fields{"annotations": []any{"HIDDEN"}}}},
		"marked ConfigMap":   {object.ID{Kind: "ConfigMap", Name: "n"}, fields{"metadata": marked, "data": fields{"a": "HIDDEN"}}},
		"marked custom kind": {object.ID{Group: "example.com", Kind: "Database", Name: "n"}, fields{"metadata": marked, "spec": fields{"password": "HIDDEN"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, shown := range []any{
				object.Redact(o.id, object.Diff(nil, o.is), nil, o.is), object.Redact(o.id, object.Diff(o.is, nil), o.is, nil),
				object.RedactObject(o.id, o.is),
			} {
				text, err := json.Marshal(shown)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(text, []byte("HIDDEN")) || !bytes.Contains(text, []byte(object.Masked)) {
					t.Errorf("shown as %s", text)
				}
			}
		})
	}
}
