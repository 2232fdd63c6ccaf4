//go:build !linux

package sandbox

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// Self is this program's binary.
func Self() string {
	self, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return self
}

// Enter does nothing here: only Linux lets a process give up what the daemon
// wants given up. On a developer's machine the wall clock and the separate
// process remain; the daemon runs on Linux.
func Enter(Limits) ([]Wall, error) {
	why := runtime.GOOS + " has none"
	return []Wall{{Name: WallFiles, Why: why}, {Name: WallCalls, Why: why}, {Name: WallNetwork, Why: why}}, nil
}

// GrantCPU does nothing here.
func GrantCPU(int, time.Duration) error { return nil }

// Isolation are the attributes a worker is started with.
func Isolation(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
