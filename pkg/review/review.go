// Package review says what a proposed change would do, everywhere, before it is
// merged: what a pull request is told.
//
// A Report is a value, made of plans and mistakes that the engine made of two trees as it
// would of any: what it says is what would be applied. Making it is pure.
package review

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// Risk is how much could go wrong when a change is applied.
type Risk int

// The risks. Low changes nothing that runs; Medium restarts pods, or changes who may
// reach whom; High deletes, or makes less of what runs where it counts.
const (
	Low Risk = iota
	Medium
	High
)

// String is the risk in a word.
func (r Risk) String() string { return []string{"low", "medium", "high"}[r] }

// MarshalText writes the word.
func (r Risk) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Cost is what units cost a month, before and after.
type Cost struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Unit is what a change would do to one unit.
type Unit struct {
	plan.Plan
	Team     string `json:"team,omitempty"`
	Restarts bool   `json:"restarts"`
	Risk     Risk   `json:"risk"`
	// Why says what the risk is, in a few words each.
	Why  []string `json:"why,omitempty"`
	Cost Cost     `json:"cost"`
}

// Environment sums up what would happen in one.
type Environment struct {
	Name     string   `json:"name"`
	Rank     int      `json:"rank"`
	Clusters []string `json:"clusters"`
	Units    int      `json:"units"`
	Creates  int      `json:"creates"`
	Updates  int      `json:"updates"`
	Deletes  int      `json:"deletes"`
	Restarts int      `json:"restarts"`
	Held     int      `json:"held"`
	Risk     Risk     `json:"risk"`
	Cost     Cost     `json:"cost"`
}

// Report is what a change would do.
type Report struct {
	// Base is the revision it is compared with, Head the one that is proposed.
	Base string `json:"base"`
	Head string `json:"head"`
	// Conflicts are the paths that cannot be merged; then nothing else is said.
	Conflicts    []string      `json:"conflicts,omitempty"`
	Environments []Environment `json:"environments"`
	// Units are those for which something would be done, or that are held.
	Units     []Unit `json:"units"`
	Unchanged int    `json:"unchanged"`
	Risk      Risk   `json:"risk"`
	// Mistakes are those that the change brings; Standing counts those that were there
	// before, Mended those that it takes away.
	Mistakes diag.List `json:"mistakes"`
	Standing int       `json:"standing"`
	Mended   int       `json:"mended"`
	// Teams are whose services are touched, sorted.
	Teams []string `json:"teams"`
	// Digest identifies everything that would be done.
	Digest object.Digest `json:"digest"`
}

// Input is what a report is made of.
type Input struct {
	Base, Head string
	Conflicts  []string
	Plans      []plan.Plan
	// Before and After are all mistakes of either side.
	Before, After diag.List
	// Ranks are the environments' ranks by name, Teams the units', Costs what units cost a month.
	Ranks map[string]int
	Teams map[catalog.UnitKey]string
	Costs map[catalog.UnitKey]Cost
}

// New makes the report.
func New(in Input) Report {
	set := plan.Collect(in.Base, in.Head, in.Plans)
	r := Report{
		Base: in.Base, Head: in.Head, Conflicts: in.Conflicts, Unchanged: set.Unchanged, Digest: set.Digest(),
		Environments: []Environment{}, Units: []Unit{}, Mistakes: diag.List{}, Teams: []string{},
	}
	r.mistakes(in.Before, in.After)
	environments, teams, top := map[string]*Environment{}, map[string]bool{}, highest(in.Ranks)
	for _, p := range set.Plans {
		if p.Hold != nil && p.Hold.Reason == plan.HoldPolicy { // of policies on plans nobody else hears
			r.Mistakes = append(r.Mistakes, p.Hold.Diags...)
		}
		u := Unit{Plan: p, Team: in.Teams[p.Unit], Cost: in.Costs[p.Unit]}
		u.assess(in.Ranks[p.Unit.Environment] >= top)
		r.Units = append(r.Units, u)
		r.Risk = max(r.Risk, u.Risk)
		if u.Team != "" {
			teams[u.Team] = true
		}
		name := p.Unit.Environment
		if environments[name] == nil {
			environments[name] = &Environment{Name: name, Rank: in.Ranks[name]}
		}
		environments[name].add(u)
	}
	r.Teams = append(r.Teams, slices.Sorted(maps.Keys(teams))...)
	for _, e := range environments {
		slices.Sort(e.Clusters)
		r.Environments = append(r.Environments, *e)
	}
	slices.SortFunc(r.Environments, func(a, b Environment) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Name, b.Name))
	})
	return r
}

func highest(ranks map[string]int) int {
	top := 0
	for _, rank := range ranks {
		top = max(top, rank)
	}
	return top
}

// mistakes tells what is new from what was there: a mistake is the same one when it says
// the same of the same file, wherever its line went.
func (r *Report) mistakes(before, after diag.List) {
	type same struct {
		code, file, message string
		about               diag.Subject
	}
	of := func(d diag.Diag) same { return same{d.Code, d.Pos.File, d.Message, d.Subject} }
	was := map[same]int{}
	for _, d := range before {
		was[of(d)]++
	}
	for _, d := range after.Sorted() {
		if was[of(d)] > 0 {
			was[of(d)]--
			r.Standing++
			continue
		}
		r.Mistakes = append(r.Mistakes, d)
	}
	for _, left := range was {
		r.Mended += left
	}
}

func (e *Environment) add(u Unit) {
	e.Units++
	if !slices.Contains(e.Clusters, u.Unit.Cluster) {
		e.Clusters = append(e.Clusters, u.Unit.Cluster)
	}
	for _, s := range u.Steps {
		switch s.Action {
		case plan.Create:
			e.Creates++
		case plan.Update, plan.Heal:
			e.Updates++
		case plan.Prune:
			e.Deletes++
		}
	}
	if u.Restarts {
		e.Restarts++
	}
	if u.Hold != nil {
		e.Held++
	}
	e.Risk = max(e.Risk, u.Risk)
	e.Cost.Before += u.Cost.Before
	e.Cost.After += u.Cost.After
}

// assess says what could go wrong. top tells that nothing ranks above the
// unit's environment.
func (u *Unit) assess(top bool) {
	raise := func(to Risk, why string) {
		u.Risk = max(u.Risk, to)
		if !slices.Contains(u.Why, why) {
			u.Why = append(u.Why, why)
		}
	}
	if u.Removed != "" {
		raise(High, "the unit goes")
	}
	if u.Hold != nil {
		raise(Medium, "is held")
	}
	for _, s := range u.Steps {
		u.step(s, top, raise)
	}
}

func (u *Unit) step(s plan.Step, top bool, raise func(Risk, string)) {
	switch {
	case s.Action == plan.Prune && object.Protected(s.ID):
		raise(High, "deletes the "+s.ID.Kind)
	case s.Action == plan.Prune:
		raise(Medium, "deletes the "+s.ID.Kind)
	case s.Action != plan.Update:
		return
	case s.ID.Kind == "NetworkPolicy" || strings.Contains(s.ID.Group, "rbac.authorization"):
		raise(Medium, "changes who may reach or do what")
	}
	for _, f := range s.Fields {
		switch {
		case strings.HasPrefix(f.Path, ".spec.template.") && s.ID.Kind != "Job":
			u.Restarts = true
			raise(Medium, "restarts pods")
		case fewer(f) && top:
			raise(High, "fewer replicas")
		case fewer(f):
			raise(Medium, "fewer replicas")
		}
	}
}

// fewer reports whether a change of a field leaves less running.
func fewer(f object.FieldChange) bool {
	if f.Path != ".spec.replicas" && f.Path != ".spec.minReplicas" {
		return false
	}
	before, was := number(f.Before)
	after, is := number(f.After)
	return was && is && after < before
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
