package format

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// GitLab prints a list as a Code Quality report, which GitLab shows in the merge request
// and beside the lines of its changes. It has no place for a mistake without a file: that
// is put at the root.
func GitLab(w io.Writer, list diag.List) error {
	type lines struct {
		Begin int `json:"begin"`
	}
	type location struct {
		Path  string `json:"path"`
		Lines lines  `json:"lines"`
	}
	type issue struct {
		Description string   `json:"description"`
		Check       string   `json:"check_name"`
		Fingerprint string   `json:"fingerprint"`
		Severity    string   `json:"severity"`
		Location    location `json:"location"`
	}
	issues := []issue{}
	for _, m := range fold(list) {
		one := issue{
			Description: strings.Join(paragraphs(m), "\n"), Check: clean(m.Code), Fingerprint: fingerprint(m), Severity: "minor",
			Location: location{Path: ".", Lines: lines{max(m.Pos.Line, 1)}},
		}
		if m.Severity == diag.Error {
			one.Severity = "critical"
		}
		if m.Pos.File != "" {
			one.Location.Path = clean(m.Pos.File)
		}
		issues = append(issues, one)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(issues); err != nil {
		return fmt.Errorf("print diags as a Code Quality report: %w", err)
	}
	return nil
}
