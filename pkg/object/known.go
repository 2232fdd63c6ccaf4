package object

// Set is the outcome of an enumeration: either the whole set is known, or
// nothing is. An error is never an empty set, so only a known Set answers
// questions of absence. The zero Set is unknown.
type Set[K comparable, V any] struct {
	known   bool
	members map[K]V
	why     error
}

// Known is an enumeration that was whole.
func Known[K comparable, V any](members map[K]V) Set[K, V] {
	return Set[K, V]{known: true, members: members}
}

// Unknown is an enumeration that failed, with the reason.
func Unknown[K comparable, V any](why error) Set[K, V] { return Set[K, V]{why: why} }

// Members gives the members and true, or nil and false where the set is unknown.
func (s Set[K, V]) Members() (map[K]V, bool) { return s.members, s.known }

// Why says why the set is unknown; nil for a known one.
func (s Set[K, V]) Why() error { return s.why }
