package secret_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/secret"
)

// demoKeys are the keys that the files of testdata are encrypted for.
func demoKeys(t testing.TB) []age.Identity {
	t.Helper()
	f, err := os.Open("../../lab/demo-age-key.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keys, err := secret.ReadKeys(f)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func open(t testing.TB, name, text string) (map[string]string, error) {
	t.Helper()
	f, err := secret.Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	return f.Open(demoKeys(t))
}

// TestOpen opens files that sops itself wrote.
func TestOpen(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"full.sops.yaml": {
			"smtp-password": "demo value, öffentlich", "number": "42", "ratio": "1.5", "flag": "true",
			"long": "two lines,\nthe second one longer\n",
		},
		"full.sops.json":  {"smtp-password": "demo value", "number": "42", "ratio": "1.5", "flag": "false"},
		"regex.sops.yaml": {"password": "demo"},
	} {
		got, err := open(t, name, fixture(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// TestChanged refuses what was changed by somebody without the key, in whatever way.
func TestChanged(t *testing.T) {
	text := fixture(t, "full.sops.yaml")
	lines := strings.SplitAfter(text, "\n")
	line := func(prefix string) int {
		for i, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), prefix) {
				return i
			}
		}
		t.Fatalf("there is no line %s", prefix)
		return 0
	}
	value := func(prefix string) string { _, v, _ := strings.Cut(lines[line(prefix)], ": "); return v }
	with := func(prefix, replacement string) string {
		i := line(prefix)
		return strings.Join(lines[:i], "") + replacement + strings.Join(lines[i+1:], "")
	}
	for name, changed := range map[string]string{
		"a value of another key":    with("number:", "number: "+value("smtp-password:")),
		"a value taken out":         with("number:", ""),
		"a value put in":            with("number:", lines[line("number:")]+"more_unencrypted: 1\n"),
		"another order":             with("number:", lines[line("ratio:")]+lines[line("number:")]),
		"what is not encrypted":     with("shown_unencrypted:", "shown_unencrypted: 008 is not a secret\n"),
		"another time":              with("lastmodified:", "    lastmodified: \"2020-01-01T00:00:00Z\"\n"),
		"no checksum":               with("mac:", ""),
		"an empty checksum":         with("mac:", "    mac: \"\"\n"),
		"the checksum of a value":   with("mac:", "    mac: "+value("number:")),
		"a value in the clear":      with("number:", "number: 43\n"),
		"more in a list":            strings.Replace(text, "    - two:", "    - more_unencrypted: 1\n    - two:", 1),
		"an empty value":            with("number:", "number: \"\"\n"),
		"a checksum for fewer":      strings.Replace(text, "sops:\n", "sops:\n    mac_only_encrypted: true\n", 1),
		"less of it encrypted":      strings.Replace(text, "sops:\n", "sops:\n    unencrypted_regex: ^number$\n", 1),
		"another type of the value": with("number:", strings.Replace(lines[line("number:")], "type:int", "type:comment", 1)),
	} {
		got, err := open(t, "full.sops.yaml", changed)
		if err == nil || got != nil {
			t.Errorf("%s: opened", name)
			continue
		}
		if !errors.Is(err, secret.ErrMAC) && !errors.Is(err, secret.ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(err.Error(), "full.sops.yaml") || strings.Contains(err.Error(), "demo value") {
			t.Errorf("%s: what is said is not fit for people: %v", name, err)
		}
	}
}

// TestKeys tells a missing key from a wrong one, and says for whom the file is.
func TestKeys(t *testing.T) {
	f, err := secret.Parse("teams/a/b/secrets.prod.sops.yaml", []byte(fixture(t, "full.sops.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys []age.Identity
		says string
	}{
		{nil, "--age-key-file"},
		{[]age.Identity{other}, "it is encrypted for age1"},
	} {
		_, err := f.Open(c.keys)
		if !errors.Is(err, secret.ErrKey) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "teams/a/b/secrets.prod.sops.yaml") {
			t.Errorf("%d keys: %v", len(c.keys), err)
		}
	}
}

// TestNotSealed refuses files in which something stands in the clear, and does not
// say it again.
func TestNotSealed(t *testing.T) {
	const canary = "canary-0815"
	sops := fixture(t, "full.sops.yaml")
	sops = sops[strings.Index(sops, "sops:\n"):]
	for name, text := range map[string]string{
		"plain":         "password: " + canary + "\n",
		"one of them":   "password: " + canary + "\n" + sops,
		"a number":      "password: 12345678\n" + sops,
		"no YAML":       "password: [" + canary + "\n",
		"two documents": sops + "---\npassword: " + canary + "\n",
		"an alias":      "a: &x " + canary + "\nb: *x\n" + sops,
		"a key twice":   "a: " + canary + "\na: b\n" + sops,
		"a list":        "- " + canary + "\n",
		"nothing":       "",
		"deep":          strings.Repeat("a: {", 40) + strings.Repeat("}", 40),
		"large":         strings.Repeat("a", secret.MaxFile+1),
		"key groups":    "a: 1\n" + strings.Replace(sops, "sops:\n", "sops:\n    shamir_threshold: 2\n", 1),
	} {
		_, err := secret.Parse("secrets.prod.sops.yaml", []byte(text))
		if !errors.Is(err, secret.ErrForm) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestValues gives what can be had without a key.
func TestValues(t *testing.T) {
	f, err := secret.Parse("a.sops.yaml", []byte(fixture(t, "full.sops.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	sealed := regexp.MustCompile(`^ENC\[AES256_GCM,`)
	values := f.Values()
	for _, name := range []string{"smtp-password", "number", "flag"} {
		if !sealed.MatchString(values[name]) {
			t.Errorf("%s: %q", name, values[name])
		}
	}
	if _, there := values["shown_unencrypted"]; there || len(values) != 5 {
		t.Errorf("%d values", len(values))
	}
}

// TestFinder tells secrets by their form and by the variable's name.
func TestFinder(t *testing.T) {
	found := secret.NewFinder()
	for _, c := range []struct {
		name, value string
		secret      bool
	}{
		{"SMTP_PASSWORD", "hunter22", true},
		{"STRIPE_KEY", "abcdef123456", true},
		{"API_TOKEN", "abcdef", true},
		{"PARTNER_SECRET", "abcdef", true},
		{"REGION_HINT", "AKIA" + strings.Repeat("A", 16), true},
		{"CI", "ghp_" + strings.Repeat("a", 36), true},
		{"CERT", "-----BEGIN RSA PRIVATE KEY-----", true},
		{"WHO", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", true},
		{"UPSTREAM", "https://user:pass@example.com/", true},
		{"UPSTREAM", "https://example.com/a:b@c", false},
		{"DB_PASSWORD_FILE", "/secrets/DB_PASSWORD", false},
		{"TLS_KEY", "/etc/tls/key.pem", false},
		{"SIGNING_PUBLIC_KEY", "abcdef", false},
		{"AWS_KEY_ID", "abcdef", false},
		{"REQUIRE_TOKEN", "true", false},
		{"TOKEN_URL", "https://example.com/token", false},
		{"LOG_LEVEL", "debug", false},
		{"MONKEY", "banana", false},
	} {
		if got := found.Variable(c.name, c.value) != ""; got != c.secret {
			t.Errorf("%s=%s: secret is %v", c.name, c.value, got)
		}
	}
}

// FuzzParse holds that no bytes make the reader panic, and that what opens is what
// sops wrote.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"full.sops.yaml", "full.sops.json", "regex.sops.yaml"} {
		f.Add(name, []byte(fixture(f, name)))
	}
	keys := demoKeys(f)
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		file, err := secret.Parse(name, text)
		if err != nil {
			if !errors.Is(err, secret.ErrForm) {
				t.Fatalf("%v", err)
			}
			return
		}
		if _, err := file.Open(keys); err != nil && !errors.Is(err, secret.ErrForm) && !errors.Is(err, secret.ErrKey) && !errors.Is(err, secret.ErrMAC) {
			t.Fatalf("%v", err)
		}
	})
}
