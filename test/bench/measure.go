package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is a series of durations.
type sample []time.Duration

func (s sample) at(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (s sample) p50() time.Duration { return s.at(0.5) }
func (s sample) p99() time.Duration { return s.at(0.99) }

func (s sample) String() string {
	return fmt.Sprintf("p50 %s, p99 %s", ms(s.p50()), ms(s.p99()))
}

// ms spells a duration in milliseconds or, if long, in seconds.
func ms(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 20*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
}

// spent is what one process took: time on the clock, and processor time with
// that of its own children, which neighbours on the machine disturb less.
type spent struct {
	wall, cpu time.Duration
	output    string
}

// spend runs a command to its end.
func spend(ctx context.Context, dir string, env []string, name string, args ...string) (spent, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	s := spent{wall: time.Since(start), output: strings.TrimSpace(out.String())}
	if err != nil {
		return s, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, s.output)
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return s, nil
}

// runs are the repetitions of one command.
type runs []spent

func (r runs) wall() time.Duration {
	var s sample
	for _, one := range r {
		s = append(s, one.wall)
	}
	return s.p50()
}

func (r runs) cpu() time.Duration {
	var s sample
	for _, one := range r {
		s = append(s, one.cpu)
	}
	return s.p50()
}

func (r runs) String() string { return fmt.Sprintf("%s (CPU %s)", ms(r.wall()), ms(r.cpu())) }

func git(ctx context.Context, dir string, args ...string) (string, error) {
	s, err := spend(ctx, dir, []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}, "git", args...)
	return s.output, err
}

// load is the machine's load average.
func load() string {
	raw, _ := os.ReadFile("/proc/loadavg") // shown only
	fields := strings.Fields(string(raw))
	if len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}

// cpuOf is the processor time all threads of a process have used, to the nanosecond.
func cpuOf(pid int) time.Duration {
	var sum int64
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if fields := strings.Fields(string(raw)); err == nil && len(fields) > 0 {
			n, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += n
		}
	}
	return time.Duration(sum)
}

// memoryOf reads one field of a process's status, in bytes. Example: VmRSS.
func memoryOf(pid int, field string) int64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// children are the processes a process has started.
func children(pid int) []int {
	var out []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		raw, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(raw)) {
			if n, err := strconv.Atoi(field); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
