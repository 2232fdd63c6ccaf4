package owners

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// Ask is one group of people of whom so many must approve, by one rule.
type Ask struct {
	// Rule is its name, Pos where it says so, Why its reason.
	Rule string
	Pos  diag.Position
	Why  string
	// Of says who they are. Example: "owners of team shop (shop-leads)".
	Of string
	// Count is how many different people, Given the logins of those who did.
	Count int
	Given []string
	// Because is what the change touches that the rule is for.
	Because []string
	// Handles are the people and groups they are.
	Handles []string
}

// Missing is how many have yet to approve.
func (a Ask) Missing() int { return max(a.Count-len(a.Given), 0) }

// maxBecause bounds how many of its reasons an ask is said with.
const maxBecause = 3

// String says what is missing in one line, or that nothing is.
func (a Ask) String() string {
	because := strings.Join(a.Because[:min(len(a.Because), maxBecause)], ", ")
	if more := len(a.Because) - maxBecause; more > 0 {
		because += fmt.Sprintf(" and %d more", more)
	}
	text := fmt.Sprintf("%s: %s: %d of %d %s", a.Pos, a.Rule, len(a.Given), a.Count, a.Of)
	if len(a.Given) > 0 {
		text += " (" + handles(a.Given) + ")"
	}
	return text + ", as it " + because
}

// Ignored is an approval that does not count, and why.
type Ignored struct{ Login, Why string }

// Decision is who must approve a change, and who did.
type Decision struct {
	// Asks are in the order of the rules' names.
	Asks []Ask
	// Ignored are in the order of logins.
	Ignored []Ignored
	// Unknown says why it cannot be decided, a sentence each.
	Unknown []string
}

// Satisfied reports whether everybody approved who must.
func (d Decision) Satisfied() bool {
	return len(d.Unknown) == 0 && !slices.ContainsFunc(d.Asks, func(a Ask) bool { return a.Missing() > 0 })
}

// Decide says who must approve a change by the rules of a catalog, which is that
// of the branch it goes to, and who of them did. A rule that cannot be read, or an
// effect that is not known, leaves it undecided.
func Decide(cat *catalog.Catalog, f Facts, given []Approval) Decision {
	d := Decision{Unknown: slices.Clone(f.Unknown)}
	if f.Digest == "" {
		d.Unknown = append(d.Unknown, "it is not known yet what the change does")
	}
	counted, ignored := sift(f, given)
	d.Ignored = ignored
	touched := f.touches()
	for _, name := range cat.ApprovalNames() {
		rule := cat.Approvals[name]
		if rule.Broken() {
			d.Unknown = append(d.Unknown, fmt.Sprintf("%s does not evaluate, so nobody can say whom it asks", rule.Source))
			continue
		}
		var hit []touch
		for _, t := range touched {
			if t.within(rule.When, cat) {
				hit = append(hit, t)
			}
		}
		if len(hit) == 0 {
			continue
		}
		for i, by := range rule.By {
			for _, who := range circles(cat, by, hit) {
				d.Asks = append(d.Asks, Ask{
					Rule: name, Pos: rule.At(fmt.Sprintf("by.%d", i)), Why: rule.Why, Of: who.name, Count: max(by.Count, 1),
					Given: who.among(counted), Because: who.because, Handles: who.handles,
				})
			}
		}
	}
	return d
}

// Groups are the groups among those of whom somebody has yet to approve, spelled as
// declarations spell them, each once. A handle with a slash is a group.
func (d Decision) Groups() []string {
	var out []string
	for _, a := range d.Asks {
		for _, h := range a.Handles {
			if h = strings.TrimPrefix(h, "@"); a.Missing() > 0 && strings.Contains(h, "/") && !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
	}
	slices.Sort(out)
	return out
}

// sift parts the approvals that count from those that do not. Of somebody who
// approved more than once the one of the present digest counts.
func sift(f Facts, given []Approval) (counted []Approval, ignored []Ignored) {
	authors := plains(f.Authors)
	sorted := slices.Clone(given)
	slices.SortStableFunc(sorted, func(a, b Approval) int { return strings.Compare(plain(a.Login), plain(b.Login)) })
	for i, a := range sorted {
		login := plain(a.Login)
		current := a.Digest == f.Digest && f.Digest != ""
		again := slices.ContainsFunc(sorted[i+1:], func(b Approval) bool { return plain(b.Login) == login })
		switch {
		case login == "":
		case slices.Contains(authors, login):
			ignored = append(ignored, Ignored{login, "made the change"})
		case current:
			counted = append(counted, a)
		case !again && !slices.ContainsFunc(counted, func(b Approval) bool { return plain(b.Login) == login }):
			ignored = append(ignored, Ignored{login, "approved something else: the change does another thing now"})
		}
	}
	return counted, slices.Compact(ignored)
}

// circle is a group of people, and what makes them be asked.
type circle struct {
	name    string
	handles []string
	because []string
}

// circles are those whom an entry of a rule asks, for what is touched.
func circles(cat *catalog.Catalog, by catalog.Approvers, hit []touch) []circle {
	if !by.Touched {
		c := circle{name: "of " + strings.Join(by.Handles, ", "), handles: by.Handles}
		if by.Team != "" {
			c = ownersOf(cat, by.Team, by.Members)
		}
		for _, t := range hit {
			c.because = append(c.because, t.String())
		}
		return []circle{c}
	}
	because := map[string][]string{}
	var teams []string
	for _, t := range hit {
		team := t.Team
		if cat.Teams[team] == nil {
			team = by.Otherwise
		}
		if !slices.Contains(teams, team) {
			teams = append(teams, team)
		}
		because[team] = append(because[team], t.String())
	}
	slices.Sort(teams)
	var out []circle
	for _, team := range teams {
		c := ownersOf(cat, team, by.Members)
		c.because = because[team]
		out = append(out, c)
	}
	return out
}

// ownersOf are who may approve for a team; nobody for one that is not declared.
func ownersOf(cat *catalog.Catalog, team string, members bool) circle {
	t := cat.Teams[team]
	if t == nil {
		return circle{name: fmt.Sprintf("owners of team %s, which is not declared", team)}
	}
	c := circle{name: "owners of team " + team, handles: t.Owners}
	if members {
		c = circle{name: "people of team " + team, handles: slices.Concat(t.Owners, t.Members)}
	}
	c.name += " (" + strings.Join(c.handles, ", ") + ")"
	return c
}

// among are the logins of those approvals that somebody of the circle gave, each once.
func (c circle) among(given []Approval) []string {
	known := plains(c.handles)
	var out []string
	for _, a := range given {
		login := plain(a.Login)
		if slices.Contains(out, login) {
			continue
		}
		if slices.ContainsFunc(append(plains(a.Groups), login), func(h string) bool { return slices.Contains(known, h) }) {
			out = append(out, login)
		}
	}
	return out
}
