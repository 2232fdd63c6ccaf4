package format

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// FuzzGitHub reads the printed command as the runner does and wants back what
// went in, whatever it was.
func FuzzGitHub(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, file, code, message string) {
		list := diag.List{{Code: code, Severity: diag.Error, Pos: diag.Position{File: file, Line: 3}, Message: message}}
		var b bytes.Buffer
		if err := GitHub(&b, list); err != nil {
			t.Fatal(err)
		}
		line, rest, _ := strings.Cut(b.String(), "\n")
		if rest != "" {
			t.Fatalf("%v makes more than one line: %q", list, b.String())
		}
		properties, got := runner(t, line)
		if got != clean(message) || properties["file"] != clean(file) || properties["title"] != clean(code) {
			t.Errorf("file %q code %q message %q came out as %v, %q of %q", file, code, message, properties, got, line)
		}
	})
}

// runner parses a workflow command as ActionCommand.TryParseV2 of GitHub's
// runner does: up to the next "::" the properties, then the data.
func runner(t *testing.T, line string) (map[string]string, string) {
	t.Helper()
	head, data, ok := strings.Cut(strings.TrimPrefix(line, "::"), "::")
	name, list, _ := strings.Cut(head, " ")
	if !ok || name != "error" {
		t.Fatalf("%q is no error command", line)
	}
	properties := map[string]string{}
	for _, p := range strings.Split(list, ",") {
		key, value, _ := strings.Cut(p, "=")
		properties[key] = unescape(value)
	}
	return properties, unescape(data)
}

func unescape(s string) string {
	return strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%").Replace(s)
}

func FuzzSARIF(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, file, code, message string) {
		list := diag.List{{Code: code, Severity: diag.Warning, Pos: diag.Position{File: file, Line: 3, Column: 1}, Message: message}}
		var b bytes.Buffer
		if err := SARIF(&b, list); err != nil {
			t.Fatal(err)
		}
		uri, text := firstResult(t, b.Bytes())
		if text != clean(message) {
			t.Errorf("message %q came out as %q", message, text)
		}
		u, err := url.Parse(uri)
		if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "/") {
			t.Errorf("file %q became %q, which is no relative URI (%v)", file, uri, err)
		}
	})
}

func firstResult(t *testing.T, log []byte) (uri, text string) {
	t.Helper()
	var doc struct {
		Runs []struct {
			Results []struct {
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
		}
	}
	if err := json.Unmarshal(log, &doc); err != nil {
		t.Fatalf("%s is no JSON: %v", log, err)
	}
	r := doc.Runs[0].Results[0]
	return r.Locations[0].PhysicalLocation.ArtifactLocation.URI, r.Message.Text
}

// FuzzText: whatever a mistake and its file hold, what is printed cannot steer a
// terminal, and a place outside the file is printed without its line.
func FuzzText(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, s, s, 1, 1)
	}
	f.Add("a.cue", "m", "line one\nline two", 2, 40)
	f.Add("a.cue", "m", "", -1, -7)
	f.Fuzz(func(t *testing.T, file, message, source string, line, column int) {
		list := diag.List{{Code: "c", Severity: diag.Error, Pos: diag.Position{File: file, Line: line, Column: column}, Message: message, Hint: message}}
		var b bytes.Buffer
		if err := Text(&b, list, Options{Source: func(string) ([]byte, error) { return []byte(source), nil }}); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(b.String(), "\n") {
			if !isClean(line) {
				t.Errorf("printed %q", line)
			}
		}
		var j bytes.Buffer
		if err := JSON(&j, list); err != nil || !json.Valid(j.Bytes()) {
			t.Errorf("JSON: %v, %q", err, j.String())
		}
	})
}
