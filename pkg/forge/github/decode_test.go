package github

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
	decoded[[]event](body)
}

func seeds() []string {
	return []string{
		`[{"number":1,"title":"x","user":{"login":"dev"},"state":"open","draft":false,"labels":[{"name":"a"}],"head":{"ref":"b","sha":"0123456789012345678901234567890123456789","repo":{"id":1,"full_name":"a/b"}},"base":{"ref":"main","sha":"0123456789012345678901234567890123456789","repo":{"id":1}},"merged_at":"2026-01-02T03:04:05Z","mergeable":true,"changed_files":3}]`,
		`[{"number":1,"state":"closed","head":{"repo":null},"base":{"ref":"main"}}]`,
		`[{"filename":"a","status":"renamed","previous_filename":"b"},{"filename":"a","status":"removed"}]`,
		`{"total_count":1,"statuses":[{"context":"a","state":"pending"}]}`,
		`[{"id":1,"user":null,"state":"APPROVED","submitted_at":"2026-01-02T03:04:05Z"}]`, `null`, `[null]`, `{}`, `[{}]`,
	}
}
