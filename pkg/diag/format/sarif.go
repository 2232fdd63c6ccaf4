package format

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// sourceRoot is the name GitHub gives the root of the repository, to which all
// locations are relative.
const sourceRoot = "%SRCROOT%"

// SARIF prints a list as a SARIF 2.1.0 log: one rule a code, one result a
// mistake, with the places that take part as related locations.
func SARIF(w io.Writer, list diag.List) error {
	run := sarif.NewRunWithInformationURI("fairway", "https://fairway.dev")
	run.WithColumnKind("unicodeCodePoints")
	for _, m := range fold(list) {
		addResult(run, m)
	}
	report := sarif.NewReport()
	report.AddRun(run)
	if err := report.PrettyWrite(w); err != nil {
		return fmt.Errorf("print diags as SARIF: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("print diags as SARIF: %w", err)
	}
	return nil
}

func addResult(run *sarif.Run, m mistake) {
	code := clean(m.Code)
	if code == "" {
		code = "mistake"
	}
	level := sarif.LevelWarning
	if m.Severity == diag.Error {
		level = sarif.LevelError
	}
	run.AddRule(code).WithDescription(strings.ReplaceAll(code, "-", " "))
	result := run.CreateResultForRule(code).
		WithLevel(level).
		WithMessage(sarif.NewTextMessage(strings.Join(paragraphs(m), "\n"))).
		WithPartialFingerprints(map[string]string{"fairwayMistake/v1": fingerprint(m)}).
		WithOccurrenceCount(len(m.subjects)).
		AddLocation(location(m.Pos))
	for i, r := range m.Related {
		result.AddRelatedLocation(location(r.Pos).WithID(i + 1).WithMessage(sarif.NewTextMessage(clean(r.Note))))
	}
}

// location is a place relative to the repository. A mistake without a file is
// put at the root: a result that is nowhere makes GitHub refuse the whole log.
func location(pos diag.Position) *sarif.Location {
	artifact := sarif.NewSimpleArtifactLocation(relativeURI(pos.File)).WithURIBaseID(sourceRoot)
	physical := sarif.NewPhysicalLocation().WithArtifactLocation(artifact)
	if pos.Line > 0 {
		region := sarif.NewRegion().WithStartLine(pos.Line)
		if pos.Column > 0 {
			region.WithStartColumn(pos.Column)
		}
		physical.WithRegion(region)
	}
	return sarif.NewLocationWithPhysicalLocation(physical)
}

func relativeURI(file string) string {
	file = strings.TrimLeft(clean(file), "/")
	if file == "" {
		return "."
	}
	return (&url.URL{Path: file}).String()
}

// fingerprint tells a mistake from others over commits, so it leaves out the line.
func fingerprint(m mistake) string {
	sum := sha256.Sum256([]byte(m.Code + "\x00" + m.Pos.File + "\x00" + m.Message))
	return hex.EncodeToString(sum[:16])
}
