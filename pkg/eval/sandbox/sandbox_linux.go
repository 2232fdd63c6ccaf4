package sandbox

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Self is this program's binary, whatever its file is called by now.
func Self() string { return "/proc/self/exe" }

// Enter takes from this process what an evaluation does not need: memory
// beyond its budget, files, child processes, core dumps. The network is taken
// by the namespace the process was started in.
func Enter(l Limits) error {
	limits := []struct {
		name  string
		which int
		value uint64
	}{
		{"data", unix.RLIMIT_DATA, l.Memory},
		{"file size", unix.RLIMIT_FSIZE, 0},
		{"core", unix.RLIMIT_CORE, 0},
		{"open files", unix.RLIMIT_NOFILE, 16},
	}
	for _, r := range limits {
		if err := unix.Setrlimit(r.which, &unix.Rlimit{Cur: r.value, Max: r.value}); err != nil {
			return fmt.Errorf("limit %s: %w", r.name, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	return nil
}

// GrantCPU allows this process that much more processor time than it has used.
func GrantCPU(limit time.Duration) error {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return err
	}
	seconds := uint64(used.Utime.Sec+used.Stime.Sec) + uint64(limit/time.Second) + 1
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CPU, &now); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: min(seconds, now.Max), Max: now.Max})
}

// Isolation are the attributes a worker is started with: its own process
// group, dead when we die, and no network where the system lets us say so.
func Isolation(network bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if !network {
		attr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: syscall.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: syscall.Getgid(), Size: 1}}
	}
	return attr
}
