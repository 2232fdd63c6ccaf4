package e2e_test

import (
	"slices"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/status"
)

// TestPushOneLine: a line is changed and pushed; exactly the objects it is
// about are written, nothing is read for it, and it is live at once.
func TestPushOneLine(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	from, began := w.lab.now(t), time.Now()
	commit := w.push("cart: keep more", w.web("shop", "cart", `
	needs: pay: service: "pay"
	config: CACHE_SIZE: "20000"`))
	pushed := time.Since(began)
	space := w.space("shop", w.prod())
	eventually(t, within(2*time.Second), "the change is live", func() string {
		data, _ := w.live("prod-eu", "ConfigMap", space, "cart").Object["data"].(map[string]any)
		if data["CACHE_SIZE"] == "20000" {
			return ""
		}
		return "the ConfigMap is as before"
	})
	t.Logf("git push took %s; live %s after it began", pushed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	w.settled(commit)
	var got []string
	for _, r := range w.writes(from) {
		got = append(got, r.String()+" of "+r.unit())
	}
	slices.Sort(got)
	var want []string
	for _, r := range []struct{ cluster, env, unit string }{
		{"local", w.dev(), w.inDev("cart")}, {"prod-eu", w.prod(), w.inProd("cart")},
	} {
		for _, resource := range []string{"configmaps", "deployments"} { // the pods see the configuration's hash
			want = append(want, r.cluster+" patch "+resource+" "+w.space("shop", r.env)+"/cart of "+r.unit)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("writes:\n  %q\nwant:\n  %q", got, want)
	}
	if reads := w.reads(from); len(reads) > 0 {
		t.Errorf("reads:\n  %s\nwant none: what is live is known from the watches", spelled(reads))
	}
	if u := w.unit(w.inProd("cart")); u.Revision != commit || u.Sync != status.Synced {
		t.Errorf("status: %s, want synced at %.7s", describe(u), commit)
	}

	var took []time.Duration
	for _, mode := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		began := time.Now()
		w.push("pay: "+mode, w.web("money", "pay", `config: MODE: "`+mode+`"`))
		eventually(t, within(2*time.Second), "the change is live", func() string {
			if got := w.mode("prod-eu", w.prod()); got != mode {
				return "it is " + got
			}
			return ""
		})
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("from git commit to live, %d pushes: p50 %s, most %s", len(took), took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}
