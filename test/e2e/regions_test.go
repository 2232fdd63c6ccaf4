package e2e_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// regional is the company of most tests, with an environment that is on both clusters,
// in the regions local and eu-west.
func regional(w *world) files {
	both := strings.Replace(w.environment(w.prod(), 30, "prod-eu", ""), `["prod-eu"]`, `["local", "prod-eu"]`, 1)
	return shopAndPay(w).and(files{"environments/" + w.prod() + "/environment.cue": both}).and(w.checkoutIn("local", "eu-west"))
}

// checkoutIn is checkout in some regions of prod.
func (w *world) checkoutIn(regions ...string) files {
	return w.web("shop", "checkout", fmt.Sprintf("needs: {pay: service: \"pay\", cart: service: \"cart\"}\n\tenvironments: %q: regions: [\"%s\"]",
		w.prod(), strings.Join(regions, `", "`)))
}

// TestRegionTakenOut: a service leaves the clusters of a region that it does not name
// any more, and those only. A region that no cluster is in is a typing mistake and
// takes nothing away, and neither does a declaration that cannot be read.
func TestRegionTakenOut(t *testing.T) {
	w := newWorld(t, regional)
	w.run()
	here, there := w.prod()+"/local/checkout", w.inProd("checkout")
	space := w.space("shop", w.prod())
	checkout := func() map[string]map[string]any {
		all := w.essences("local", false)
		maps.DeleteFunc(all, func(key string, _ map[string]any) bool { return !strings.HasSuffix(key, " "+space+"/checkout") })
		return all
	}
	before := checkout()

	from := w.lab.now(t)
	w.settled(w.push("a typing mistake", w.checkoutIn("lokal", "eu-west")), here, there)
	if u := w.unit(here); !strings.Contains(u.Message, `has no cluster in the region "lokal"`) || !strings.Contains(u.Message, w.servicePath("shop", "checkout")+":") {
		t.Errorf("held, and said of it: %s", describe(u))
	}
	w.mustDeleteNothing(from)
	w.settled(w.push("mended", w.checkoutIn("local", "eu-west")))

	// Less is asked for while nobody looks, and then not to be read any more.
	w.daemon.stop()
	w.push("in Europe only", w.checkoutIn("eu-west"))
	from = w.lab.now(t)
	broken := w.checkoutIn("eu-west")
	broken[w.servicePath("shop", "checkout")] = strings.Replace(broken[w.servicePath("shop", "checkout")], "scale: min: 1", `scale: min: "one"`, 1)
	commit := w.push("and a mistake", broken)
	w.start(t.TempDir())
	w.settled(commit, here, there, w.inDev("checkout"))
	w.mustDeleteNothing(from)
	mustEqual(t, "what is live while it cannot be said", before, checkout())

	from = w.lab.now(t)
	w.settled(w.push("mended", w.checkoutIn("eu-west")))
	gone := 0
	for _, r := range w.deleted(from) {
		if r.Cluster != "local" || r.Object.Namespace != space || r.Object.Name != "checkout" {
			t.Errorf("deleted, and should not be: %s", r)
		}
		gone++
	}
	if entry := w.inventoryOf("local", here); gone == 0 || entry != "" {
		t.Errorf("%d objects of %s were deleted; the inventory has %q", gone, here, entry)
	}

	w.settled(w.push("and back", w.checkoutIn("eu-west", "local")))
	mustEqual(t, "what is live with the region again", before, checkout())
}
