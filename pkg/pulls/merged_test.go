package pulls

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/owners"
)

// TestNumberIn: forges say in the commit which pull request it merges, each in its way;
// a number that stands elsewhere names none.
func TestNumberIn(t *testing.T) {
	for message, want := range map[string]int{
		"Merge pull request #7 from shop/topic\n\nAdd it":                     7,
		"Merge pull request 'Add it (again)' (#12) from shop/topic into main": 12,
		"Add it (#34)":                34,
		"Add it (#34)\n\n* one (#35)": 34,
		"Merge branch 'topic' into 'main'\n\nAdd it\n\nSee merge request acme/team/platform!56":   56,
		"Merge branch 'topic' into 'main'\n\nAdd it\n\nSee merge request acme/team/platform!56\n": 56,
		"Mend what (#7) broke":                      0,
		"Mend it\n\nAs said in (#7)":                0,
		"Follow-up of #7":                           0,
		"See merge request acme/platform!7 for why": 0,
		"Add it (#99999999999)":                     0,
		"Revert \"Add it (#7)\"":                    0,
		"Revert \"Add it (#7)\" (#8)":               8,
		"":                                          0,
	} {
		if got := numberIn([]byte("tree 0\nauthor a (#1)\n\n" + message)); got != want {
			t.Errorf("%q merges %d, want %d", message, got, want)
		}
	}
}

// TestVouched: of a label that is on, those approve who put it on since it was taken off.
func TestVouched(t *testing.T) {
	events := map[int]forge.LabelEvent{
		0: {Label: "approve-1", Actor: "ada", Added: true},
		1: {Label: "approve-1", Actor: "bob"},
		2: {Label: "approve-2", Actor: "cyd", Added: true},
		3: {Label: "approve-1", Actor: "dan", Added: true},
		4: {Label: "approve-1", Actor: "eve", Added: true},
	}
	want := []owners.Approval{{Login: "dan", Digest: "d"}, {Login: "eve", Digest: "d"}}
	if diff := cmp.Diff(want, vouched(events, "approve-1", "d")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
