// Package sandbox takes from a process what an evaluation does not need.
package sandbox

// Limits bound what a process may use.
type Limits struct {
	// Memory is the size of its data in bytes.
	Memory uint64
}
