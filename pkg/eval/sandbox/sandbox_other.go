//go:build !linux

package sandbox

import (
	"os"
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

// Enter and GrantCPU do nothing here: only Linux lets a process give up what
// the daemon wants given up. On a developer's machine the wall clock and the
// separate process remain; the daemon runs on Linux.
func Enter(Limits) error           { return nil }
func GrantCPU(time.Duration) error { return nil }

// Isolation are the attributes a worker is started with.
func Isolation(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
