package eval

import "github.com/fairway-dev/fairway/pkg/eval/protocol"

// The words that callers share with workers.
type (
	// UnitQuestion is all that a unit's rendering depends on.
	UnitQuestion = protocol.Unit
	// Patch is one of a service's patches.
	Patch = protocol.Patch
	// Stamp is what the engine itself marks every object of a unit with.
	Stamp = protocol.Stamp
	// Output is what a path makes of a unit.
	Output = protocol.Output
	// Claim is a value of which there is only one in the fleet.
	Claim = protocol.Claim
	// Provenance is what set a field; Line and Input are parts of it.
	Provenance = protocol.Provenance
	// Line is a line of CUE.
	Line = protocol.Line
	// Input is a part of a unit's input.
	Input = protocol.Input
	// Fault is a mistake found by evaluation, before it is known whose it is.
	Fault = protocol.Fault
	// FieldDoc is one field of what may be declared.
	FieldDoc = protocol.FieldDoc
)

// BesideKey is where a service's data hold the files beside it that are no CUE.
const BesideKey = protocol.BesideKey
