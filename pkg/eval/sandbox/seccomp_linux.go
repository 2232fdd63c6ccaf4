//go:build amd64 || arm64

package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// needed are the system calls without which a Go program that has opened all it
// needs cannot compute, read, write and end. Nothing else is let through, so
// that no file, socket, process or limit can be had from here on.
func needed() []uint32 {
	return []uint32{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_PREAD64,
		unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRANDOM,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}
}

// filter is a program for the kernel that looks at each system call.
type filter []unix.SockFilter

// The places of a call's number, machine and first arguments in what the kernel shows.
const (
	offsetNumber, offsetMachine, offsetArgs = 0, 4, 16
)

func (f *filter) load(offset uint32) { f.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset) }

func (f *filter) add(code uint16, yes, no uint8, k uint32) {
	*f = append(*f, unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k})
}

func (f *filter) end(verdict uint32) { f.add(unix.BPF_RET|unix.BPF_K, 0, 0, verdict) }

const (
	equal   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	atLeast = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	anyOf   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	missing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// allow lets a call through.
func (f *filter) allow(nr uint32) {
	f.add(equal, 0, 1, nr)
	f.end(unix.SECCOMP_RET_ALLOW)
}

// allowIf lets a call through where the low half of an argument passes the test.
func (f *filter) allowIf(nr uint32, arg int, test uint16, k uint32) {
	f.add(equal, 0, 4, nr)
	f.load(offsetArgs + 8*uint32(arg))
	f.add(test, 0, 1, k)
	f.end(unix.SECCOMP_RET_ALLOW)
	f.end(refuse)
}

// refuseIf refuses a call where the low half of an argument passes the test.
func (f *filter) refuseIf(nr uint32, arg int, k uint32) {
	f.add(equal, 0, 4, nr)
	f.load(offsetArgs + 8*uint32(arg))
	f.add(anyOf, 0, 1, k)
	f.end(refuse)
	f.end(unix.SECCOMP_RET_ALLOW)
}

// callFilter writes the program for a process.
func callFilter(pid int) filter {
	machine := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	var f filter
	f.load(offsetMachine)
	f.add(equal, 1, 0, machine)
	f.end(unix.SECCOMP_RET_KILL_PROCESS)
	f.load(offsetNumber)
	f.add(atLeast, 0, 1, 1<<30) // calls of another machine in disguise
	f.end(refuse)
	for _, nr := range needed() {
		f.allow(nr)
	}
	f.threadsOnly()
	f.add(equal, 0, 1, unix.SYS_CLONE3) // its flags cannot be seen; the runtime then asks for clone
	f.end(missing)
	f.allowIf(unix.SYS_TGKILL, 0, equal, uint32(pid))
	f.allowIf(unix.SYS_KILL, 0, equal, uint32(pid))
	f.allowIf(unix.SYS_PRCTL, 0, equal, unix.PR_SET_VMA) // the runtime names its memory
	f.refuseIf(unix.SYS_MMAP, 2, unix.PROT_EXEC)
	f.refuseIf(unix.SYS_MPROTECT, 2, unix.PROT_EXEC)
	f.end(refuse)
	return f
}

// threadsOnly lets clone make threads and nothing else.
func (f *filter) threadsOnly() {
	const spaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	f.add(equal, 0, 6, unix.SYS_CLONE)
	f.load(offsetArgs)
	f.add(anyOf, 0, 1, spaces)
	f.end(refuse)
	f.add(anyOf, 0, 1, unix.CLONE_THREAD)
	f.end(unix.SECCOMP_RET_ALLOW)
	f.end(refuse)
}

// restrictCalls puts the filter before every thread of this process.
func restrictCalls() error {
	f := callFilter(os.Getpid())
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return fmt.Errorf("filter system calls: %w", errno)
	case r != 0:
		return fmt.Errorf("filter system calls: thread %d has another filter", r)
	}
	return nil
}
