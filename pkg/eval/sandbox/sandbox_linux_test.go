package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain makes this binary the prisoner where a test starts it as one: it puts
// up a wall, or all of them, and then tries everything, on threads from before
// and after.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "prisoner" {
		os.Exit(prisoner(os.Args[2]))
	}
	os.Exit(m.Run())
}

// attempt is one thing a prisoner tries. It returns nil if that worked.
type attempt struct {
	name string
	try  func() error
}

func prisoner(walls string) int {
	attempts := fileAttempts()
	if walls != WallFiles { // without the filter of calls the others would work, and do harm
		attempts = append(attempts, otherAttempts()...)
	}
	if walls == "all" {
		attempts = append(attempts, inheritedAttempt())
	}
	before, results := make(chan bool), make(chan map[string]string)
	for range 3 {
		go func() {
			runtime.LockOSThread() // a thread that was there before
			<-before
			results <- tryAll(attempts)
		}()
	}
	time.Sleep(20 * time.Millisecond)
	if err := enter(walls); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	close(before)
	all := []map[string]string{tryAll(attempts)}
	for range 3 {
		all = append(all, <-results)
	}
	if json.NewEncoder(os.Stdout).Encode(all) != nil {
		return 4
	}
	return 0
}

func enter(which string) error {
	if which == "all" {
		missing, err := Enter(Limits{Memory: 512 << 20})
		if err == nil && len(missing) > 0 {
			err = fmt.Errorf("missing: %v", missing)
		}
		return err
	}
	if err := noNewPrivileges(); err != nil {
		return err
	}
	for _, w := range walls() {
		if w.name == which {
			return w.put()
		}
	}
	return fmt.Errorf("there is no wall %q", which)
}

func tryAll(attempts []attempt) map[string]string {
	out := map[string]string{}
	for _, a := range attempts {
		out[a.name] = "worked"
		if err := a.try(); err != nil {
			out[a.name] = err.Error()
		}
	}
	return out
}

func opening(name, path string, flags int) attempt {
	return attempt{"open " + name, func() error {
		_, err := unix.Open(path, flags, 0o600)
		return err
	}}
}

// fileAttempts are those that the wall around files alone must stop.
func fileAttempts() []attempt {
	return []attempt{
		opening("/etc/passwd", "/etc/passwd", unix.O_RDONLY),
		opening("/", "/", unix.O_RDONLY|unix.O_DIRECTORY),
		opening("/dev/zero", "/dev/zero", unix.O_RDONLY),
		opening("/tmp/made-by-a-prisoner", "/tmp/made-by-a-prisoner", unix.O_CREAT|unix.O_WRONLY),
		opening("/proc/self/environ", "/proc/self/environ", unix.O_RDONLY),
		opening("the parent's environment", fmt.Sprintf("/proc/%d/environ", os.Getppid()), unix.O_RDONLY),
		opening("the parent's memory", fmt.Sprintf("/proc/%d/mem", os.Getppid()), unix.O_RDWR),
		{"mkdir", func() error { return unix.Mkdir("/tmp/made-by-a-prisoner-too", 0o700) }},
		{"remove", func() error { return unix.Unlink("/tmp/prey-of-a-prisoner") }},
		{"exec", func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
	}
}

// fork makes a process that ends at once.
func fork() error {
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func call(name string, nr uintptr, args ...uintptr) attempt {
	return attempt{name, func() error {
		args := append(args, make([]uintptr, 6)...)
		if _, _, errno := unix.RawSyscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5]); errno != 0 {
			return errno
		}
		return nil
	}}
}

// inheritedAttempt reads what the parent left open.
func inheritedAttempt() attempt {
	return attempt{"inherited file", func() error {
		_, err := unix.Read(3, make([]byte, 1))
		return err
	}}
}

// otherAttempts need no file by name.
func otherAttempts() []attempt {
	parent := uintptr(os.Getppid())
	return []attempt{
		call("socket inet", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM),
		call("socket unix", unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM),
		call("socket netlink", unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW),
		call("socketpair", unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM),
		call("connect", unix.SYS_CONNECT, 0), call("bind", unix.SYS_BIND, 0), call("listen", unix.SYS_LISTEN, 0), call("accept", unix.SYS_ACCEPT, 0),
		call("sendto", unix.SYS_SENDTO, 1), call("sendmsg", unix.SYS_SENDMSG, 1), call("recvmsg", unix.SYS_RECVMSG, 0),
		{"new process", fork}, call("new user space", unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_NEWUSER), call("new network", unix.SYS_CLONE, unix.CLONE_THREAD|unix.CLONE_SIGHAND|unix.CLONE_VM|unix.CLONE_NEWNET),
		call("clone3", unix.SYS_CLONE3), call("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWUSER), call("setns", unix.SYS_SETNS, 0),
		call("execveat", unix.SYS_EXECVEAT), call("wait", unix.SYS_WAIT4, 0, 0, unix.WNOHANG),
		call("ptrace the parent", unix.SYS_PTRACE, unix.PTRACE_ATTACH, parent), call("trace me", unix.SYS_PTRACE, 0),
		call("read the parent's memory", unix.SYS_PROCESS_VM_READV, parent), call("write it", unix.SYS_PROCESS_VM_WRITEV, parent),
		call("signal the parent", unix.SYS_KILL, parent), call("signal all", unix.SYS_KILL, ^uintptr(0)), call("signal its thread", unix.SYS_TGKILL, parent, parent),
		call("pidfd of the parent", unix.SYS_PIDFD_OPEN, parent), call("queue a signal", unix.SYS_RT_SIGQUEUEINFO, parent),
		call("raise a limit", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CPU), call("setrlimit", unix.SYS_SETRLIMIT, unix.RLIMIT_CPU),
		call("mount", unix.SYS_MOUNT), call("umount", unix.SYS_UMOUNT2), call("chroot", unix.SYS_CHROOT), call("pivot root", unix.SYS_PIVOT_ROOT), call("fsopen", unix.SYS_FSOPEN), call("open tree", unix.SYS_OPEN_TREE),
		call("bpf", unix.SYS_BPF), call("keyctl", unix.SYS_KEYCTL), call("add key", unix.SYS_ADD_KEY), call("request key", unix.SYS_REQUEST_KEY),
		call("perf events", unix.SYS_PERF_EVENT_OPEN), call("io_uring", unix.SYS_IO_URING_SETUP), call("enter io_uring", unix.SYS_IO_URING_ENTER), call("userfaultfd", unix.SYS_USERFAULTFD, 1),
		call("memfd", unix.SYS_MEMFD_CREATE), call("shared memory", unix.SYS_SHMGET, 0, 4096, 0o1600), call("semaphores", unix.SYS_SEMGET, 0, 1, 0o1600), call("messages", unix.SYS_MSGGET, 0, 0o1600),
		call("inotify", unix.SYS_INOTIFY_INIT1), call("fanotify", unix.SYS_FANOTIFY_INIT), call("open by handle", unix.SYS_OPEN_BY_HANDLE_AT), call("openat2", unix.SYS_OPENAT2),
		call("stat", unix.SYS_STATX), call("access", unix.SYS_FACCESSAT2), call("working folder", unix.SYS_GETCWD), call("list a folder", unix.SYS_GETDENTS64, 0), call("change folder", unix.SYS_FCHDIR, 0),
		call("pipe", unix.SYS_PIPE2), call("duplicate", unix.SYS_DUP, 0), call("ioctl", unix.SYS_IOCTL, 0, unix.TIOCSTI), call("splice", unix.SYS_SPLICE), call("tee", unix.SYS_TEE),
		call("change user", unix.SYS_SETUID, 1), call("change group", unix.SYS_SETGID, 1), call("groups", unix.SYS_SETGROUPS), call("capabilities", unix.SYS_CAPSET), call("personality", unix.SYS_PERSONALITY, 0xffffffff),
		call("module", unix.SYS_FINIT_MODULE), call("kexec", unix.SYS_KEXEC_LOAD), call("reboot", unix.SYS_REBOOT), call("swap", unix.SYS_SWAPON), call("accounting", unix.SYS_ACCT), call("quota", unix.SYS_QUOTACTL),
		call("host name", unix.SYS_SETHOSTNAME), call("clock", unix.SYS_CLOCK_SETTIME), call("adjust the clock", unix.SYS_ADJTIMEX), call("log", unix.SYS_SYSLOG, 10),
		call("dumpable", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0), call("another filter", unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL),
		call("executable memory", unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0)),
		call("a call of another machine", 1<<30),
	}
}

// TestPrisoner: with all walls up, and with each alone as far as it goes,
// nothing that was tried works, on no thread.
func TestPrisoner(t *testing.T) {
	prey := "/tmp/prey-of-a-prisoner"
	all := append(fileAttempts(), otherAttempts()...)
	for walls, stopped := range map[string][]attempt{
		WallFiles: fileAttempts(), WallCalls: all, "all": append(all, inheritedAttempt()),
	} {
		t.Run(walls, func(t *testing.T) {
			if err := os.WriteFile(prey, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			clean := func() {
				for _, left := range []string{prey, "/tmp/made-by-a-prisoner", "/tmp/made-by-a-prisoner-too"} {
					os.Remove(left)
				}
			}
			defer clean() // what a prisoner makes who gets out would hide the next one's way out
			results := imprison(t, walls)
			if len(results) != 4 {
				t.Fatalf("%d threads tried, want 4", len(results))
			}
			for thread, result := range results {
				for _, a := range stopped {
					if why := result[a.name]; !refused(why) && (a.name != "inherited file" || why != unix.EBADF.Error()) {
						t.Errorf("thread %d: %s: %q", thread, a.name, why)
					}
				}
			}
		})
	}
}

// refused reports that a wall stood in the way, and not that the attempt was
// badly made.
func refused(why string) bool {
	return slices.Contains([]string{unix.EPERM.Error(), unix.EACCES.Error(), unix.ENOSYS.Error(), unix.EXDEV.Error()}, why)
}

func imprison(t *testing.T, walls string) []map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, Self(), "prisoner", walls)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	open, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	cmd.ExtraFiles = []*os.File{open}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if strings.Contains(stderr.String(), "the kernel has no Landlock") {
		t.Skip("this system has not all walls: ", stderr.String())
	}
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var results []map[string]string
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return results
}
