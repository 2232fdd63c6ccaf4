package explain

import (
	"fmt"
	"unicode/utf8"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Clip keeps of faults what a person can read: CUE repeats values in its
// errors, whatever their length, and finds as many mistakes as there are.
func Clip(faults []protocol.Fault) []protocol.Fault {
	if n := len(faults); n > protocol.MaxFaults {
		last := faults[protocol.MaxFaults-1]
		last.Field, last.Code, last.Hint = "", "more", ""
		last.Message = fmt.Sprintf("and %d more mistakes", n-protocol.MaxFaults+1)
		faults = append(faults[:protocol.MaxFaults-1:protocol.MaxFaults-1], last)
	}
	for i := range faults {
		f := &faults[i]
		f.Message, f.Hint, f.Field = clip(f.Message), clip(f.Hint), clip(f.Field)
		if f.Message == "" {
			f.Message = "the evaluator gave no reason"
		}
	}
	return faults
}

// clip cuts a text in the middle, where it says least.
func clip(s string) string {
	const half = protocol.MaxMessage/8 - 8
	if len(s) <= 2*half {
		return s
	}
	from, to := half, len(s)-half
	for from > 0 && !utf8.RuneStart(s[from]) {
		from--
	}
	for to < len(s) && !utf8.RuneStart(s[to]) {
		to++
	}
	return s[:from] + " ... " + s[to:]
}
