package eval

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/object"
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

// Unsettled reports that the rendering came to nothing for reasons that need
// not last.
func (r Rendering) Unsettled() bool { return worthRetry(r.Faults) }

// UnitKey identifies a rendering by everything it depends on.
func (e *Evaluator) UnitKey(st *State, q UnitQuestion) (cache.Key, error) {
	marks, err := json.Marshal(q.Stamp)
	if err != nil {
		return cache.Key{}, fmt.Errorf("encode stamp: %w", err)
	}
	closure := st.platform.closureOf(q.Package)
	parts := []string{"unit", e.Engine, q.Package, string(closure[:]), string(q.Input), string(marks)}
	for _, name := range sortedKeys(q.Beside) {
		parts = append(parts, "beside", name, q.Beside[name])
	}
	for _, p := range q.Patches {
		parts = append(parts, "patch", p.Field, string(p.Data))
	}
	return cache.KeyOf(parts...), nil
}

// Unit renders one unit by the #Unit of a platform package. Equal inputs and
// equal platform packages are rendered once.
func (e *Evaluator) Unit(ctx context.Context, key cache.Key, q UnitQuestion) (Rendering, error) {
	if output, faults, ok := e.rendered(key); ok {
		return Rendering{Key: key, Output: output, Faults: faults}, nil
	}
	a, err := e.Pool.ask(ctx, protocol.Question{Unit: &q})
	if err != nil {
		return Rendering{}, err
	}
	switch {
	case len(a.Faults) == 0:
		e.saveRaw(key, append([]byte{tagOutput}, a.Data...))
	case !worthRetry(a.Faults):
		if faults, err := json.Marshal(a.Faults); err == nil {
			e.saveRaw(key, append([]byte{tagFaults}, faults...))
		}
	}
	return Rendering{Key: key, Output: a.Data, Faults: a.Faults, Evaluated: true}, nil
}

// A rendering is kept as one byte that says what it is, and that.
const (
	tagOutput = 'o'
	tagFaults = 'f'
)

func (e *Evaluator) rendered(key cache.Key) (output json.RawMessage, faults []protocol.Fault, ok bool) {
	if e.Cache == nil {
		return nil, nil, false
	}
	raw, ok := e.Cache.Get(key)
	switch {
	case !ok || len(raw) == 0:
		return nil, nil, false
	case raw[0] == tagOutput:
		return raw[1:], nil, true
	}
	return nil, faults, raw[0] == tagFaults && json.Unmarshal(raw[1:], &faults) == nil
}

func (e *Evaluator) saveRaw(key cache.Key, raw []byte) {
	if e.Cache != nil {
		_ = e.Cache.Put(key, raw) // a cache that cannot be written costs time only
	}
}

// Output reads the output of an earlier rendering back, with the digest of its
// bytes. It reports false where the cache has lost it.
func (e *Evaluator) Output(key cache.Key) (Output, object.Digest, bool) {
	raw, _, ok := e.rendered(key)
	var output Output
	if !ok || raw == nil || json.Unmarshal(raw, &output) != nil {
		return Output{}, object.Digest{}, false
	}
	return output, object.Sum(raw), true
}

// Forget makes the cache unlearn a rendering, so that the next one asks a worker.
func (e *Evaluator) Forget(key cache.Key) { e.saveRaw(key, nil) }

// Recall reads what was derived from a rendering and kept.
func (e *Evaluator) Recall(key cache.Key, what string, v any) bool {
	return e.load(derived(key, what), v)
}

// Keep keeps what was derived from a rendering; it lives as long as that.
func (e *Evaluator) Keep(key cache.Key, what string, v any) { e.save(derived(key, what), v) }

func derived(key cache.Key, what string) cache.Key {
	return cache.KeyOf("derived", what, string(key[:]))
}
