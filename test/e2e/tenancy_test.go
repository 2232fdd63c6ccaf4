package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/status"
)

// TestWritesInTheTeamsName: what services consist of is written and deleted in
// the name of their team's account, and the daemon as itself writes only what
// guards teams, and its inventory.
func TestWritesInTheTeamsName(t *testing.T) {
	w := newWorld(t, shopAndPay)
	from := w.lab.now(t)
	w.run()
	w.settled(w.push("checkout is gone", w.removed("shop", "checkout")))
	own := []string{"namespaces", "serviceaccounts", "rolebindings", "resourcequotas", "limitranges", "networkpolicies"}
	asTeam, deleted := 0, 0
	for _, r := range w.writes(from) {
		if r.Object.Namespace == w.system {
			continue
		}
		service := r.unit() != "" && !strings.Contains(r.unit(), "/team.") || r.Verb == "delete"
		account := "system:serviceaccount:" + r.Object.Namespace + ":fairway-deployer"
		switch {
		case service && r.As.Username != account:
			t.Errorf("%s was written as %q, want %s", r, r.As.Username, account)
		case !service && (r.As.Username != "" || !slices.Contains(own, r.Object.Resource)):
			t.Errorf("%s was written as %q", r, r.As.Username)
		case r.Answer.Code == 403:
			t.Errorf("%s was forbidden: teams' own units come first", r)
		case service:
			asTeam++
		}
		if r.Verb == "delete" {
			deleted++
		}
	}
	if asTeam == 0 || deleted == 0 {
		t.Errorf("%d writes and %d deletions in a team's name; that is no test", asTeam, deleted)
	}
}

// TestWithoutTheTeamsRights: where a team's account may not write, nothing is
// written, least of all as the daemon; and an installation from before there
// were such accounts gets them by itself and goes on, with every object it had.
func TestWithoutTheTeamsRights(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	account := "platform/baseline/team/account.cue"
	text := w.read(account)
	w.settled(w.push("as it was before", files{account: gone}))
	before := w.essences("local", true)

	from := w.lab.now(t)
	stricter := w.push("pay: strict", w.web("money", "pay", `config: MODE: "strict"`))
	u := w.waitSync(w.inDev("pay"), status.Failed)
	if u.Reason != "Forbidden" || !strings.Contains(u.Message, "fairway-deployer") || u.Hint == "" {
		t.Errorf("%s; want it forbidden to the account, and a hint", describe(u))
	}
	w.waitUnit(w.inDev("pay"), "tried again", func(u status.Unit) bool { return u.Attempts > 2 })
	for _, r := range w.writes(from) {
		if r.Object.Namespace != w.system && (r.Answer.Code < 400 || r.As.Username == "") {
			t.Errorf("%s was answered %d, written as %q", r, r.Answer.Code, r.As.Username)
		}
	}
	mustEqual(t, "what is live without the team's rights", before, w.essences("local", true))

	commit := w.push("upgrade", files{account: text})
	w.settled(commit)
	if got := w.mode("prod-eu", w.prod()); got != "strict" {
		t.Errorf("pay is %q at %.7s, want what %.7s says", got, commit, stricter)
	}
	after := w.essences("local", true)
	for name, o := range before {
		meta := func(o map[string]any) any { return o["metadata"].(map[string]any)["uid"] }
		if after[name] == nil || meta(after[name]) != meta(o) {
			t.Errorf("%s is another object now", name)
		}
	}
}
