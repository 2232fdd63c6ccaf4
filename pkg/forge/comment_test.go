package forge

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	if got := Cut("short", 100, ""); got != "short" {
		t.Errorf("%q", got)
	}
	long := "# Title\n<details>\n<summary>x</summary>\n\n```diff\n" + strings.Repeat("+ ä line\n", 1000)
	got := Cut(long, 3000, "https://example.com/all")
	if len(got) > 3000 || len(got) < 2000 || strings.Count(got, "```") != 2 || strings.Count(got, "</details>") != 1 ||
		!strings.HasSuffix(got, "[All of it](https://example.com/all)") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-200:])
	}
	if got := Cut(strings.Repeat("ä", 5000), 1001, ""); len(got) > 1001 || !utf8.ValidString(got) || !strings.Contains(got, "ä") {
		t.Errorf("one long line became %q", got)
	}
}

func FuzzCut(f *testing.F) {
	f.Add("<details>\n```\n````\n</details>\n", 20)
	f.Add(strings.Repeat("<details>\n", 300), 2000)
	f.Add("ä", 1)
	f.Fuzz(func(t *testing.T, body string, limit int) {
		limit = limit % 5000
		got := Cut(body, limit, "https://example.com/all")
		switch {
		case len(got) > max(limit, 0) && got != body:
			t.Errorf("%d bytes where %d fit", len(got), limit)
		case utf8.ValidString(body) && !utf8.ValidString(got):
			t.Errorf("%q is no UTF-8", got)
		case got != body && unclosed(got) != "":
			t.Errorf("%q leaves %q open", got, unclosed(got))
		}
	})
}
