package render_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// TestPreviewStandsAside: a preview is made of the services as a pull request has them,
// beside all others as they are; it calls them and they let it in, and nothing that it
// says holds any of them.
func TestPreviewStandsAside(t *testing.T) {
	w := newWorld(t, newEvaluator(t), t.TempDir())
	base, c := realPlatform(t), newCompany()
	at := func(environment, service string) catalog.UnitKey {
		return catalog.UnitKey{Environment: environment, Cluster: "one", Service: service}
	}
	w.advance(c.write(base))
	before := w.digests()
	front := c.Services["alpha/front"]
	open := func(s service) {
		s.Needs = maps.Clone(s.Needs)
		c.Previews = map[int]preview{7: {Tag: "2.0.0", Released: []service{s}, Changed: []service{s}}}
		w.advance(c.write(base))
	}

	front.Needs = map[string]string{} // it calls nothing any more
	open(front)
	if w.unit("pr-7/one/front").Held() {
		t.Fatalf("it is held: %v", w.unit("pr-7/one/front").Diags)
	}
	if strings.Contains(w.policy(at("dev", "stock")), "alpha-pr-7") {
		t.Error("what the preview does not call lets it in")
	}
	if !strings.Contains(w.policy(at("dev", "stock")), "alpha-dev") {
		t.Error("the preview's needs became those of dev")
	}
	front.Needs = map[string]string{"stock": "http"}
	open(front)
	if !strings.Contains(w.policy(at("dev", "stock")), "alpha-pr-7") {
		t.Error("what the preview calls does not let it in")
	}

	front.Host = "front.alpha.example.com" // prod's
	open(front)
	held := w.unit("pr-7/one/front").Diags
	if !w.unit("pr-7/one/front").Held() || !strings.Contains(held[0].Message, "below pr-7.preview.example.com") {
		t.Errorf("a host of others: %v", held)
	}
	other := front
	other.Host = "front.alpha.pr-7.preview.example.com"
	c.Services["alpha/front"] = other // the base claims what the preview is called
	front.Host = ""
	open(front)
	for _, key := range []string{"prod/one/front", "prod/two/front", "dev/one/front"} {
		for _, d := range w.unit(key).Diags {
			if strings.Contains(d.Message, "pr-7/") {
				t.Errorf("%s is held by a preview: %s", key, d.Message)
			}
		}
	}
	if !w.unit("pr-7/one/front").Held() {
		t.Error("the preview shares a host with others, and does not mind")
	}

	c = newCompany()
	w.advance(c.write(base))
	for key, digest := range w.digests() {
		if before[key] != digest {
			t.Errorf("%s is another after the preview", key)
		}
	}
}
