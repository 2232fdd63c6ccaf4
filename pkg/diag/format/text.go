// Package format prints lists of diags: for people in a terminal, and for the
// machines that people keep (JSON, SARIF, GitHub's annotations).
//
// What is printed comes from repositories anybody may write to, so every
// printer treats it as hostile: nothing in a message can move the cursor, end
// a line early or become a command of a CI system.
package format

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// Options say how Text prints. The zero Options print without colours and
// without the lines the diags speak of.
type Options struct {
	// Color marks positions, severities and carets with ANSI colours.
	Color bool
	// Source reads a file a diag points into, to show the line. A file that
	// cannot be read is not shown.
	Source func(file string) ([]byte, error)
}

// Text prints a list for people, in the order of files and lines, and the
// number of mistakes at the end. A mistake that holds many units is shown
// once. For an empty list it prints nothing.
func Text(w io.Writer, list diag.List, opts Options) error {
	mistakes := fold(list)
	if len(mistakes) == 0 {
		return nil
	}
	out := bufio.NewWriter(w)
	p := printer{out: out, color: opts.Color, source: source{read: opts.Source}}
	for _, m := range mistakes {
		p.mistake(m)
	}
	errors, warnings := count(mistakes)
	fmt.Fprintln(out, tally(errors, warnings))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print diags: %w", err)
	}
	return nil
}

// tally says how many there are. Example: "2 errors, 1 warning".
func tally(errors, warnings int) string {
	var parts []string
	add := func(n int, word string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+word)
		case n > 1:
			parts = append(parts, strconv.Itoa(n)+" "+word+"s")
		}
	}
	add(errors, "error")
	add(warnings, "warning")
	return strings.Join(parts, ", ")
}

// The colours, as the ANSI codes that begin them.
const (
	bold   = "1"
	red    = "1;31"
	yellow = "1;33"
	green  = "1;32"
)

type printer struct {
	out    *bufio.Writer
	color  bool
	source source
}

func (p *printer) paint(color, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (p *printer) mistake(m mistake) {
	if at := place(m.Pos); at != "" {
		fmt.Fprintf(p.out, "%s: ", p.paint(bold, at))
	}
	color := red
	if m.Severity != diag.Error {
		color = yellow
	}
	fmt.Fprintf(p.out, "%s: %s\n", p.paint(color, clean(string(m.Severity))), clean(m.Message))
	if !m.Secret {
		p.excerpt(m.Pos)
	}
	p.related(m)
	if more := len(m.subjects) - 1; more > 0 {
		p.note("holds", fmt.Sprintf("%s, and %d more", m.subjects[0], more))
	}
	if m.Hint != "" {
		p.note("hint", m.Hint)
	}
}

// note prints lines below a mistake. Each line repeats its label: a line that
// began with foreign text could be taken for a command in a CI log.
func (p *printer) note(label, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(p.out, "    %s  %s\n", label, clean(strings.TrimRight(line, "\n")))
	}
}

// related prints the rule and the other places. "the rule" is the place of the
// rule that was broken, so its name and its place share a line.
func (p *printer) related(m mistake) {
	rule := m.Rule
	for _, r := range m.Related {
		note, at := strings.TrimPrefix(r.Note, "the "), place(r.Pos)
		switch {
		case note == "rule" && rule != "":
			p.note("rule", at+" ("+rule+")")
			rule = ""
		case note == "rule":
			p.note("rule", at)
		case note == "":
			p.note("see", at)
		default:
			p.note("see", at+": "+note)
		}
	}
	if rule != "" {
		p.note("rule", rule)
	}
}

func (p *printer) excerpt(pos diag.Position) {
	line, caret, ok := p.source.line(pos)
	if !ok {
		return
	}
	number := fmt.Sprintf("%6d", pos.Line)
	fmt.Fprintf(p.out, "%s | %s\n", number, line)
	if caret >= 0 {
		fmt.Fprintf(p.out, "%s | %s%s\n", strings.Repeat(" ", len(number)), strings.Repeat(" ", caret), p.paint(green, "^"))
	}
}

func place(pos diag.Position) string {
	pos.File = plainFile(pos.File)
	return pos.String()
}
