package gitea

import (
	"encoding/json"
	"testing"
)

// FuzzDecode holds that whatever a forge answers is refused or makes sense.
func FuzzDecode(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		pulls, err := decodePulls(body)
		for _, p := range pulls {
			if err != nil || p.Check() != nil {
				t.Errorf("%+v came of %q (%v)", p, body, err)
			}
		}
		if files, err := decodeFiles(body); err == nil {
			for _, file := range files {
				if file.Path == "" || file.Happened == "" {
					t.Errorf("%+v came of %q", file, body)
				}
			}
		}
		others(t, body)
	})
}

func decoded[T any](body []byte) (out T) {
	_ = json.Unmarshal(body, &out)
	return out
}

func others(t *testing.T, body []byte) {
	if statuses, err := decodeStatuses(body); err == nil && statuses == nil {
		t.Errorf("no statuses came of %q", body)
	}
	for _, v := range decoded[[]review](body) {
		if one, ok := v.value(); ok && one.Verdict == "" {
			t.Errorf("%+v came of %q", one, body)
		}
	}
	if events, err := decodeTimeline(body); err == nil {
		for _, e := range events {
			if e.ID <= 0 {
				t.Errorf("%+v came of %q", e, body)
			}
		}
	}
}

func seeds() []string {
	return []string{
		`[{"number":1,"title":"x","user":{"login":"dev"},"state":"open","labels":[{"id":1,"name":"a"}],"head":{"ref":"b","sha":"0123456789012345678901234567890123456789","repo_id":1,"repo":{"full_name":"a/b"}},"base":{"ref":"main","repo_id":1},"merged":true,"mergeable":true,"changed_files":3}]`,
		`[{"number":1,"state":"closed","head":{"ref":"refs/pull/1/head","repo":null},"base":{"ref":"main"}}]`,
		`[{"filename":"a","status":"renamed","previous_filename":"b"},{"filename":"a","status":"deleted"}]`,
		`{"sha":"x","statuses":[{"context":"a","status":"warning"}]}`,
		`[{"id":1,"user":null,"state":"APPROVED","submitted_at":"2026-01-02T03:04:05Z"}]`,
		`[{"id":1,"type":"label","body":"1","label":{"name":"a"}}]`, `null`, `[null]`, `{}`, `[{}]`,
	}
}
