package plan

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// drift says what to do about an object that carries what we last applied and
// may have been changed since.
func drift(d Desired, s Step, seen Seen) (Step, bool) {
	if seen.Live == nil {
		// Nobody read it: it cannot be said to be as it should be. Applying is
		// harmless where it is.
		s.Action, s.Reason = Heal, "was changed and could not be read"
		return s, true
	}
	changed := drifted(*seen.Live, sealed(s.ID, *seen.Live, s.Object))
	if len(changed) == 0 {
		return Step{}, false
	}
	s.Fields = object.Redact(s.ID, changed, seen.Live.Fields, s.Object.Fields())
	s.By = changers(*seen.Live, changed)
	s.Reason = "was changed by hand"
	if len(s.By) > 0 {
		s.Reason = "was changed by " + s.By[0].Manager
	}
	s.Action, s.Force = Heal, true
	if d.Drift == catalog.Report {
		s.Action, s.Force, s.Object = Drift, false, nil
	}
	return s, true
}

// drifted compares a live object with what it should be, field by field of
// those we declare, and those we still own and do not declare any more.
// Before is what is live, After what is declared.
func drifted(live cluster.Live, desired map[string]any) []object.FieldChange {
	var out []object.FieldChange
	for _, c := range object.Diff(restrict(live.Fields, desired), desired) {
		if differs(c) && !engineMark(c.Path) {
			out = append(out, c)
		}
	}
	for _, c := range object.Diff(live.Owned, desired) {
		if c.After == nil && differs(c) && !engineMark(c.Path) && !claimStatus(c.Path) && !slices.ContainsFunc(out, func(o object.FieldChange) bool { return o.Path == c.Path }) {
			out = append(out, c)
		}
	}
	return out
}

// differs reports whether a change means anything to Kubernetes. An empty group
// and none are one thing, but not as a list's element: an empty network rule
// allows everything, and no rule nothing.
func differs(c object.FieldChange) bool {
	element := strings.HasSuffix(c.Path, "]") && (c.Before == nil) != (c.After == nil)
	return element || !sameValue(c.Before, c.After)
}

// claimStatus reports a field of the status that the API server writes into the claims
// of a StatefulSet's template. They are a list as a whole, so it counts as ours.
func claimStatus(path string) bool {
	rest, inside := strings.CutPrefix(path, ".spec.volumeClaimTemplates[")
	_, field, _ := strings.Cut(rest, "]")
	return inside && strings.HasPrefix(field, ".status")
}

// engineMark reports a field the engine writes at apply, which is no part of
// the desired bytes.
func engineMark(path string) bool {
	return path == `.metadata.annotations."`+object.AnnotationCommit+`"` || path == `.metadata.annotations."`+object.AnnotationDigest+`"` ||
		path == `.metadata.annotations."`+object.AnnotationOpened+`"`
}

// sameValue compares as Kubernetes does: "1000m" and "1" are one quantity, an
// empty group and none are one thing.
func sameValue(a, b any) bool {
	if empty(a) && empty(b) {
		return true
	}
	as, aok := a.(string)
	bs, bok := b.(string)
	if !aok || !bok {
		return false
	}
	qa, err := resource.ParseQuantity(as)
	if err != nil {
		return false
	}
	qb, err := resource.ParseQuantity(bs)
	return err == nil && qa.Cmp(qb) == 0
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// restrict keeps of a live value only what the desired one speaks of, so that
// defaults and status are not taken for changes.
func restrict(live, desired map[string]any) map[string]any {
	out := make(map[string]any, len(desired))
	for k, want := range desired {
		have, ok := live[k]
		if !ok {
			continue
		}
		out[k] = restrictValue(have, want)
	}
	return out
}

func restrictValue(have, want any) any {
	switch want := want.(type) {
	case map[string]any:
		if m, ok := have.(map[string]any); ok {
			return restrict(m, want)
		}
	case []any:
		if l, ok := have.([]any); ok {
			return restrictList(l, want)
		}
	}
	return have
}

// restrictList pairs list elements by their merge key, or by place.
func restrictList(have, want []any) []any {
	named := object.ByMergeKey(have)
	wanted := object.ByMergeKey(want)
	if named == nil || wanted == nil {
		out := slices.Clone(have)
		for i := range min(len(have), len(want)) {
			out[i] = restrictValue(have[i], want[i])
		}
		return out
	}
	var out []any
	for _, w := range want {
		key := object.MergeKey(w)
		if h, ok := named[key]; ok {
			out = append(out, restrictValue(h, w))
		}
	}
	return out
}

// changers picks, among those who own other fields, who owns the changed ones.
func changers(live cluster.Live, changed []object.FieldChange) []cluster.FieldOwner {
	var out []cluster.FieldOwner
	for _, c := range changed {
		for _, o := range live.Others {
			if o.Field == c.Path {
				out = append(out, o)
				break
			}
		}
	}
	if len(out) == 0 && len(live.Others) > 0 {
		newest := slices.MaxFunc(live.Others, func(a, b cluster.FieldOwner) int { return a.Time.Compare(b.Time) })
		out = append(out, newest)
	}
	return out
}
