package sandbox

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// GrantCPU lets a process use about that much more processor time than it has
// used by now. It is done from outside, so that the process cannot grant itself
// more. The kernel counts in whole seconds: it is between 0.2 s less and 0.8 s more.
func GrantCPU(pid int, limit time.Duration) error {
	used, err := UsedCPU(pid)
	if err != nil {
		return fmt.Errorf("read processor time: %w", err)
	}
	var now unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_CPU, nil, &now); err != nil {
		return fmt.Errorf("read processor limit: %w", err)
	}
	seconds := uint64((used + 800*time.Millisecond + limit) / time.Second)
	if err := unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: min(seconds, now.Max), Max: now.Max}, nil); err != nil {
		return fmt.Errorf("set processor limit: %w", err)
	}
	return nil
}

// UsedCPU is the processor time a process has used.
func UsedCPU(pid int) (time.Duration, error) {
	const ofProcess = 2 // the kernel's word for "as scheduled, all threads"
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}
