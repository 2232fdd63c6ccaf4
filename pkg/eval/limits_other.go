//go:build !linux

package eval

import (
	"os"
	"syscall"
)

// selfPath is this program's binary.
func selfPath() string {
	self, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return self
}

// confine and grantCPU do nothing here: only Linux lets a process give up what
// the daemon wants given up. On a developer's machine the wall clock and the
// separate process remain; the daemon runs on Linux.
func confine() error  { return nil }
func grantCPU() error { return nil }

func isolation(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
