package worker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// TestWhyHidesSecrets: who set a value of a Secret is told, and never the value.
func TestWhyHidesSecrets(t *testing.T) {
	files := platformFiles()
	files["platform/paths/web/build.cue"] = `package web

#Unit: {
	in: _
	out: objects: {
		key: {apiVersion: "v1", kind: "Secret", metadata: name: "key", stringData: password: in.service.password}
		plain: {apiVersion: "v1", kind: "ConfigMap", metadata: name: "plain", data: password: in.service.password}
	}
}
`
	ask := func(kind, name string, field ...string) string {
		t.Helper()
		s := newSession(files)
		a := answerTo(&s, protocol.Question{Why: &protocol.Why{
			Unit: protocol.Unit{Package: "platform/paths/web", Input: json.RawMessage(`{"service":{"password":"hunter2"}}`)},
			Kind: kind, Name: name, Field: field,
		}})
		if len(a.Faults) > 0 || a.Why == nil || len(a.Why.Lines) == 0 || len(a.Why.Inputs) == 0 {
			t.Fatalf("got %+v", a)
		}
		raw, err := json.Marshal(a.Why)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if told := ask("secret", "key", "stringData", "password"); strings.Contains(told, "hunter2") {
		t.Errorf("it tells %s", told)
	}
	if told := ask("configmap", "plain", "data", "password"); !strings.Contains(told, "hunter2") {
		t.Errorf("it does not tell: %s", told)
	}
}
