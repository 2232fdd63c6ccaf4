package review

import (
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// listed is how many mistakes and held units are told in full.
const listed = 20

// Unlimited is room for every report; forges have less.
const Unlimited = 64 << 20

// Command shows the same report in a terminal.
func (r Report) Command() string {
	return fmt.Sprintf("reconciler review --base %s --rev %s", r.Base, r.Head)
}

// Markdown writes the report for a pull request, in at most limit bytes: what does not
// fit is left out from the end, folded differences first, and that is said with a link to
// all of it.
func (r Report) Markdown(limit int, link string) string {
	var head strings.Builder
	r.summary(&head)
	if len(r.Conflicts) == 0 {
		r.table(&head)
		r.told(&head)
	}
	foot := fmt.Sprintf("\n<sub>Plan `%s`, %s compared with %s. The same in a terminal: `%s`</sub>\n", r.Digest.Short(), short(r.Head), short(r.Base), r.Command())
	more := "\n…and more than fits here"
	if link != "" {
		more += ": [all of it](" + link + ")"
	}
	more += ".\n"
	text := head.String()
	if len(text)+len(more)+len(foot) > limit {
		return cut(text, limit-len(more)-len(foot)) + more + foot
	}
	for i, u := range r.Units {
		folded := u.Folded()
		if folded == "" {
			continue
		}
		room := limit - len(foot)
		if i < len(r.Units)-1 {
			room -= len(more)
		}
		if len(text)+len(folded)+2 > room {
			return text + more + foot
		}
		text += "\n" + folded + "\n"
	}
	return text + foot
}

// cut takes whole lines off the end of a text until it fits.
func cut(text string, limit int) string {
	if limit <= 0 {
		return ""
	}
	if len(text) <= limit {
		return text
	}
	return text[:strings.LastIndexByte(text[:limit], '\n')+1]
}

func short(commit string) string {
	if len(commit) > 10 {
		return "`" + commit[:10] + "`"
	}
	return "`" + commit + "`"
}

// Verdict is the report in a line, as a commit status has it.
// Example: "3 units in 2 environments: 1 to create, 4 to update; risk medium".
func (r Report) Verdict() string {
	errors, _ := r.Mistakes.Count()
	switch {
	case len(r.Conflicts) > 0:
		return conflicting(len(r.Conflicts))
	case errors > 0:
		return fmt.Sprintf("%s, the first in %s", diag.Many(errors, "mistake"), firstError(r.Mistakes).Pos)
	case len(r.Units) == 0:
		return "nothing would change"
	}
	var creates, updates, deletes, held int
	for _, e := range r.Environments {
		creates, updates, deletes, held = creates+e.Creates, updates+e.Updates, deletes+e.Deletes, held+e.Held
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{creates, "to create"}, {updates, "to update"}, {deletes, "to delete"}, {held, "held"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return fmt.Sprintf("%s in %s: %s; risk %s", diag.Many(len(r.Units), "unit"), diag.Many(len(r.Environments), "environment"), strings.Join(parts, ", "), r.Risk)
}

func conflicting(files int) string {
	if files == 1 {
		return "1 file conflicts with the base branch"
	}
	return fmt.Sprintf("%d files conflict with the base branch", files)
}

func firstError(list diag.List) diag.Diag {
	for _, d := range list.Sorted() {
		if d.Severity == diag.Error {
			return d
		}
	}
	return diag.Diag{}
}

func (r Report) summary(out *strings.Builder) {
	fmt.Fprintf(out, "### %s\n", plan.Cell(upper(r.Verdict())))
	if len(r.Conflicts) > 0 {
		out.WriteString("\nBring the base branch into this one; these files were changed on both:\n\n")
		for i, path := range r.Conflicts {
			if i == listed {
				fmt.Fprintf(out, "- …and %d more\n", len(r.Conflicts)-listed)
				break
			}
			fmt.Fprintf(out, "- %s\n", plan.Cell(path))
		}
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (r Report) table(out *strings.Builder) {
	if len(r.Environments) == 0 {
		return
	}
	out.WriteString("\n| environment | clusters | units | create | update | delete | restart | risk | cost a month |\n|---|---|---:|---:|---:|---:|---:|---|---:|\n")
	for _, e := range r.Environments {
		fmt.Fprintf(out, "| %s | %s | %d | %d | %d | %d | %d | %s | %s |\n", plan.Cell(e.Name), plan.Cell(strings.Join(e.Clusters, ", ")),
			e.Units, e.Creates, e.Updates, e.Deletes, e.Restarts, e.Risk, e.Cost)
	}
}

// String says what a cost becomes. Example: "+12.40 (to 80.15)".
func (c Cost) String() string {
	if c.Before == 0 && c.After == 0 {
		return "–"
	}
	return fmt.Sprintf("%+.2f (to %.2f)", c.After-c.Before, c.After)
}

// told lists what people have to know: mistakes, what is held or waits for consent, and
// why the risk is what it is.
func (r Report) told(out *strings.Builder) {
	if len(r.Mistakes) > 0 {
		out.WriteString("\n**What this change breaks**\n\n")
		for i, d := range r.Mistakes.Sorted() {
			if i == listed {
				fmt.Fprintf(out, "- …and %d more\n", len(r.Mistakes)-listed)
				break
			}
			fmt.Fprintf(out, "- %s: `%s`: %s%s\n", d.Severity, plan.Cell(d.Pos.String()), plan.Cell(d.Message), hint(d.Hint))
		}
	}
	if r.Standing > 0 || r.Mended > 0 {
		fmt.Fprintf(out, "\nMistakes that were there before: %d stay, %d are mended.\n", r.Standing, r.Mended)
	}
	n := 0
	for _, u := range r.Units {
		hold := u.Hold
		if hold == nil {
			hold = u.Withheld
		}
		if hold == nil && u.Risk == Low {
			continue
		}
		if n++; n == 1 {
			out.WriteString("\n**What to look at**\n\n")
		}
		if n > listed {
			continue
		}
		fmt.Fprintf(out, "- `%s`: %s", plan.Cell(u.Unit.String()), strings.Join(u.Why, ", "))
		if hold != nil {
			fmt.Fprintf(out, ": %s%s", plan.Cell(hold.Message), hint(hold.Hint))
		}
		out.WriteString("\n")
	}
	if n > listed {
		fmt.Fprintf(out, "- …and %d more units\n", n-listed)
	}
}

func hint(text string) string {
	if text == "" {
		return ""
	}
	return " (" + plan.Cell(text) + ")"
}
