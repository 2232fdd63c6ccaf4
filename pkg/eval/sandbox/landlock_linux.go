package sandbox

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// restrictFiles takes from this process all that Landlock can take: opening,
// making, removing and running files of any kind, and where the kernel is new
// enough TCP, devices' controls, abstract sockets and signals to others.
func restrictFiles() error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return fmt.Errorf("the kernel has no Landlock: %w", errno)
	}
	attr := everything(int(version))
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("make a ruleset: %w", errno)
	}
	defer func() { _ = unix.Close(int(fd)) }()
	_, _, errno = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	if errno == syscall.ENOTSUP { // the C library owns the threads: the kernel must do it
		_, _, errno = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, unix.LANDLOCK_RESTRICT_SELF_TSYNC, 0)
	}
	if errno != 0 {
		return fmt.Errorf("apply the ruleset to all threads: %w", errno)
	}
	return nil
}

// everything handles all accesses that a version of Landlock knows, and so
// allows none of them: no rule is ever added.
func everything(version int) unix.LandlockRulesetAttr {
	files := map[int]uint64{1: 1<<13 - 1, 2: unix.LANDLOCK_ACCESS_FS_REFER, 3: unix.LANDLOCK_ACCESS_FS_TRUNCATE, 5: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}
	var attr unix.LandlockRulesetAttr
	for since, access := range files {
		if version >= since {
			attr.Handled_access_fs |= access
		}
	}
	if version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return attr
}
