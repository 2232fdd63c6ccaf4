package format

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/diag"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the wanted sections of testdata")
	os.Exit(m.Run())
}

// Each archive holds the list ("diags.json", the items), the sources it speaks
// of, and a section "want/FORMAT" for each format.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string][]byte{}
	for _, f := range archive.Files {
		sections[f.Name] = f.Data
	}
	var list diag.List
	if err := json.Unmarshal(sections["diags.json"], &list); err != nil {
		t.Fatal(err)
	}
	opts := Options{Source: func(name string) ([]byte, error) {
		if b, ok := sections[name]; ok {
			return b, nil
		}
		return nil, os.ErrNotExist
	}}
	changed := false
	for i, f := range archive.Files {
		name, ok := strings.CutPrefix(f.Name, "want/")
		if !ok {
			continue
		}
		got := printed(t, name, list, opts)
		if flag.Lookup("update").Value.String() == "true" {
			changed = changed || !bytes.Equal(f.Data, got)
			archive.Files[i].Data = got
		} else if diff := cmp.Diff(string(f.Data), string(got)); diff != "" {
			t.Errorf("%s of %s (-want +got):\n%s", name, file, diff)
		}
	}
	if changed {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func printed(t *testing.T, name string, list diag.List, opts Options) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch name {
	case "text":
		err = Text(&b, list, opts)
	case "color":
		opts.Color = true
		if err := Text(&b, list, opts); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return []byte(strings.ReplaceAll(b.String(), "\x1b", "ESC"))
	case "json":
		err = JSON(&b, list)
	case "sarif":
		err = SARIF(&b, list)
	case "github":
		err = GitHub(&b, list)
	case "gitlab":
		err = GitLab(&b, list)
	default:
		t.Fatalf("unknown format %q", name)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.Bytes()
}

// hostileTexts are what somebody would write to do harm by being reported.
func hostileTexts() []string {
	return []string{
		"\x1b]0;owned\x07", "\x1b[2J", "a\r\nb", "::error::x", "##[error]x", "100%", "a%0Ab", "a:b,c=d",
		"\u202egnp.exe", "\u2028x", "\u009b2J", "\xff\xfe", "", "title\n::set-output name=x::y", "<b>", `"`, "\u200bzero", "../../etc", "//host/x",
	}
}

func hostileList() diag.List {
	var l diag.List
	for _, s := range hostileTexts() {
		l = append(l, diag.Diag{
			Code: s, Severity: diag.Error, Pos: diag.Position{File: s, Line: 1, Column: 2}, Message: s, Rule: s, Hint: s,
			Related: []diag.Related{{Pos: diag.Position{File: s, Line: 3}, Note: s}}, Subject: diag.Subject{Service: s},
		})
	}
	return l
}

func TestTextIsInert(t *testing.T) {
	list := append(hostileList(), hostileList()...)
	source := func(string) ([]byte, error) { return []byte(strings.Join(hostileTexts(), " ") + "\n"), nil }
	var b bytes.Buffer
	if err := Text(&b, list, Options{Source: source}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if !isClean(line) {
			t.Errorf("line %q holds a rune that acts on the terminal", line)
		}
		if start := strings.TrimSpace(line); strings.HasPrefix(start, "::") || strings.HasPrefix(start, "##[") {
			t.Errorf("line %q is a command of a CI system", line)
		}
	}
}

// What is safe is said here once more, apart from the code.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain äöü 漢字 <&> %": "plain äöü 漢字 <&> %",
		"\x1b[31m":           `\x1b[31m`, "a\r\nb\tc": `a\r\nb\tc`, "\x00\x7f": `\x00\x7f`, "\u009b": `\x9b`,
		"\u202e": `\u202e`, "\u2066": `\u2066`, "\u200b": `\u200b`, "\ufeff": `\ufeff`, "\u2028\u2029": `\u2028\u2029`, "\xff": `\xff`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSARIFIsValid(t *testing.T) {
	var b bytes.Buffer
	if err := SARIF(&b, hostileList()); err != nil {
		t.Fatal(err)
	}
	report, err := sarif.FromBytes(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Validate(); err != nil {
		t.Errorf("the log does not satisfy the schema of SARIF 2.1.0: %v", err)
	}
}

func TestLongLineIsCut(t *testing.T) {
	line := strings.Repeat("x", 5000) + "HERE" + strings.Repeat("y", 5000)
	s := source{read: func(string) ([]byte, error) { return []byte(line), nil }}
	got, caret, ok := s.line(diag.Position{File: "f", Line: 1, Column: 5001})
	if !ok || len(got) > widest+6 || !strings.HasPrefix(got[caret:], "HERE") {
		t.Errorf("line of %d bytes shown as %q with caret %d", len(line), got, caret)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrorsAreReported(t *testing.T) {
	list := diag.List{{Code: "c", Severity: diag.Error, Message: "m"}}
	for name, print := range map[string]func(io.Writer, diag.List) error{
		"text":  func(w io.Writer, l diag.List) error { return Text(w, l, Options{}) },
		"json":  JSON,
		"sarif": SARIF, "github": GitHub, "gitlab": GitLab,
	} {
		if print(broken{}, list) == nil {
			t.Errorf("%s: a closed pipe went unnoticed", name)
		}
	}
}

func ExampleText() {
	list := diag.List{{
		Code: "out-of-bounds", Severity: diag.Error, Message: "scale.max: 1200 is more than 200",
		Pos: diag.Position{File: "teams/shop/cart/service.cue", Line: 2, Column: 7},
	}}
	source := func(string) ([]byte, error) { return []byte("scale: {\n\tmax: 1200\n}\n"), nil }
	_ = Text(os.Stdout, list, Options{Source: source})
	fmt.Println("end")
	// Output:
	// teams/shop/cart/service.cue:2:7: error: scale.max: 1200 is more than 200
	//      2 |     max: 1200
	//        |          ^
	// 1 error
	// end
}
