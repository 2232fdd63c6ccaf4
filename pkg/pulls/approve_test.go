package pulls

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/owners"
)

func TestLogins(t *testing.T) {
	for author, want := range map[string]string{
		"Ada Lovelace <ada@example.com>":          "AdaLovelace ada",
		"ada <1234+ada@users.noreply.github.com>": "ada 1234+ada ada",
		"Ada <77-ada-l@users.noreply.gitlab.com>": "Ada 77-ada-l ada-l",
		"ci-bot <ci-bot@example.com>":             "ci-bot ci-bot",
		" <>":                                     "",
		"Ada <ada.lovelace+platform@example.com>": "Ada ada.lovelace+platform",
		"somebody without an address":             "somebodywithoutanaddress",
	} {
		if got := strings.Join(logins(author), " "); got != want {
			t.Errorf("%q: %q, want %q", author, got, want)
		}
	}
}

// TestStanding: the last word counts, a comment is none, and a name is one however it is written.
func TestStanding(t *testing.T) {
	reviews := map[int]forge.Review{}
	for i, v := range []forge.Review{
		{Author: "ada", Verdict: forge.Approved, Commit: "1"}, {Author: "bob", Verdict: forge.Approved, Commit: "1"},
		{Author: "cy", Verdict: forge.Rejected, Commit: "1"}, {Author: "Bob", Verdict: forge.Rejected, Commit: "2"},
		{Author: "ada", Verdict: forge.Commented, Commit: "2"}, {Author: "cy", Verdict: forge.Approved, Commit: "2"},
		{Author: "dee", Verdict: forge.Approved, Commit: "1"}, {Author: "dee", Verdict: forge.Dismissed, Commit: "1"},
	} {
		reviews[i] = v
	}
	var got []string
	for _, v := range forge.Standing(reviews) {
		got = append(got, v.Author+"@"+v.Commit)
	}
	if want := []string{"ada@1", "cy@2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestApprovalsSay: no decision is taken for a satisfied one, and what the forge shows
// says what is missing.
func TestApprovalsSay(t *testing.T) {
	ask := func(given ...string) owners.Ask {
		return owners.Ask{Rule: "production", Of: "owners of team shop", Count: 1, Given: given}
	}
	for _, test := range []struct {
		name  string
		d     owners.Decision
		state forge.StatusState
		says  string
	}{
		{"nobody is asked", owners.Decision{}, forge.Success, "nobody has to approve it"},
		{"somebody is missing", owners.Decision{Asks: []owners.Ask{ask("ada"), ask()}}, forge.Pending, "waits for 1 of 1 owners of team shop"},
		{"all did", owners.Decision{Asks: []owners.Ask{ask("ada")}}, forge.Success, "everybody approved who must"},
		{"undecided", owners.Decision{Asks: []owners.Ask{ask("ada")}, Unknown: []string{"the forge does not say"}}, forge.Pending, "the forge does not say"},
	} {
		status, text := approvals(test.d)
		if status.Context != "fairway/approvals" || status.State != test.state || status.Description != test.says {
			t.Errorf("%s: %+v", test.name, status)
		}
		if (status.State == forge.Success) != test.d.Satisfied() {
			t.Errorf("%s: the status is %s, and satisfied %v", test.name, status.State, test.d.Satisfied())
		}
		if got := strings.Count(text, "\n- "); got != len(test.d.Asks)+len(test.d.Unknown) {
			t.Errorf("%s: %d lines in %q", test.name, got, text)
		}
	}
}
