package world

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fairway-dev/fairway/pkg/git/githttp"
	"github.com/fairway-dev/fairway/test/labtest"
)

// Files are the edits of one commit: path to content, or Gone.
type Files map[string]string

// Gone is the content of a file that is removed.
const Gone = "\x00gone"

// And adds edits.
func (f Files) And(more Files) Files {
	maps.Copy(f, more)
	return f
}

// Step is one thing that happens to a company.
type Step struct {
	// Name says what. Example: "checkout is removed".
	Name string
	// Edits are the commit's; with Revert, the commit undoes the one of an earlier step.
	Edits  Files
	Revert string
	// Rewind pushes, by force, a branch that never had the commit before.
	Rewind bool
	// Act is what somebody does by hand on the clusters before the commit.
	Act func(w *World) error
}

// Workload is a company and its history.
type Workload struct {
	Name  string
	Steps []Step
	// Around are actors that are there all the time: operators, people.
	Around func(w *World) (stop func(), err error)
}

// Template is a workload's repository with all its commits, made once.
type Template struct {
	*Workload
	bare    string
	Commits []string // of each step
	seed    string   // file of evaluated results, to start with; "" for none
}

// Template makes a workload's repository, or gives the one that was made.
func (l *Lab) Template(w *Workload) (*Template, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.templates[w.Name]; t != nil {
		return t, nil
	}
	dir := filepath.Join(l.dir, "template-"+w.Name)
	t := &Template{Workload: w, bare: filepath.Join(dir, "platform.git")}
	clone := filepath.Join(dir, "clone")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make workload %s: %w", w.Name, err)
	}
	if err := githttp.Init(t.bare, "main"); err != nil {
		return nil, err
	}
	if _, err := git(dir, 0, "clone", "--quiet", t.bare, clone); err != nil {
		return nil, err
	}
	for _, part := range []string{"schema", "platform", "cue.mod"} {
		if err := os.CopyFS(filepath.Join(clone, part), os.DirFS(filepath.Join(Top(), part))); err != nil {
			return nil, fmt.Errorf("make workload %s: %w", w.Name, err)
		}
	}
	if err := labtest.Bare(clone); err != nil {
		return nil, fmt.Errorf("make workload %s: %w", w.Name, err)
	}
	for i, step := range w.Steps {
		if err := t.commit(clone, i, step); err != nil {
			return nil, fmt.Errorf("make workload %s: step %q: %w", w.Name, step.Name, err)
		}
	}
	l.templates[w.Name] = t
	return t, nil
}

// commit makes the commit of a step. The commits of a workload are the same
// whenever they are made.
func (t *Template) commit(clone string, i int, step Step) error {
	switch {
	case step.Rewind:
		if _, err := git(clone, i, "reset", "--quiet", "--hard", "HEAD~1"); err != nil {
			return err
		}
	case step.Revert != "":
		if _, err := git(clone, i, "revert", "--no-edit", t.Commits[t.step(step.Revert)]); err != nil {
			return err
		}
	}
	if err := write(clone, step.Edits); err != nil {
		return err
	}
	if _, err := git(clone, i, "add", "--all"); err != nil {
		return err
	}
	if step.Revert == "" {
		if _, err := git(clone, i, "commit", "--quiet", "--allow-empty", "--no-verify", "-m", step.Name); err != nil {
			return err
		}
	}
	commit, err := git(clone, i, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	t.Commits = append(t.Commits, commit)
	_, err = git(clone, i, "push", "--quiet", "--no-verify", "origin", fmt.Sprintf("HEAD:refs/steps/%d", i))
	return err
}

func (t *Template) step(name string) int {
	for i, s := range t.Steps {
		if s.Name == name {
			return i
		}
	}
	return 0
}

func write(dir string, edits Files) error {
	for path, content := range edits {
		file := filepath.Join(dir, path)
		if content == Gone {
			if err := os.Remove(file); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// git runs git as a user without any configuration of this machine's, at a
// minute of the calendar that the step says.
func git(dir string, step int, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	when := fmt.Sprintf("2026-01-01T10:%02d:00Z", step)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
		"GIT_AUTHOR_DATE="+when, "GIT_COMMITTER_DATE="+when)
	var errout bytes.Buffer
	cmd.Stderr = &errout
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, errout.String())
	}
	return strings.TrimSpace(string(out)), nil
}
