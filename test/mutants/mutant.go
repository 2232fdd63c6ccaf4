package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mutant is one guard taken out, and the test that must notice.
type mutant struct {
	rule, guard string
	file        string
	from, to    string
	pkg, test   string

	killed, broken bool // noticed by its test; no program at all
	took           time.Duration
}

// String is the line that is printed of a tried mutant.
func (m mutant) String() string {
	verdict := "SURVIVED"
	switch {
	case m.broken:
		verdict = "BROKEN"
	case m.killed:
		verdict = "killed"
	}
	return fmt.Sprintf("%-8s %-10s %s: %s (%s, %s)", verdict, m.rule, m.file, m.guard, m.test, m.took.Round(100*time.Millisecond))
}

// parse reads mutants: blocks of "key: value" lines with empty lines between
// them. A line that begins with "#" is a remark; "\n" and "\t" in from and to
// stand for what they stand for in Go.
func parse(text string) ([]mutant, error) {
	var out []mutant
	for n, block := range strings.Split(text, "\n\n") {
		var m mutant
		fields := map[string]*string{
			"rule": &m.rule, "guard": &m.guard, "file": &m.file, "from": &m.from, "to": &m.to, "pkg": &m.pkg, "test": &m.test,
		}
		filled := 0
		for line := range strings.Lines(block) {
			line = strings.TrimRight(line, "\n")
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, value, _ := strings.Cut(line, ":")
			field := fields[key]
			if field == nil {
				return nil, fmt.Errorf("block %d: %q is no field of a mutant", n+1, key)
			}
			*field = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(strings.TrimPrefix(value, " "))
			filled++
		}
		if filled == 0 {
			continue
		}
		if m.rule == "" || m.guard == "" || m.file == "" || m.from == "" || m.pkg == "" || m.test == "" {
			return nil, fmt.Errorf("block %d: rule, guard, file, from, pkg and test are needed", n+1)
		}
		out = append(out, m)
	}
	return out, nil
}

// copied is a copy of the tracked files.
type copied struct{ dir string }

func (c *copied) fill(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", `git ls-files -z | xargs -0 cp --parents -t "$0"`, c.dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("copy the tracked files: %w", err)
	}
	return nil
}

// sound makes sure that the tests pass while nothing is taken out.
func (c *copied) sound(ctx context.Context, mutants []mutant) error {
	tests := map[string][]string{}
	for _, m := range mutants {
		tests[m.pkg] = append(tests[m.pkg], m.test)
	}
	for pkg, names := range tests {
		fmt.Printf("sound? %s %s\n", pkg, strings.Join(names, " "))
		if said, passed, err := c.test(ctx, pkg, strings.Join(names, "|"), 20*time.Minute); err != nil || !passed {
			return errors.Join(err, fmt.Errorf("%s fails with nothing taken out:\n%s", pkg, said))
		}
	}
	return nil
}

// try makes a mutant, tests it and puts the file back.
func (c *copied) try(ctx context.Context, m *mutant) error {
	file := filepath.Join(c.dir, m.file)
	whole, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := strings.Count(string(whole), m.from); n != 1 {
		return fmt.Errorf("%q stands %d times in it, want once", m.from, n)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(whole), m.from, m.to, 1)), 0o644); err != nil {
		return err
	}
	if said, fine := c.builds(ctx, m.file); !fine {
		m.broken = true
		fmt.Println(said)
		return os.WriteFile(file, whole, 0o644)
	}
	began := time.Now()
	said, passed, err := c.test(ctx, m.pkg, m.test, 4*time.Minute) // one that hangs is noticed, too
	m.took, m.killed = time.Since(began), !passed
	if m.broken = err == nil && !passed && strings.Contains(said, "[build failed]"); m.broken { // another package's
		fmt.Println(said)
	}
	return errors.Join(err, os.WriteFile(file, whole, 0o644))
}

// builds reports whether the package of a file builds: a test that has programs built sees
// no difference between one that does not and one that does wrong.
func (c *copied) builds(ctx context.Context, file string) (said string, fine bool) {
	if filepath.Ext(file) != ".go" {
		return "", true
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "./"+filepath.Dir(file))
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// pattern is what go test takes for tests by name, of which one alone may be of a case:
// go test splits at slashes, and not within brackets. Many are run as a whole.
func pattern(names string) string {
	levels := strings.Split(names, "/")
	if strings.Contains(names, "|") {
		var whole []string
		for name := range strings.SplitSeq(names, "|") {
			test, _, _ := strings.Cut(name, "/")
			whole = append(whole, test)
		}
		levels = []string{"(" + strings.Join(whole, "|") + ")"}
	}
	for i, level := range levels {
		levels[i] = "^" + level + "$"
	}
	return strings.Join(levels, "/")
}

// test runs tests of a package and reports whether they passed within a time.
func (c *copied) test(ctx context.Context, pkg, names string, limit time.Duration) (said string, passed bool, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-trimpath", "-count=1", "-timeout="+limit.String(), "-run", pattern(names), pkg)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "FAIRWAY_BIN=") // a binary that is ready has the guard
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "no tests to run") {
		return string(out), false, fmt.Errorf("%s has no test %s", pkg, names)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		return string(out), false, nil
	}
	return string(out), err == nil, err
}
