package paths_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const flagged = `package service

import "fairway.dev/platform/paths/web"

web.#Service & {
	name:        "demo"
	description: "Shows what a golden path makes."
	image:       "registry.example.com/shop/demo"
	http: {port: 8080}
	flags: basket: {
		description: "Shows the basket that was drawn anew."
		default:     "off"
		rules: [{when: country: in: ["de"], serve: "on"}]
	}
}
`

// TestFlagsTouchOneObject holds that a change of a flag changes the file of flags
// and nothing else: no pod is made anew, and one request brings it to a cluster.
func TestFlagsTouchOneObject(t *testing.T) {
	b := newBench(t)
	before := b.objects(t, flagged)
	for name, change := range map[string][2]string{
		"the default": {`default:     "off"`, `default:     "on"`},
		"a rule":      {`in: ["de"]`, `in: ["de", "at"]`},
		"another":     {"	flags: basket:", "	flags: greeting: {description: \"How customers are greeted.\", default: \"on\"}\n	flags: basket:"},
		"use":         {"	flags: basket:", "	environments: prod: flags: basket: enabled: false\n	flags: basket:"},
	} {
		t.Run(name, func(t *testing.T) {
			after := b.objects(t, strings.Replace(flagged, change[0], change[1], 1))
			var changed []string
			for _, name := range slices.Sorted(maps.Keys(after)) {
				if after[name] != before[name] {
					changed = append(changed, name)
				}
			}
			if len(after) != len(before) || !slices.Equal(changed, []string{"ConfigMap/demo-flags"}) {
				t.Errorf("a change of %s changes %q of %d objects", name, changed, len(after))
			}
		})
	}
}

// objects is what becomes of the service demo, as YAML by kind and name.
func (b *bench) objects(t *testing.T, service string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for text := range strings.SplitSeq(b.render(t, map[string]string{"service.cue": service}), "---\n") {
		kind, name := "", ""
		for line := range strings.Lines(text) {
			if v, ok := strings.CutPrefix(line, "kind: "); ok {
				kind = strings.TrimSpace(v)
			}
			if v, ok := strings.CutPrefix(line, "  name: "); ok && name == "" {
				name = strings.TrimSpace(v)
			}
		}
		out[kind+"/"+name] = text
	}
	return out
}
