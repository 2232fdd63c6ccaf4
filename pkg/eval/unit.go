package eval

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/cache"
)

// Rendering is what became of one unit.
type Rendering struct {
	// Key finds the output again with [Evaluator.Output].
	Key cache.Key
	// Output is canonical JSON of an [Output]; nil where there are faults.
	Output json.RawMessage
	Faults []Fault
	// Evaluated reports that a worker was asked.
	Evaluated bool
}

// Unit renders one unit by the #Unit of a platform package. Equal inputs and
// equal platform packages are rendered once.
func (e *Evaluator) Unit(ctx context.Context, st *State, pkg string, input json.RawMessage, stamp Stamp) (Rendering, error) {
	marks, err := json.Marshal(stamp)
	if err != nil {
		return Rendering{}, fmt.Errorf("encode stamp: %w", err)
	}
	key := cache.KeyOf("unit", e.Engine, pkg, st.platform.closureOf(pkg), string(input), string(marks))
	var known struct {
		Output json.RawMessage `json:"output,omitempty"`
		Faults []Fault         `json:"faults,omitempty"`
	}
	if e.load(key, &known) {
		return Rendering{Key: key, Output: known.Output, Faults: known.Faults}, nil
	}
	a, err := e.Pool.ask(ctx, question{Unit: &unitQuestion{Package: pkg, Input: input, Stamp: stamp}})
	if err != nil {
		return Rendering{}, err
	}
	known.Output, known.Faults = a.Data, a.Faults
	if !killedAny(a.Faults) {
		e.save(key, known)
	}
	return Rendering{Key: key, Output: a.Data, Faults: a.Faults, Evaluated: true}, nil
}

// Output reads the output of an earlier rendering back. It reports false where
// the cache has lost it.
func (e *Evaluator) Output(key cache.Key) (Output, bool) {
	var known struct {
		Output *Output `json:"output"`
	}
	if !e.load(key, &known) || known.Output == nil {
		return Output{}, false
	}
	return *known.Output, true
}
