package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Rules are what an environment says about a unit's deletions and about what
// was there before it. They are no part of what the unit is rendered from.
type Rules struct {
	Consent Consent
	// Locks are the kinds whose objects go with consent only. Example: "StatefulSet.apps".
	Locks []string
	// Locked says that the unit as a whole is locked.
	Locked bool
	// Adopt are the objects the unit may take over although they were there
	// before it. Example: "Deployment/checkout".
	Adopt []string
}

// Consent is what people agreed to in Git, and where they do.
type Consent struct {
	// Cluster is the UID of the cluster, so that what was agreed to for one is
	// worth nothing on another; empty where no cluster was asked.
	Cluster string
	// Given are digests of deletions, or at least 12 digits of them.
	Given []string
	// File is where consent is written, and Line what is written there, with %s
	// for the digest.
	File, Line string
}

// minConsent is how many digits of a digest name it.
const minConsent = 12

// To reports whether the deletions of a digest were agreed to.
func (c Consent) To(d object.Digest) bool {
	return slices.ContainsFunc(c.Given, func(given string) bool {
		return len(given) >= minConsent && strings.HasPrefix(d.String(), given)
	})
}

// Hint is the exact line that agrees to a digest, and its file.
func (c Consent) Hint(d object.Digest) string {
	if c.Cluster == "" || c.File == "" {
		return "the status of the unit names the line that agrees to it"
	}
	return fmt.Sprintf("if it is meant, add to %s:  %s", c.File, fmt.Sprintf(c.Line, d.Short()))
}

// Deletion is one object that goes.
type Deletion struct {
	Unit string
	ID   object.ID
	UID  string
}

// DeletionsDigest identifies exactly what is deleted on a cluster: each object,
// by the unit that has it, its identity and its UID. It is what consent names.
// [Plan.Digest] identifies all that a plan does, so that approving one means
// the bytes that are applied as well; this one leaves out the commit and the
// other steps, so that consent stays good while the unit's other objects
// change, and is worth nothing as soon as anything else would go.
func DeletionsDigest(clusterUID string, going []Deletion) object.Digest {
	sorted := slices.SortedFunc(slices.Values(going), func(a, b Deletion) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), a.ID.Compare(b.ID), cmp.Compare(a.UID, b.UID))
	})
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode([]any{"fairway deletions 1", clusterUID}) // hashing does not fail
	for _, d := range sorted {
		_ = enc.Encode([]any{d.Unit, d.ID, d.UID})
	}
	return object.Digest(h.Sum(nil))
}

// Pending is what a unit is about to delete.
type Pending struct {
	// Fresh are deletions nobody decided on yet, Condemned those that were and did
	// not happen yet.
	Fresh, Condemned []Deletion
	// Asked tells that the fresh ones are a matter of the unit's own consent,
	// given or not.
	Asked bool
}

// PendingOf says what a unit would delete, from what it declares and without its
// objects: the whole cluster's deletions are counted before the first is made.
// nothing tells that it declares no object at all. It reports false where what is
// live is not known, and for a unit of a preview.
func PendingOf(d Desired, declares func(object.ID) bool, nothing bool, l Live) (Pending, bool) {
	inventory, known := l.Inventory.Members()
	live, alive := l.Objects.Members()
	if !known || !alive || d.Fleeting {
		return Pending{}, false
	}
	prunes := prune(d, declares, inventory, live)
	fresh, condemned := deletions(d, prunes)
	reason, _ := d.asks(prunes, len(inventory), nothing)
	return Pending{Fresh: fresh, Condemned: condemned, Asked: reason != ""}, true
}

// deletions are the steps that delete, those that were decided on apart.
func deletions(d Desired, prunes []Step) (fresh, condemned []Deletion) {
	for _, s := range prunes {
		del := Deletion{Unit: d.Unit.String(), ID: s.ID, UID: cmp.Or(s.Owned, s.UID)}
		switch {
		case s.Action != Prune:
		case s.Condemned:
			condemned = append(condemned, del)
		default:
			fresh = append(fresh, del)
		}
	}
	return fresh, condemned
}

// agreed holds a plan whose deletions need consent that was not given, and has
// those recorded first for which it was.
func agreed(d Desired, prunes []Step, inventory int) *Hold {
	if d.Fleeting {
		condemn(prunes)
		return nil
	}
	reason, message := d.asks(prunes, inventory, len(d.Objects) == 0)
	if reason == "" {
		return nil
	}
	fresh, _ := deletions(d, prunes)
	digest := DeletionsDigest(d.Consent.Cluster, fresh)
	if !d.Consent.To(digest) {
		h := &Hold{Reason: reason, Message: message, Hint: hintOf(d, reason, fresh, digest)}
		if reason == HoldRenamed {
			h.With = d.Renamed.With
		}
		return h
	}
	condemn(prunes)
	return nil
}

// condemn has deletions recorded before the first of them.
func condemn(prunes []Step) {
	for i, s := range prunes {
		if s.Action == Prune && !s.Condemned {
			prunes[i].Condemn = true
		}
	}
}

func hintOf(d Desired, reason string, going []Deletion, digest object.Digest) string {
	hint := d.Consent.Hint(digest)
	switch {
	case reason == HoldRenamed && d.Renamed.Hint != "":
		return d.Renamed.Hint + "; " + hint
	case reason == HoldEmpty:
		return "remove its release to remove it; " + hint
	case reason == HoldBudget && moved(d, going):
		return "its namespace is another now: if its team was renamed, set namespace in the team's file to the earlier name, and all stays; " + hint
	}
	return hint
}

// moved reports whether what goes is in a namespace the unit does not use any more.
func moved(d Desired, going []Deletion) bool {
	return !slices.ContainsFunc(d.Objects, func(o object.Object) bool {
		return slices.ContainsFunc(going, func(g Deletion) bool { return g.ID.Namespace == o.ID.Namespace })
	})
}

// asks says why the deletions need consent; "" where they do not.
func (d Desired) asks(prunes []Step, inventory int, nothing bool) (reason, message string) {
	var fresh, guarded []object.ID
	for _, s := range prunes {
		if s.Action != Prune || s.Condemned {
			continue
		}
		fresh = append(fresh, s.ID)
		if s.Guarded {
			guarded = append(guarded, s.ID)
		}
	}
	limit := max(5, inventory/5)
	switch {
	case len(fresh) == 0:
		return "", ""
	case d.Removed != "" && d.Renamed != nil:
		return d.Renamed.Reason, d.Renamed.Message
	case d.Removed == "" && nothing:
		return HoldEmpty, fmt.Sprintf("the unit is declared and renders to nothing; what it has stays: %s", list(fresh))
	case len(guarded) > 0 && d.Locked:
		return HoldProtected, fmt.Sprintf("%s would be deleted, and the unit is locked; nothing of it goes", list(fresh))
	case len(guarded) > 0:
		message = fmt.Sprintf("%s would be deleted, and with it what it holds; it stays", list(guarded))
		if beside := len(fresh) - len(guarded); beside > 0 {
			message += fmt.Sprintf(", and what would go beside it stays, too: %s", diag.Many(beside, "object"))
		}
		return HoldProtected, message
	case d.Removed == "" && len(fresh) > limit:
		return HoldBudget, fmt.Sprintf("%d of %d objects would be deleted from a unit that is still declared; at most %d may go at once: %s", len(fresh), inventory, limit, list(fresh))
	case d.Removed == "" && len(fresh) > 1 && len(fresh) == inventory:
		return HoldBudget, fmt.Sprintf("all %d objects of a unit that is still declared would be deleted, and others made in their place: %s", inventory, list(fresh))
	}
	return "", ""
}

// listed is how many objects a message names.
const listed = 4

func list(ids []object.ID) string {
	var names []string
	for _, id := range slices.SortedFunc(slices.Values(ids), object.ID.Compare) {
		names = append(names, id.String())
	}
	if more := len(names) - listed; more > 0 {
		return strings.Join(names[:listed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// guarded reports whether an object goes with consent only, whatever else does.
func (d Desired) guarded(id object.ID, seen Seen) bool {
	return d.Locked || object.Protected(id) || names(d.Locks, id) || seen.Locked ||
		seen.Before != nil && object.Locked(seen.Before.Fields())
}

// names reports whether a list of kinds has an object's. A kind without its
// group stands for every kind of that name.
func names(kinds []string, id object.ID) bool {
	return slices.Contains(kinds, id.Kind) || id.Group != "" && slices.Contains(kinds, id.Kind+"."+id.Group)
}

// adopts reports whether the environment lets the unit take an object over.
func (d Desired) adopts(id object.ID) bool {
	return slices.Contains(d.Adopt, id.Kind+"/"+id.Name) || id.Group != "" && slices.Contains(d.Adopt, id.Kind+"."+id.Group+"/"+id.Name)
}

// Withhold takes the deletions nobody decided on out of the plan; the rest goes on.
func (p *Plan) Withhold(h *Hold) {
	p.Steps = slices.DeleteFunc(p.Steps, func(s Step) bool { return s.Action == Prune && !s.Condemned && !s.Condemn })
	p.Withheld = h
}

// Undecided reports whether the plan deletes anything on nobody's word but the
// declaration's, which counts for the cluster as a whole.
func (p Plan) Undecided() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Action == Prune && !s.Condemned && !s.Condemn })
}

// Pending is what the plan deletes.
func (p Plan) Pending() Pending {
	var out Pending
	for _, s := range p.Steps {
		del := Deletion{Unit: p.Unit.String(), ID: s.ID, UID: cmp.Or(s.Owned, s.UID)}
		switch {
		case s.Action != Prune, s.Condemn: // what was agreed to for the unit counts no more
		case s.Condemned:
			out.Condemned = append(out.Condemned, del)
		default:
			out.Fresh = append(out.Fresh, del)
		}
	}
	return out
}

// Breaker is the hold of a cluster on which more would be deleted in a pass than
// may be without a word; nil where it may. ours is how many objects of ours the
// cluster has.
func Breaker(name string, ours int, all []Pending, c Consent) (hold *Hold, agreed bool) {
	var fresh, going []Deletion
	units := map[string]bool{}
	for _, p := range all {
		going = append(going, p.Condemned...)
		if p.Asked {
			continue
		}
		fresh = append(fresh, p.Fresh...)
		going = append(going, p.Fresh...)
		for _, d := range p.Fresh {
			units[d.Unit] = true
		}
	}
	limit := max(10, ours/10)
	if len(fresh) <= limit {
		return nil, false
	}
	digest := DeletionsDigest(c.Cluster, going)
	if c.To(digest) {
		return nil, true
	}
	return &Hold{
		Reason:  HoldBreaker,
		Message: fmt.Sprintf("%d of the %d objects on %s would be deleted, of %d units; at most %d may go at once, so nothing is deleted there", len(fresh), ours, name, len(units), limit),
		Hint:    c.Hint(digest),
	}, false
}
