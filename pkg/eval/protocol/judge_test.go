package protocol_test

import (
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// An answer that leaves a policy out, or says nothing of one, is none: less must
// never look like innocence.
func TestJudgementsAreWhole(t *testing.T) {
	q := protocol.Question{Judge: &protocol.Judge{Rules: []protocol.Rule{{Name: "a"}, {Name: "b"}}}}
	fault := &protocol.Fault{Message: "no"}
	for name, test := range map[string]struct {
		judged []protocol.Judgement
		fine   bool
	}{
		"both":              {[]protocol.Judgement{{Policy: "a"}, {Policy: "b"}}, true},
		"a violation":       {[]protocol.Judgement{{Policy: "a", Violations: []protocol.Violation{{Message: "x"}}}, {Policy: "b"}}, true},
		"undecided":         {[]protocol.Judgement{{Policy: "a", Fault: fault}, {Policy: "b"}}, true},
		"nothing":           {nil, false},
		"one of two":        {[]protocol.Judgement{{Policy: "a"}}, false},
		"another":           {[]protocol.Judgement{{Policy: "a"}, {Policy: "c"}}, false},
		"the other order":   {[]protocol.Judgement{{Policy: "b"}, {Policy: "a"}}, false},
		"both at a time":    {[]protocol.Judgement{{Policy: "a", Fault: fault, Violations: []protocol.Violation{{Message: "x"}}}, {Policy: "b"}}, false},
		"a silent fault":    {[]protocol.Judgement{{Policy: "a", Fault: &protocol.Fault{}}, {Policy: "b"}}, false},
		"a silent mistake":  {[]protocol.Judgement{{Policy: "a", Violations: []protocol.Violation{{}}}, {Policy: "b"}}, false},
		"a long mistake":    {[]protocol.Judgement{{Policy: "a", Violations: []protocol.Violation{{Message: strings.Repeat("x", protocol.MaxMessage+1)}}}, {Policy: "b"}}, false},
		"too many mistakes": {[]protocol.Judgement{{Policy: "a", Violations: make([]protocol.Violation, protocol.MaxViolations+1)}, {Policy: "b"}}, false},
	} {
		if err := q.Check(protocol.Answer{Judged: test.judged}); (err == nil) != test.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}
