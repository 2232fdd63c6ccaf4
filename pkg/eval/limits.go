package eval

import (
	"strings"
	"time"
)

// The budget of one evaluation (EVL-1), enforced by the kernel on the worker's
// process.
const (
	WallLimit   = 10 * time.Second
	CPULimit    = 8 * time.Second
	MemoryLimit = 512 << 20
	softMemory  = 384 << 20
)

func outOfMemory(stderr string) bool {
	return strings.Contains(stderr, "out of memory") || strings.Contains(stderr, "cannot allocate memory")
}
