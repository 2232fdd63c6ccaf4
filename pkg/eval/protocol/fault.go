package protocol

import "github.com/fairway-dev/fairway/pkg/diag"

// Fault is a mistake found by evaluation, before it is known whose it is.
type Fault struct {
	// Field is the path of the value, as in "scale.max" or "in.service.scale.max".
	Field   string         `json:"field"`
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
	Rule    string         `json:"rule,omitempty"`
	Pos     diag.Position  `json:"pos"`
	RulePos *diag.Position `json:"rulePos,omitempty"`
	// Secret says that the values there are not for showing.
	Secret bool `json:"secret,omitempty"`
	// Retry says that the fault may be gone the next time: it tells of the
	// system that evaluated and nothing certain of what was asked.
	Retry bool `json:"retry,omitempty"`
}

// Faults that say something of the worker and not of what was asked.
const (
	// CodeKilled marks a fault that ended its worker.
	CodeKilled = "evaluation-killed"
	// CodeNoSession tells that the worker lost the platform.
	CodeNoSession = "no-session"
)

// Diag gives the fault a place and a subject. source is where a fault without
// a place belongs.
func (f Fault) Diag(source string, subject diag.Subject) diag.Diag {
	d := diag.Diag{
		Code: f.Code, Severity: diag.Error, Pos: f.Pos, Message: f.Message,
		Rule: f.Rule, Hint: f.Hint, Subject: subject, Secret: f.Secret,
	}
	if d.Pos.File == "" {
		d.Pos = diag.Position{File: source, Line: 1, Column: 1}
	}
	if f.RulePos != nil {
		d.Related = []diag.Related{{Pos: *f.RulePos, Note: "the rule"}}
	}
	return d
}
