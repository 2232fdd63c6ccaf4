package owners

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// Facts are what a change does, and who made it. They are found by evaluating and
// planning it, and never by asking its author.
type Facts struct {
	// Digest is of what the change does: approvals are of one digest. While there is
	// none, nothing is approved.
	Digest string
	// Authors are the logins of who made it: who opened the pull request and whoever
	// wrote or pushed a commit of it.
	Authors []string
	// Objects are what is done in clusters. Equal ones count as one.
	Objects []Object
	// Paths are the files that it changes, of a file that moved both names. Example:
	// "teams/shop/checkout/service.cue".
	Paths []string
	// Unknown says what of the effect could not be found out, a sentence each. While
	// there is any, nothing is approved.
	Unknown []string
}

// Object is what is done to objects of one kind.
type Object struct {
	// Team is whose unit it is in; "" for one of no team.
	Team string
	// Environment is where. Example: "prod".
	Environment string
	// Kind is spelled with its group, if it has one. Example: "Deployment.apps".
	Kind string
	// Deleted: the object goes. Guarded: it goes, and does not without consent.
	Deleted, Guarded bool
}

// Approval is what somebody said at the forge.
type Approval struct {
	// Login is who it was.
	Login string
	// Groups are those that the forge says they are in, spelled as declarations spell
	// them. Example: "acme/shop-leads".
	Groups []string
	// Digest is of what the change did when they said so.
	Digest string
}

// Part is a part of the repository. Example: "policy".
type Part string

// The parts; schema.#RepositoryPart lists the same.
const (
	PartService     Part = "service"
	PartTeam        Part = "team"
	PartRelease     Part = "release"
	PartEnvironment Part = "environment"
	PartCluster     Part = "cluster"
	PartPolicy      Part = "policy"
	PartException   Part = "exception"
	PartApproval    Part = "approval"
	PartSigning     Part = "signing"
	PartPlatform    Part = "platform"
	PartOther       Part = "other"
)

// Effect is the digest of what a change does, which approvals are of: of its plan, and
// of the content of those files whose effect no plan shows, such as policies, rules,
// and what is run beside the platform. files are the changed ones: what each holds afterwards, "" for one that goes.
func Effect(plan string, files map[string]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", plan)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		switch touchOf(file).part {
		case PartService, PartRelease: // what they do is in the plan
		default:
			fmt.Fprintf(h, "%s %s\n", file, files[file])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// touch is one thing that a change touches: an object, or a file.
type touch struct {
	Object
	part Part
	file string
}

// touches are all that the facts name, each once, files after objects.
func (f Facts) touches() []touch {
	var out []touch
	for _, o := range f.Objects {
		out = append(out, touch{Object: o})
	}
	for _, p := range f.Paths {
		out = append(out, touchOf(p))
	}
	slices.SortFunc(out, func(a, b touch) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Team, b.Team),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.done(), b.done()))
	})
	return slices.Compact(out)
}

// touchOf says which part of the repository a file is in, and whose.
func touchOf(file string) touch {
	file = path.Clean(file)
	t := touch{part: PartOther, file: file}
	parts := strings.Split(file, "/")
	switch {
	case parts[0] == "teams" && len(parts) > 2:
		t.part, t.Team = PartService, parts[1]
		if len(parts) == 3 && parts[2] == "team.cue" {
			t.part = PartTeam
		}
	case parts[0] == "environments" && len(parts) > 2:
		t.part, t.Environment = PartEnvironment, parts[1]
		if len(parts) > 4 && parts[2] == "releases" {
			t.part, t.Team = PartRelease, parts[3]
		}
	case parts[0] == "platform" && len(parts) > 2:
		t.part = platformPart(parts[1])
	case parts[0] == "platform" || parts[0] == "schema" || parts[0] == "cue.mod":
		t.part = PartPlatform
	}
	return t
}

func platformPart(folder string) Part {
	switch folder {
	case "clusters":
		return PartCluster
	case "policies":
		return PartPolicy
	case "exceptions":
		return PartException
	case "approvals":
		return PartApproval
	case "signing":
		return PartSigning
	}
	return PartPlatform
}

// within reports whether a rule is for it.
func (t touch) within(w catalog.Touching, cat *catalog.Catalog) bool {
	switch {
	case len(w.Environments) > 0 && !slices.Contains(w.Environments, t.Environment):
		return false
	case w.Rank != nil && !t.ranks(*w.Rank, cat):
		return false
	case len(w.Teams) > 0 && !slices.Contains(w.Teams, t.Team):
		return false
	case len(w.Parts) > 0 && !slices.Contains(w.Parts, string(t.part)):
		return false
	case len(w.Kinds) > 0 && !slices.Contains(w.Kinds, t.Kind):
		return false
	}
	return w.Deletions == "" || w.Deletions == "any" && (t.Deleted || t.Guarded) || w.Deletions == "guarded" && t.Guarded
}

// ranks reports whether it is in an environment of at least a rank. One that is
// not declared could be of any, and so could one that does not evaluate.
func (t touch) ranks(least int, cat *catalog.Catalog) bool {
	if t.Environment == "" {
		return false
	}
	env := cat.Environments[t.Environment]
	return env == nil || env.Broken() || env.Rank >= least
}

// String says it in a phrase. Example: "deletes PersistentVolumeClaim of shop in prod".
func (t touch) String() string {
	if t.file != "" {
		return "changes " + t.file
	}
	text := t.done() + " " + t.Kind
	if t.Team != "" {
		text += " of " + t.Team
	}
	if t.Environment != "" {
		text += " in " + t.Environment
	}
	return text
}

func (t touch) done() string {
	switch {
	case t.Guarded:
		return "deletes guarded"
	case t.Deleted:
		return "deletes"
	}
	return "changes"
}
