// Package plan compares what should be with what is and says what must change,
// in what order, and why.
//
// A Plan is a value: what is printed in a pull request, in a terminal and in
// the portal is what is applied. Computing it is pure; everything it goes by
// is in its arguments.
package plan

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/wave"
)

// Action is what is done to one object.
type Action string

// The actions. Create, Update, Heal and Prune write; the others only say something.
const (
	// Create: the object is not there.
	Create Action = "create"
	// Update: what is declared changed.
	Update Action = "update"
	// Heal: a live object was changed by hand, and is put back.
	Heal Action = "heal"
	// Drift: a live object was changed by hand, and the environment wants that reported only.
	Drift Action = "drift"
	// Prune: the object is ours and is not declared any more.
	Prune Action = "prune"
	// Release: the object is not declared any more and is not ours to delete; it
	// is only forgotten.
	Release Action = "release"
	// Conflict: an object of that name is there and belongs to somebody else.
	Conflict Action = "conflict"
	// Wait: the object is not declared here any more and its time to go has not
	// come; the reason says what for.
	Wait Action = "wait"
	// Run: a hook that runs at every sync.
	Run Action = "run"
	// Await: a hook that was begun before and has not ended.
	Await Action = "await"
)

// Writes reports whether the action changes the cluster.
func (a Action) Writes() bool {
	return a == Create || a == Update || a == Heal || a == Prune || a == Run
}

// Step is what is done to one object, and why.
type Step struct {
	ID     object.ID `json:"id"`
	Action Action    `json:"action"`
	Reason string    `json:"reason"`
	// Fields are the differences, with secret values masked.
	Fields []object.FieldChange `json:"fields,omitempty"`
	// By is who changed the object by hand.
	By []cluster.FieldOwner `json:"by,omitempty"`
	// Contested: it was put back several times and changed again each time.
	Contested bool `json:"contested,omitempty"`

	// Object is what is applied; nil for steps that apply nothing.
	Object *object.Object `json:"-"`
	Place  wave.Place     `json:"-"`
	// Owned is the UID the inventory has.
	Owned string `json:"-"`
	// UID and ResourceVersion are what a deletion is bound to.
	UID             string `json:"-"`
	ResourceVersion string `json:"-"`
	// Force takes fields back from whoever changed them by hand, or over from who
	// had them before.
	Force bool `json:"-"`
	// Record tells that the inventory does not have the object yet, or not so.
	Record bool `json:"-"`
	// From is the unit that the object is taken over from, and gives it up after.
	From catalog.UnitKey `json:"from,omitzero"`
	// Adopt tells that the object was there before us and is recorded so.
	Adopt bool `json:"adopt,omitempty"`
	// GiveUp says what a release does to the object before it is forgotten.
	GiveUp GiveUp `json:"-"`
	// Guarded tells that the deletion needs consent; Condemned, that the inventory
	// has recorded it as decided; Condemn, that it must before it happens.
	Guarded   bool `json:"-"`
	Condemned bool `json:"-"`
	Condemn   bool `json:"-"`
}

// Anew reports that the step makes an object where none is: what the inventory
// has of one of that name is of another, which is gone.
func (s Step) Anew() bool { return s.Action == Create || s.Action == Run && s.UID == "" }

// GiveUp is how an object that stays is let go.
type GiveUp string

// Nothing of a foreign object is touched; of one that moved, only the fields that
// the old unit alone declared go; of an adopted one, our marks go and all values stay.
const (
	GiveUpNothing GiveUp = ""
	GiveUpFields  GiveUp = "fields"
	GiveUpMarks   GiveUp = "marks"
)

// Hold says why a unit stays as it is.
type Hold struct {
	// Reason is stable, in CamelCase. Example: "InvalidDeclaration".
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Diags are the mistakes that hold it, if mistakes do.
	Diags diag.List `json:"diags,omitempty"`
	// With is the other unit, of two that may be one under two names.
	With catalog.UnitKey `json:"with,omitzero"`
}

// The reasons to hold.
const (
	HoldInvalid   = "InvalidDeclaration"
	HoldUnknown   = "LiveStateUnknown"
	HoldEmpty     = "RendersToNothing"
	HoldBudget    = "DeletionBudgetExceeded"
	HoldProtected = "ProtectedKind"
	HoldBreaker   = "ClusterBudgetExceeded"
	HoldRenamed   = "MayBeRenamed"
)

// Plan is what must happen to one unit.
type Plan struct {
	Unit     catalog.UnitKey `json:"unit"`
	Revision string          `json:"revision"`
	Steps    []Step          `json:"steps"`
	// Unchanged counts the objects that are as they should be.
	Unchanged int   `json:"unchanged"`
	Hold      *Hold `json:"hold,omitempty"`
	// Withheld says why the plan's deletions wait while the rest goes on.
	Withheld *Hold `json:"withheld,omitempty"`
	// Removed tells that the unit itself goes, and why.
	Removed string `json:"removed,omitempty"`
}

// Empty reports whether nothing has to be done or said.
func (p Plan) Empty() bool { return len(p.Steps) == 0 && p.Hold == nil && p.Withheld == nil }

// Writes counts the steps that change the cluster.
func (p Plan) Writes() int {
	n := 0
	for _, s := range p.Steps {
		if s.Action.Writes() {
			n++
		}
	}
	return n
}

// Digest identifies what the plan does: the unit, each step, the bytes it
// applies and what its deletions are bound to.
func (p Plan) Digest() object.Digest {
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode(p.Unit.String()) // hashing does not fail
	for _, s := range p.Steps {
		digest := ""
		if s.Object != nil {
			digest = s.Object.Digest.String()
		}
		_ = enc.Encode([]any{s.ID, s.Action, digest, s.UID, s.Force, s.Adopt, s.GiveUp})
	}
	return object.Digest(h.Sum(nil))
}

// Desired is what should be.
type Desired struct {
	Unit     catalog.UnitKey
	Revision string
	Drift    catalog.DriftMode
	// Objects is what the unit consists of; used where Invalid and Removed are not set.
	Objects []object.Object
	// Invalid are mistakes that hold the unit.
	Invalid diag.List
	// Removed says why the unit is not declared any more, where Git itself
	// proves that; empty for a declared unit.
	Removed string
	// Renamed holds a removed unit that may live on under another name, or a new
	// one that may be it.
	Renamed *Hold
	// Fleeting tells that the unit is of a preview, which is there to go: no deletion of
	// its objects needs consent, and none counts for the cluster.
	Fleeting bool
	Rules
	// Held are the desired objects that other units have in their inventories, by
	// the UIDs that are live.
	Held map[object.ID]Holder
	// Elsewhere are the objects in the inventory that other units declare now.
	Elsewhere map[object.ID]catalog.UnitKey
}

// Holder is a unit that has an object another one declares.
type Holder struct {
	Unit catalog.UnitKey
	// Gives tells that it does not declare the object any more, for certain.
	Gives bool
}

// Seen is one live object.
type Seen struct {
	cluster.Entry
	// Live is the object's content, where it was read.
	Live *cluster.Live
	// Before is what we last applied, where it is known.
	Before *object.Object
}

// Live is what is.
type Live struct {
	// Objects are the live objects among those desired and those in the
	// inventory. What is not in a known set is not there.
	Objects object.Set[object.ID, Seen]
	// Inventory is what the unit owns.
	Inventory object.Set[object.ID, cluster.Owned]
}

// String prints the plan's one-line summary.
// Example: "prod/prod-eu/checkout: 1 to update, 7 unchanged".
func (p Plan) String() string {
	if p.Hold != nil {
		return fmt.Sprintf("%s: held: %s", p.Unit, p.Hold.Message)
	}
	counts := map[Action]int{}
	for _, s := range p.Steps {
		counts[s.Action]++
	}
	out := p.Unit.String() + ":"
	sep := " "
	for _, a := range []Action{Create, Update, Heal, Run, Await, Prune, Release, Wait, Conflict, Drift} {
		if counts[a] > 0 {
			out += fmt.Sprintf("%s%d to %s", sep, counts[a], a)
			sep = ", "
		}
	}
	return out + fmt.Sprintf("%s%d unchanged", sep, p.Unchanged)
}
