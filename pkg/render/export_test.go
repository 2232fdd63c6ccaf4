package render

import "github.com/fairway-dev/fairway/pkg/eval"

// KeepNow keeps a fleet whether it pays or not.
func KeepNow(r *Renderer, es *eval.State, st *State) {
	r.Evaluator.KeepState(es, st.write(es.Catalog))
}

// KeptFacts is under what name the facts of a unit are kept.
const KeptFacts = keptFacts
