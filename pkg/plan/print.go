package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Colors are the escape sequences of a terminal; the zero Colors are none.
type Colors struct{ Add, Change, Remove, Dim, Bold, Reset string }

// ANSI are the colors every terminal has.
func ANSI() Colors {
	return Colors{Add: "\x1b[32m", Change: "\x1b[33m", Remove: "\x1b[31m", Dim: "\x1b[2m", Bold: "\x1b[1m", Reset: "\x1b[0m"}
}

func (c Colors) of(a Action) string {
	switch a {
	case Create, Run:
		return c.Add
	case Prune, Conflict:
		return c.Remove
	case Release, Wait, Await:
		return c.Dim
	}
	return c.Change
}

func sign(a Action) string {
	switch a {
	case Create:
		return "+"
	case Prune:
		return "-"
	case Conflict:
		return "!"
	case Run:
		return ">"
	case Release, Wait, Await:
		return "."
	}
	return "~"
}

// Text prints the plans for a terminal.
func (s Set) Text(w io.Writer, c Colors) error {
	out := &lines{w: w}
	for _, p := range s.Plans {
		out.printf("%s%s%s", c.Bold, p.Unit, c.Reset)
		if p.Removed != "" {
			out.printf("  %sgoes: %s%s", c.Remove, clean(p.Removed), c.Reset)
		}
		if p.Hold != nil {
			out.printf("  %sheld: %s%s", c.Remove, clean(p.Hold.Message), c.Reset)
			if p.Hold.Hint != "" {
				out.printf("        %s", clean(p.Hold.Hint))
			}
		}
		for _, step := range p.Steps {
			out.step(step, c)
		}
		if p.Withheld != nil {
			out.printf("  %snothing is deleted: %s%s\n        %s", c.Remove, clean(p.Withheld.Message), c.Reset, clean(p.Withheld.Hint))
		}
		out.printf("")
	}
	out.printf("%s", s.summary())
	return out.err
}

type lines struct {
	w   io.Writer
	err error
}

func (l *lines) printf(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}

func (l *lines) step(step Step, c Colors) {
	l.printf("  %s%s %s%s  %s%s%s", c.of(step.Action), sign(step.Action), step.ID, c.Reset, c.Dim, clean(step.Reason), c.Reset)
	if step.Action == Create {
		return // a new object's fields are the whole object; render shows it
	}
	for _, f := range step.Fields {
		l.printf("      %s", clean(f.String()))
	}
	for _, by := range step.By {
		l.printf("      %sby %s %s%s", c.Dim, clean(by.Manager), by.Time.Format("2006-01-02 15:04:05Z07:00"), c.Reset)
	}
}

// clean takes control characters out of what people or clusters wrote, so that
// it cannot speak to the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// asItShould says that nothing is to be done for so many units.
func asItShould(units int) string {
	if units == 1 {
		return "Nothing to do: 1 unit is as it should be."
	}
	return fmt.Sprintf("Nothing to do: %d units are as they should be.", units)
}

func (s Set) summary() string {
	actions, held := s.Counts()
	if len(s.Plans) == 0 {
		return asItShould(s.Unchanged)
	}
	var parts []string
	for _, a := range []Action{Create, Update, Heal, Run, Await, Prune, Release, Wait, Conflict, Drift} {
		if actions[a] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", actions[a], a))
		}
	}
	if held > 0 {
		parts = append(parts, diag.Many(held, "unit")+" held")
	}
	return fmt.Sprintf("%s; %s unchanged. Plan %s", strings.Join(parts, ", "), diag.Many(s.Unchanged, "unit"), s.Digest().Short())
}

// JSON prints the plans for machines.
func (s Set) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		APIVersion string        `json:"apiVersion"`
		Kind       string        `json:"kind"`
		Digest     object.Digest `json:"digest"`
		Set
	}{"fairway.dev/v1", "PlanList", s.Digest(), s})
}

// Markdown prints the plans for a pull request: a table, and the fields folded.
func (s Set) Markdown(w io.Writer) error {
	out := &lines{w: w}
	out.printf("%s\n", s.summary())
	if len(s.Plans) == 0 {
		return out.err
	}
	out.printf("| unit | create | update | prune | note |\n|---|---:|---:|---:|---|")
	for _, p := range s.Plans {
		n := map[Action]int{}
		for _, step := range p.Steps {
			n[step.Action]++
		}
		note := p.Removed
		if p.Hold != nil {
			note = "held: " + p.Hold.Message
		}
		if p.Withheld != nil {
			note = "nothing is deleted: " + p.Withheld.Message
		}
		out.printf("| `%s` | %d | %d | %d | %s |", p.Unit, n[Create], n[Update]+n[Heal], n[Prune], Cell(note))
	}
	for _, p := range s.Plans {
		if text := p.Folded(); text != "" {
			out.printf("\n%s", text)
		}
	}
	return out.err
}

// Folded is the plan's steps in Markdown, folded under the unit's name; "" where there
// are none.
func (p Plan) Folded() string {
	if len(p.Steps) == 0 {
		return ""
	}
	var text strings.Builder
	out := &lines{w: &text}
	out.printf("<details><summary><code>%s</code></summary>\n\n```diff", p.Unit)
	for _, step := range p.Steps {
		out.printf("%s %s (%s)", mark(step.Action), step.ID, fence(step.Reason))
		for _, f := range step.Fields {
			if step.Action != Create {
				out.markdownField(f)
			}
		}
	}
	out.printf("```\n</details>")
	return strings.TrimSuffix(text.String(), "\n")
}

func mark(a Action) string {
	if s := sign(a); s == "+" || s == "-" || s == "!" {
		return s
	}
	return "#"
}

func (l *lines) markdownField(f object.FieldChange) {
	if f.Before != nil {
		l.printf("-   %s: %s", fence(f.Path), fence(valueOf(f.Before)))
	}
	if f.After != nil {
		l.printf("+   %s: %s", fence(f.Path), fence(valueOf(f.After)))
	}
}

func valueOf(v any) string {
	b, err := object.Encode(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// fence keeps text from ending the code block it stands in.
func fence(s string) string { return strings.ReplaceAll(clean(s), "```", "` ` `") }

// Cell makes what people or clusters wrote fit for a cell of a table in Markdown: it
// is no markup there and calls nobody's name.
func Cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "'", "@", "@\u200b", "[", `\[`).Replace(clean(s))
}
