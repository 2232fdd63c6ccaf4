// Package sandbox takes from a process what an evaluation does not need: files,
// the network, other processes, and memory and processor time beyond a budget.
// The process does it to itself before it reads the first question, and cannot
// take it back; what needs a view from outside is done by whoever starts it.
//
// Not every system has every wall. What is missing is said, and the process
// works behind those that hold.
package sandbox

import "fmt"

// Limits bound what a process may use.
type Limits struct {
	// Memory is the size of its data in bytes.
	Memory uint64
}

// Wall is one thing that is taken from the process, which this system could not take.
type Wall struct {
	// Name says what it keeps away. Example: "files (Landlock)".
	Name string `json:"name"`
	// Why says what kept it from being put up.
	Why string `json:"why"`
}

// String is a sentence for a log.
func (w Wall) String() string { return fmt.Sprintf("%s: %s", w.Name, w.Why) }

// The names of the walls.
const (
	WallFiles   = "files (Landlock)"
	WallCalls   = "system calls (seccomp)"
	WallNetwork = "network namespace"
)
