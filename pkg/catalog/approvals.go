package catalog

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// Approval is a rule that says who must approve a change.
type Approval struct {
	Declared
	Why string `json:"why"`
	// When is what a change must touch for that.
	When Touching `json:"when"`
	// By are those who must approve, all of them.
	By []Approvers `json:"by"`
}

// Touching is what a change touches. What is empty does not narrow it.
type Touching struct {
	Environments []string `json:"environments"`
	// Rank is the lowest rank of environments; nil is none.
	Rank  *int     `json:"rank"`
	Teams []string `json:"teams"`
	// Parts are parts of the repository. Example: "policy".
	Parts []string `json:"parts"`
	// Kinds are kinds of objects. Example: "Deployment.apps".
	Kinds []string `json:"kinds"`
	// Deletions is "any" or "guarded"; "" for whatever is done.
	Deletions string `json:"deletions"`
}

// Approvers are whom so many of must approve: the owners of a team, or of each
// team that is touched, or handles.
type Approvers struct {
	Count   int      `json:"count"`
	Team    string   `json:"team"`
	Touched bool     `json:"touched"`
	Handles []string `json:"handles"`
	// Members tells that a team's members count as its owners do.
	Members bool `json:"members"`
	// Otherwise is the team instead of touched ones that are not declared.
	Otherwise string `json:"otherwise"`
}

// CheckApproval looks at what a rule names: one that asks nobody there is could
// never be satisfied, and one for nothing there is would never ask.
func (c *Catalog) CheckApproval(name string) diag.List {
	a := c.Approvals[name]
	if a == nil || a.Broken() {
		return nil
	}
	var list diag.List
	add := func(code, field, message, hint string) {
		list = append(list, diag.Diag{Code: code, Severity: diag.Error, Pos: a.At(field), Message: message, Hint: hint})
	}
	team := func(field, name string) {
		if name != "" && c.Teams[name] == nil {
			add("unknown-team", field, fmt.Sprintf("%s: there is no team %q", field, name), "the teams are "+names(c.Teams))
		}
	}
	for i, env := range a.When.Environments {
		if c.Environments[env] == nil {
			add("unknown-environment", fmt.Sprintf("when.environments.%d", i), fmt.Sprintf("when.environments: there is no environment %q", env),
				"the environments are "+names(c.Environments))
		}
	}
	for i, name := range a.When.Teams {
		team(fmt.Sprintf("when.teams.%d", i), name)
	}
	if len(a.When.Parts) > 0 && (len(a.When.Kinds) > 0 || a.When.Deletions != "") {
		add("approval", "when.parts", "when: nothing is a file and an object", "write parts in one rule, and kinds and deletions in another")
	}
	for i, by := range a.By {
		at := fmt.Sprintf("by.%d", i)
		if n := by.kinds(); n != 1 {
			add("approval", at, fmt.Sprintf("%s: it names %d of team, touched and handles", at, n), "name one of them, and write another entry for another")
			continue
		}
		team(at+".team", by.Team)
		if by.Touched {
			team(at+".otherwise", by.Otherwise)
		}
	}
	return list
}

// kinds counts in how many ways it says who they are.
func (a Approvers) kinds() int {
	n := 0
	for _, is := range []bool{a.Team != "", a.Touched, len(a.Handles) > 0} {
		if is {
			n++
		}
	}
	return n
}

// ApprovalNames are the rules' names in order.
func (c *Catalog) ApprovalNames() []string { return slices.Sorted(maps.Keys(c.Approvals)) }
