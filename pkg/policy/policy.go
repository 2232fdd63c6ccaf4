// Package policy decides what comes of policies that were broken: whether it holds
// a unit today, whether an exception frees it, and on which day that changes. It
// also writes what clusters can enforce themselves.
//
// Whether a policy is broken does not depend on the day, and is found by the
// evaluators; what becomes of it does, and is decided here from the day alone. So
// a new day evaluates nothing.
package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Finding is one way in which a unit breaks a policy, and what comes of it.
type Finding struct {
	Policy *catalog.Policy
	protocol.Violation
	Severity diag.Severity
	// Until is the day from which a warning denies; empty for one that never does.
	Until string
	// Exception frees the unit of it; nil where none does.
	Exception *catalog.Exception
}

// Day is a day in UTC as declarations write it. Example: "2027-03-01". The zero
// Day is before all others: nothing that depends on a day has begun or ended.
type Day = string

// Decide says what comes of a unit's judgements on a day, and the next day on
// which that changes by itself; empty where there is none.
func Decide(cat *catalog.Catalog, key catalog.UnitKey, judged []protocol.Judgement, today Day) (findings []Finding, next Day) {
	for _, j := range judged {
		p := cat.Policies[j.Policy]
		if p == nil || p.Broken() {
			continue
		}
		severity, until := SeverityOn(p.Severity, today)
		exception := exceptionFor(cat, j.Policy, key, today)
		for _, v := range j.Violations {
			findings = append(findings, Finding{Policy: p, Violation: v, Severity: severity, Until: until, Exception: exception})
		}
		if len(j.Violations) == 0 {
			continue
		}
		next = earlier(next, until)
		if exception != nil {
			next = earlier(next, exception.Expires)
		}
	}
	return findings, next
}

func earlier(a, b Day) Day {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// SeverityOn says what a policy's severity means on a day, and from when on it
// means something else.
func SeverityOn(severity string, today Day) (diag.Severity, Day) {
	from, dated := strings.CutPrefix(severity, "warn until ")
	switch {
	case dated && today < from:
		return diag.Warning, from
	case severity == "warn":
		return diag.Warning, ""
	}
	return diag.Error, "" // what cannot be read denies
}

// exceptionFor finds the exception that frees a unit from a policy for longest.
func exceptionFor(cat *catalog.Catalog, policy string, key catalog.UnitKey, today Day) *catalog.Exception {
	var best *catalog.Exception
	for _, e := range cat.Exceptions {
		if !e.Covers(policy, key.Service, key.Environment) || today >= e.Expires {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(e.Expires, best.Expires), cmp.Compare(best.Name, e.Name)) > 0 {
			best = e
		}
	}
	return best
}

// Applies reports whether a policy is for a service on a path and of a tier in an
// environment.
func Applies(w catalog.Where, environment string, rank int, path, tier string) bool {
	among := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	return rank >= w.Rank && among(w.Environments, environment) && among(w.Paths, path) && among(w.Tiers, tier)
}
