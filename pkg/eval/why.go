package eval

import (
	"context"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Why asks a worker what set a field of an object of a unit. field is the way to it,
// list places as numbers.
func (e *Evaluator) Why(ctx context.Context, q UnitQuestion, kind, name string, field []string) (*Provenance, []Fault, error) {
	a, err := e.Pool.ask(ctx, protocol.Question{Why: &protocol.Why{Unit: q, Kind: kind, Name: name, Field: field}})
	if err != nil {
		return nil, nil, fmt.Errorf("ask what set a field: %w", err)
	}
	return a.Why, a.Faults, nil
}
