package owners

import (
	"encoding/json"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

func declared(name, source string) catalog.Declared {
	return catalog.Declared{Name: name, Source: source, Data: json.RawMessage("{}")}
}

// company has a platform's team and two others, three environments, and a policy
// that security answers for, with an exception.
func company() *catalog.Catalog {
	cat := catalog.New()
	for name, owners := range map[string][]string{"platform": {"platform-leads"}, "shop": {"shop-leads", "@Zoe"}, "pay": {"acme/pay-leads"}} {
		cat.Teams[name] = &catalog.Team{Declared: declared(name, "teams/"+name+"/team.cue"), Owners: owners, Members: []string{name + "-developers"}}
	}
	for name, rank := range map[string]int{"dev": 10, "staging": 20, "prod": 30} {
		cat.Environments[name] = &catalog.Environment{Declared: declared(name, "environments/"+name+"/environment.cue"), Rank: rank}
	}
	policy := func(name, owner string) {
		cat.Policies[name] = &catalog.Policy{Declared: declared(name, "platform/policies/"+name+".cue"), Owner: owner}
	}
	policy("no-host", "@security-leads")
	policy("spread", "Platform-Leads")
	exception := func(name, policy string) {
		cat.Exceptions[name] = &catalog.Exception{Declared: declared(name, "platform/exceptions/"+name+".cue"), Policy: policy, Owner: "somebody"}
	}
	exception("maps", "no-host")
	exception("tiles", "spread")
	exception("old", "gone")
	return cat
}

func TestGenerate(t *testing.T) {
	want := `* @platform-leads
/cue.mod/ @platform-leads
/schema/ @platform-leads
/platform/ @platform-leads
/platform/policies/ @platform-leads
/platform/policies/no-host.cue @security-leads
/platform/exceptions/ @platform-leads
/platform/exceptions/maps.cue @security-leads
/platform/approvals/ @platform-leads
/platform/signing/ @platform-leads
/environments/ @platform-leads
/teams/ @platform-leads
/environments/*/releases/pay/ @acme/pay-leads
/teams/pay/ @acme/pay-leads
/environments/*/releases/platform/ @platform-leads
/teams/platform/ @platform-leads
/environments/*/releases/shop/ @shop-leads @Zoe
/teams/shop/ @shop-leads @Zoe
`
	for _, forge := range []Forge{GitHub, GitLab} {
		got, err := Generate(company(), "platform", forge)
		if err != nil {
			t.Fatal(err)
		}
		head, lines, _ := strings.Cut(got, "\n\n")
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", forge, diff)
		}
		if !strings.Contains(head, "Do not edit") || strings.Contains(strings.ReplaceAll("\n"+head, "\n#", ""), "\n") {
			t.Errorf("%s: head %q", forge, head)
		}
	}
	gitea := `!(teams/(pay|platform|shop)|environments/[^/]+/releases/(pay|platform|shop))/.* @platform-leads
platform/policies/no-host[.]cue @security-leads
platform/exceptions/maps[.]cue @security-leads
environments/[^/]+/releases/pay/.* @acme/pay-leads
teams/pay/.* @acme/pay-leads
environments/[^/]+/releases/platform/.* @platform-leads
teams/platform/.* @platform-leads
environments/[^/]+/releases/shop/.* @shop-leads @Zoe
teams/shop/.* @shop-leads @Zoe
`
	got, err := Generate(company(), "platform", Gitea)
	if err != nil {
		t.Fatal(err)
	}
	if _, lines, _ := strings.Cut(got, "\n\n"); lines != gitea {
		t.Errorf("gitea (-want +got):\n%s", cmp.Diff(gitea, lines))
	}
}

// asGitHub is whom GitHub and GitLab ask for a file: of the lines that match, the
// last.
func asGitHub(text, file string) []string {
	var found []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, matches := strings.TrimPrefix(fields[0], "/"), fields[0] == "*"
		if dir, ok := strings.CutSuffix(pattern, "/"); ok {
			parts, n := strings.Split(file, "/"), strings.Count(dir, "/")+1
			if len(parts) > n {
				matches, _ = path.Match(dir, strings.Join(parts[:n], "/"))
			}
		} else if !matches {
			matches = pattern == file
		}
		if matches {
			found = fields[1:]
		}
	}
	return found
}

// asGitea is whom Gitea asks for a file: all lines that match.
func asGitea(t *testing.T, text, file string) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		expression, negative := strings.CutPrefix(fields[0], "!")
		re, err := regexp.Compile("^" + expression + "$")
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if re.MatchString(file) != negative {
			found = append(found, fields[1:]...)
		}
	}
	return found
}

// TestForgesAsk: each forge, reading its own form as it documents, asks the same
// people for each file; Gitea asks the platform's team as well, and only for what
// stands in its folders.
func TestForgesAsk(t *testing.T) {
	texts := map[Forge]string{}
	for _, forge := range Forges() {
		text, err := Generate(company(), "platform", forge)
		if err != nil {
			t.Fatal(err)
		}
		texts[forge] = text
	}
	for file, want := range map[string]string{
		"README.md": "@platform-leads", "CODEOWNERS": "@platform-leads", ".github/workflows/ci.yaml": "@platform-leads",
		"teams/shop/team.cue": "@shop-leads @Zoe", "teams/shop/cart/service.cue": "@shop-leads @Zoe", "teams/shop/cart/files/a/b.yaml": "@shop-leads @Zoe",
		"teams/shopping/team.cue": "@platform-leads", "teams/new/team.cue": "@platform-leads", "docs/teams/shop/x": "@platform-leads",
		"environments/prod/environment.cue": "@platform-leads", "environments/prod/releases/pay/a.cue": "@acme/pay-leads",
		"environments/new/releases/shop/a.cue": "@shop-leads @Zoe", "environments/prod/releases/new/a.cue": "@platform-leads",
		"platform/policies/no-host.cue": "@security-leads", "platform/policies/no-hostxcue": "@platform-leads", "platform/policies/spread.cue": "@platform-leads",
		"platform/exceptions/maps.cue": "@security-leads", "platform/exceptions/new.cue": "@platform-leads", "platform/approvals/a.cue": "@platform-leads",
		"schema/team.cue": "@platform-leads", "cue.mod/module.cue": "@platform-leads",
	} {
		if got := strings.Join(asGitHub(texts[GitHub], file), " "); got != want || texts[GitHub] != texts[GitLab] {
			t.Errorf("%s: GitHub asks %s, want %s", file, got, want)
		}
		got := asGitea(t, texts[Gitea], file)
		if strings.HasPrefix(file, "platform/") {
			got = slices.DeleteFunc(got, func(h string) bool { return h == "@platform-leads" && want != h })
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: Gitea asks %s, want %s", file, got, want)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	broken := func(spoil func(*catalog.Catalog)) *catalog.Catalog {
		cat := company()
		spoil(cat)
		return cat
	}
	for says, cat := range map[string]*catalog.Catalog{
		"declare teams/platform/team.cue":                            catalog.New(),
		"teams/shop/team.cue does not evaluate":                      broken(func(c *catalog.Catalog) { c.Teams["shop"].Data = nil }),
		"platform/policies/spread.cue does not evaluate":             broken(func(c *catalog.Catalog) { c.Policies["spread"].Data = nil }),
		"platform/exceptions/maps.cue does not evaluate; see reconc": broken(func(c *catalog.Catalog) { c.Exceptions["maps"].Data = nil }),
	} {
		if text, err := Generate(cat, "platform", GitHub); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), says) || text != "" {
			t.Errorf("%q, %v; want it to say %s", text, err, says)
		}
	}
	if _, err := Generate(company(), "platform", "svn"); err == nil {
		t.Error("svn has CODEOWNERS")
	}
}

func TestDiffer(t *testing.T) {
	for _, c := range []struct {
		got, want, has, wants string
		line                  int
	}{
		{"a\nb\n", "a\nb\n", "", "", 0}, {"", "", "", "", 0},
		{"a\nb\n", "a\nc\n", "b", "c", 2}, {"a\n", "a\nb\n", "", "b", 2}, {"a\nb\n", "a\n", "b", "", 2},
		{"", "a\n", "", "a", 1}, {"a", "a\n", "a", "a", 1},
	} {
		if line, has, wants := Differ(c.got, c.want); line != c.line || has != c.has || wants != c.wants {
			t.Errorf("%q and %q: %d %q %q", c.got, c.want, line, has, wants)
		}
	}
}
