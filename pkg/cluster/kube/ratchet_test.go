package kube

import (
	"slices"
	"strings"
	"testing"
)

// TestRatchetOf: a record that is not plainly one is an error and never "nothing is
// recorded", which would let anything through.
func TestRatchetOf(t *testing.T) {
	const commit = "0123456789012345678901234567890123456789"
	whole := `{"kind":"ConfigMap","metadata":{"name":"fairway-revision","resourceVersion":"7","annotations":{"fairway.dev/format":"1"}},"data":{"revision":"` + commit + `","superseded":"` + commit + `"}}`
	if r, err := ratchetOf([]byte(whole)); err != nil || r.Revision != commit || len(r.Superseded) != 1 || r.Version != "7" {
		t.Errorf("got %+v, %v", r, err)
	}
	waiting := strings.Replace(strings.Replace(whole, `"superseded"`, `"unapproved":"`+commit+` 7 prod/eu/checkout\n`+commit+` 7 prod/eu/cart\n","superseded"`, 1), `format":"1"`, `format":"2"`, 1)
	if r, err := ratchetOf([]byte(waiting)); err != nil || r.Unapproved[commit].Pull != 7 || !slices.Equal(r.Unapproved[commit].Units, []string{"prod/eu/checkout", "prod/eu/cart"}) {
		t.Errorf("of what waits for approval it is %+v, %v", r, err)
	}
	if r, err := ratchetOf([]byte(strings.Replace(waiting, " prod/eu/cart", "", 1))); err == nil {
		t.Errorf("a commit without its unit: read as %+v", r)
	}
	since := strings.Replace(waiting, `"superseded"`, `"unapproved-since":"`+commit+` `+commit+`\n","superseded"`, 1)
	if r, err := ratchetOf([]byte(since)); err != nil || r.Unapproved[commit].Before != commit || len(r.Unapproved[commit].Units) != 2 {
		t.Errorf("of several commits that wait it is %+v, %v", r, err)
	}
	for _, torn := range []string{commit + " " + commit[1:] + `\n`, commit + `\n`} {
		if r, err := ratchetOf([]byte(strings.Replace(since, commit+" "+commit+`\n`, torn, 1))); err == nil {
			t.Errorf("%q before a commit: read as %+v", torn, r)
		}
	}
	for name, change := range map[string][2]string{
		"no JSON":             {"{", "<html>"},
		"another kind":        {`"ConfigMap"`, `"Status"`},
		"another name":        {"fairway-revision", "another"},
		"no version":          {`"7"`, `""`},
		"a newer format":      {`"fairway.dev/format":"1"`, `"fairway.dev/format":"3"`},
		"no format":           {`"fairway.dev/format":"1"`, `"x":"y"`},
		"no revision":         {`"revision":"` + commit + `"`, `"x":"y"`},
		"a branch's name":     {`"revision":"` + commit, `"revision":"main`},
		"a shortened commit":  {`"revision":"` + commit, `"revision":"` + commit[:12]},
		"a torn superseded":   {`"superseded":"` + commit, `"superseded":"` + commit + "x"},
		"cut in the middle":   {`"}}`, ``},
		"nothing but a shape": {whole, `{}`},
	} {
		if r, err := ratchetOf([]byte(strings.Replace(whole, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}
