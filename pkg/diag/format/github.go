package format

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// GitHub prints a list as the workflow commands that become annotations of a
// pull request, one line a mistake:
//
//	::error file=teams/shop/cart/service.cue,line=14,col=12,title=out-of-bounds::scale.max: 1200 is more than 200
//
// Gitea and Forgejo read the same lines.
func GitHub(w io.Writer, list diag.List) error {
	var b strings.Builder
	for _, m := range fold(list) {
		b.WriteString(command(m))
		b.WriteByte('\n')
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print diags as annotations: %w", err)
	}
	return nil
}

func command(m mistake) string {
	name := "warning"
	if m.Severity == diag.Error {
		name = "error"
	}
	var properties []string
	set := func(key, value string) {
		if value != "" {
			properties = append(properties, key+"="+escapeProperty(clean(value)))
		}
	}
	set("file", m.Pos.File)
	if m.Pos.File != "" && m.Pos.Line > 0 {
		set("line", strconv.Itoa(m.Pos.Line))
		if m.Pos.Column > 0 {
			set("col", strconv.Itoa(m.Pos.Column))
		}
	}
	set("title", m.Code)
	line := "::" + name
	if len(properties) > 0 {
		line += " " + strings.Join(properties, ",")
	}
	return line + "::" + escapeData(strings.Join(paragraphs(m), "\n"))
}

// paragraphs is what an annotation says: the mistake, then what is said about it.
func paragraphs(m mistake) []string {
	out := []string{clean(m.Message)}
	if m.Rule != "" {
		out = append(out, "rule: "+clean(m.Rule))
	}
	for _, r := range m.Related {
		out = append(out, strings.TrimPrefix(clean(r.Note)+": ", ": ")+place(r.Pos))
	}
	if more := len(m.subjects) - 1; more > 0 {
		out = append(out, fmt.Sprintf("holds %s, and %d more", clean(m.subjects[0].String()), more))
	}
	if m.Hint != "" {
		out = append(out, "hint: "+clean(m.Hint))
	}
	return out
}

// escapeData and escapeProperty are the escapes of actions/toolkit, which the
// runner undoes.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
