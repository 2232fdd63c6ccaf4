package forge

import (
	"maps"
	"slices"
	"strings"
)

// Standing are the approvals that were not taken back, in the order they were given: of
// each reviewer the last word that is more than a comment.
func Standing(reviews map[int]Review) []Review {
	last := map[string]int{}
	for _, i := range slices.Sorted(maps.Keys(reviews)) {
		if reviews[i].Verdict != Commented {
			last[strings.ToLower(reviews[i].Author)] = i
		}
	}
	var out []Review
	for _, i := range slices.Sorted(maps.Keys(reviews)) {
		if v := reviews[i]; v.Verdict == Approved && last[strings.ToLower(v.Author)] == i {
			out = append(out, v)
		}
	}
	return out
}
