package protocol

import "time"

// The budget of one evaluation (EVL-1, EVL-7). The kernel holds a worker to it,
// or the engine from outside of the worker.
const (
	WallLimit   = 10 * time.Second
	CPULimit    = 8 * time.Second
	MemoryLimit = 512 << 20
	// MaxFrame bounds one message in either direction, and so an output.
	MaxFrame = 64 << 20
)

// ExitCPU is how a worker ends that used up its processor time.
const ExitCPU = 152
