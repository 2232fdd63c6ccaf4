package protocol

import "time"

// The budget of one evaluation. The kernel holds a worker to it, or the engine
// from outside of the worker.
const (
	WallLimit   = 10 * time.Second
	CPULimit    = 8 * time.Second
	MemoryLimit = 512 << 20
)

// The bounds of what goes in and what comes out.
const (
	// MaxSource bounds the files of one declaration together.
	MaxSource = 1 << 20
	// MaxBeside bounds how many files may stand beside a service, and MaxDepth how
	// deep in folders.
	MaxBeside = 500
	MaxDepth  = 6
	// MaxPatches bounds the patches of one unit.
	MaxPatches = 100
	// MaxObjects and MaxObject bound a unit's objects; MaxObject bounds a
	// declaration's data too.
	MaxObjects = 5000
	MaxObject  = 1 << 20
	// MaxOutput bounds all that a unit renders to.
	MaxOutput = 64 << 20
	// MaxFrame bounds one message in either direction.
	MaxFrame = MaxOutput + 1<<20
	// MaxFaults and MaxMessage bound what is said of mistakes.
	MaxFaults  = 100
	MaxMessage = 4 << 10
	// MaxPositions bounds how many fields' places are remembered, and MaxPath the
	// length of what they are in: the paths of nested fields together are as long
	// as the square of their depth.
	MaxPositions = 10000
	MaxPath      = 256
)

// ExitCPU is how a worker ends that used up its processor time.
const ExitCPU = 152
