package format

import "github.com/fairway-dev/fairway/pkg/diag"

// mistake is one thing a person has to mend, and everything it holds. A
// service that runs in forty places and is wrong once gives forty diags and
// one mistake.
type mistake struct {
	diag.Diag
	subjects []diag.Subject
}

// fold gathers the diags that differ in nothing but what they hold, in the
// order people read them.
func fold(list diag.List) []mistake {
	type key struct {
		pos           diag.Position
		severity      diag.Severity
		code, message string
	}
	at := map[key]int{}
	var out []mistake
	for _, d := range list.Sorted() {
		k := key{d.Pos, d.Severity, d.Code, d.Message}
		i, seen := at[k]
		if !seen {
			i = len(out)
			at[k] = i
			out = append(out, mistake{Diag: d})
		}
		out[i].subjects = append(out[i].subjects, d.Subject)
	}
	return out
}

// count gives the number of errors and warnings among mistakes, each counted
// once however many units it holds.
func count(mistakes []mistake) (errors, warnings int) {
	for _, m := range mistakes {
		if m.Severity == diag.Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}
