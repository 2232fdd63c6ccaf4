package preview_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/preview"
)

func tree(t *testing.T, files map[string]string) *git.Tree {
	t.Helper()
	raw := map[string][]byte{}
	for name, text := range files {
		raw[name] = []byte(text)
	}
	out, err := compose.With(nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// company is what the pull requests of these tests go into.
func company() map[string]string {
	return map[string]string{
		"teams/shop/team.cue":                         "team",
		"teams/shop/cart/service.cue":                 "cart 1",
		"teams/shop/cart/secrets.dev.sops.yaml":       "sealed for dev",
		"teams/shop/cart/manifests/extra.yaml":        "kind: ConfigMap",
		"teams/shop/orders/service.cue":               "orders 1",
		"environments/dev/releases/shop/cart.cue":     "cart in dev",
		"environments/prod/releases/shop/cart.cue":    "cart in prod",
		"environments/prod/releases/shop/orders.cue":  "orders in prod",
		"environments/stage/releases/shop/orders.cue": "orders in stage",
	}
}

// TestMake holds what a pull request is made into, by what it touches.
func TestMake(t *testing.T) {
	const at = "previews/pr-7/"
	for _, c := range []struct {
		name   string
		change map[string]string // "" takes a file out
		files  map[string]string // beside the environment's own, below at
		left   string
	}{
		{"nothing that runs", map[string]string{"docs/page.md": "x", "platform/paths/web/objects.cue": "y"}, nil, ""},
		{"a declaration, with what stands beside it", map[string]string{"teams/shop/cart/service.cue": "cart 2"}, map[string]string{
			"services/shop/cart/service.cue": "cart 2", "services/shop/cart/secrets.dev.sops.yaml": "sealed for dev",
			"services/shop/cart/manifests/extra.yaml": "kind: ConfigMap", "releases/shop/cart.cue": "cart in dev",
		}, ""},
		{"a secret is the base branch's", map[string]string{"teams/shop/cart/secrets.dev.sops.yaml": "stolen", "teams/shop/cart/secrets.prod.sops.yaml": "stolen too"}, map[string]string{
			"services/shop/cart/service.cue": "cart 1", "services/shop/cart/secrets.dev.sops.yaml": "sealed for dev",
			"services/shop/cart/manifests/extra.yaml": "kind: ConfigMap", "releases/shop/cart.cue": "cart in dev",
		}, ""},
		{"a release alone", map[string]string{"environments/prod/releases/shop/cart.cue": "cart in prod, newer"}, map[string]string{
			"releases/shop/cart.cue": "cart in prod, newer",
		}, ""},
		{"what dev releases goes before", map[string]string{"environments/prod/releases/shop/cart.cue": "cart in prod, newer", "environments/dev/releases/shop/cart.cue": "cart in dev, newer"}, map[string]string{
			"releases/shop/cart.cue": "cart in dev, newer",
		}, ""},
		{"one that dev does not have", map[string]string{"teams/shop/orders/service.cue": "orders 2"}, map[string]string{
			"services/shop/orders/service.cue": "orders 2", "releases/shop/orders.cue": "orders in prod",
		}, ""},
		{"a new one", map[string]string{"teams/shop/mail/service.cue": "mail", "environments/dev/releases/shop/mail.cue": "mail in dev"}, map[string]string{
			"services/shop/mail/service.cue": "mail", "releases/shop/mail.cue": "mail in dev",
		}, ""},
		{"a new one without an image", map[string]string{"teams/shop/mail/service.cue": "mail"}, nil, "environments/dev/releases/shop/mail.cue"},
		{"of a new team", map[string]string{"teams/new/team.cue": "team", "teams/new/mail/service.cue": "mail", "environments/dev/releases/new/mail.cue": "mail"}, nil, "team new is not declared"},
		{"one that goes", map[string]string{"teams/shop/orders/service.cue": "", "environments/prod/releases/shop/orders.cue": "", "environments/stage/releases/shop/orders.cue": ""}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			after := company()
			for name, text := range c.change {
				if after[name] = text; text == "" {
					delete(after, name)
				}
			}
			p, err := preview.Make(&catalog.Previews{Base: "dev", Services: 2}, 7, "head", tree(t, company()), tree(t, after))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for name, text := range p.Files {
				got[strings.TrimPrefix(name, at)] = string(text)
			}
			if environment := got["environment.cue"]; (environment == "") != (len(c.files) == 0) || environment != "" && !strings.Contains(environment, `name: "pr-7"`) {
				t.Errorf("the environment is %q", environment)
			}
			delete(got, "environment.cue")
			if diff := cmp.Diff(c.files, got); diff != "" && len(c.files)+len(got) > 0 {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			left := strings.Join(slices.Collect(maps.Values(p.Left)), " ")
			if !strings.Contains(left, c.left) || c.left == "" && left != "" {
				t.Errorf("left out: %q, want %q", left, c.left)
			}
		})
	}
}

// TestMakeRefuses: what touches more than a preview may have, has none.
func TestMakeRefuses(t *testing.T) {
	after := company()
	after["teams/shop/cart/service.cue"], after["teams/shop/orders/service.cue"] = "2", "2"
	_, err := preview.Make(&catalog.Previews{Base: "dev", Services: 1}, 7, "head", tree(t, company()), tree(t, after))
	if !errors.Is(err, preview.ErrTooMuch) || !strings.Contains(err.Error(), "touches 2 services") {
		t.Errorf("two of at most one: %v", err)
	}
	after = company()
	after["teams/shop/cart/manifests/large.yaml"] = strings.Repeat("x", 700<<10)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		after["teams/shop/cart/manifests/"+name+".yaml"] = strings.Repeat(name, 700<<10)
	}
	_, err = preview.Make(&catalog.Previews{Base: "dev", Services: 1}, 7, "head", tree(t, company()), tree(t, after))
	if !errors.Is(err, preview.ErrTooMuch) {
		t.Errorf("a folder of 4.9 MB: %v", err)
	}
}

// TestSet: previews are there until they are known to have ended; what was kept brings
// them back, and ends none.
func TestSet(t *testing.T) {
	var kept []byte
	told := 0
	s := preview.Open(nil)
	s.Keep, s.Changed = func(raw []byte) { kept = raw }, func() { told++ }
	of := func(head, text string) preview.Preview {
		return preview.Preview{Number: 7, Head: head, Files: map[string][]byte{"previews/pr-7/environment.cue": []byte(text)}}
	}
	_, first := s.Files()
	s.Put(of("one", "a"), 9)
	files, second := s.Files()
	if len(files) != 1 || second == first || told != 1 {
		t.Errorf("%d files, version %d after %d, told %d times", len(files), second, first, told)
	}
	s.Put(of("two", "a"), 9)
	if _, same := s.Files(); same != second || told != 1 {
		t.Error("a head that declares the same changes something")
	}
	if _, ended := s.Ended("pr-7"); ended {
		t.Error("one that is there has ended")
	}
	again := preview.Open(kept)
	if list := again.List(); len(list) != 1 || list[0].Head != "two" {
		t.Errorf("after a restart there are %v", list)
	}
	s.End(7, "pull request 7 was merged")
	if why, ended := s.Ended("pr-7"); !ended || why != "pull request 7 was merged" || told != 2 {
		t.Errorf("ended: %v %q, told %d times", ended, why, told)
	}
	if _, ended := preview.Open(kept).Ended("pr-7"); ended {
		t.Error("what was kept ends a preview")
	}
	if _, ended := s.Ended("pr-8"); ended {
		t.Error("one that nobody spoke of has ended")
	}
	if _, ended := s.Ended("prod"); ended {
		t.Error("an environment that is no preview has ended")
	}
	s.Put(preview.Preview{Number: 9, Head: "x"}, 9)
	if _, ended := s.Ended("pr-9"); !ended {
		t.Error("an open pull request that touches nothing any more keeps a preview")
	}
}
