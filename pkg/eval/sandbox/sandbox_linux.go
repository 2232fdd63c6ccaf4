package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Self is this program's binary, whatever its file is called by now.
func Self() string { return "/proc/self/exe" }

// Enter takes from this process what an evaluation does not need. It returns
// the walls that this system does not have; an error means that one which every
// system has did not hold, and that nothing must be evaluated here.
func Enter(l Limits) (missing []Wall, err error) {
	if err := closeInherited(); err != nil {
		return nil, fmt.Errorf("close inherited files: %w", err)
	}
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
			return nil, fmt.Errorf("limit %s: %w", r.name, err)
		}
	}
	if err := noNewPrivileges(); err != nil {
		return nil, fmt.Errorf("give up privileges: %w", err)
	}
	for _, w := range walls() {
		if err := w.put(); err != nil {
			missing = append(missing, Wall{Name: w.name, Why: err.Error()})
		}
	}
	return missing, nil
}

// wall is one that some systems do not have.
type wall struct {
	name string
	put  func() error
}

// walls are put up in this order, as the last takes the means to put up others.
func walls() []wall {
	return []wall{{WallFiles, restrictFiles}, {WallCalls, restrictCalls}}
}

// closeInherited closes what whoever started this process left open beside the
// three streams. What the Go runtime opened is closed on exec, and so what is
// not was inherited.
func closeInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			if err := unix.Close(fd); err != nil {
				return err
			}
		}
	}
	return nil
}

// noNewPrivileges holds for every thread, or where the C library owns the
// threads for this one and those it makes; the filter of system calls brings
// the others along.
func noNewPrivileges() error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errno == syscall.ENOTSUP {
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	return reason(errno)
}

// reason is an error number as an error; nil for none.
func reason(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
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
