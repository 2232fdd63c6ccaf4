package gitlab

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
	if reviews, err := decoded[approvals](body).reviews(decoded[[]reviewer](body), decoded[[]version](body)); err == nil {
		for _, r := range reviews {
			if r.Verdict == "" {
				t.Errorf("%+v came of %q", r, body)
			}
		}
	}
	names := map[string]bool{}
	for _, s := range newest(decoded[[]status](body)) {
		if names[s.Context] || s.State == "" {
			t.Errorf("%+v came of %q", s, body)
		}
		names[s.Context] = true
	}
	decoded[[]event](body)
}

func seeds() []string {
	return []string{
		`[{"iid":1,"title":"x","author":{"username":"dev"},"state":"opened","labels":["a"],"sha":"0123456789012345678901234567890123456789","source_branch":"b","target_branch":"main","source_project_id":1,"target_project_id":1,"detailed_merge_status":"mergeable","changes_count":"3","diff_refs":{"start_sha":"0123456789012345678901234567890123456789"}}]`,
		`[{"iid":1,"state":"merged","target_branch":"main","changes_count":"1000+","diff_refs":null}]`,
		`[{"old_path":"a","new_path":"b","renamed_file":true},{"old_path":"a","new_path":"a","deleted_file":true}]`,
		`[{"id":1,"name":"a","status":"failed"},{"id":2,"name":"a","status":"running"}]`,
		`{"approved_by":[{"user":{"username":"dev"},"approved_at":"2026-01-02T03:04:05Z"}]}`,
		`[{"id":1,"label":null,"action":"add"}]`, `null`, `[null]`, `{}`, `[{}]`,
	}
}
