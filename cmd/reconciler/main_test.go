package main

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/test/labtest"
)

var update = flag.Bool("update", false, "write the wanted outputs of scripts anew")

func TestMain(m *testing.M) {
	worker.Maybe()
	testscript.Main(m, map[string]func(){"reconciler": main})
}

// TestScripts runs the command as people do. A script has a repository after
// "company", and says the exit code it wants with "exits".
func TestScripts(t *testing.T) {
	cache := t.TempDir() // shared, so that scripts do not all evaluate the same
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "Test")
				env.Setenv("GIT_"+who+"_EMAIL", "test@example.com")
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"company": company, "exits": exits, "replace": replace, "verdicts": verdicts, "tree-equal": treeEqual,
		},
	})
}

// company makes a small platform: one team, two services, one environment.
//
//	company
func company(ts *testscript.TestScript, _ bool, _ []string) {
	for _, root := range []string{"cue.mod", "schema", "platform"} {
		ts.Check(os.CopyFS(ts.MkAbs(root), os.DirFS(filepath.Join(repository(), root))))
	}
	ts.Check(labtest.Bare(ts.MkAbs("."))) // the rest is for the real company's services
	archive, err := txtar.ParseFile(filepath.Join(repository(), "cmd/reconciler/testdata/company.txtar"))
	ts.Check(err)
	for _, f := range archive.Files {
		file := ts.MkAbs(f.Name)
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		ts.Check(os.WriteFile(file, f.Data, 0o644))
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "cue.mod", "schema", "platform", "teams", "environments"}, {"commit", "-q", "-m", "first"}} {
		ts.Check(ts.Exec("git", args...))
	}
}

func repository() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}

// exits runs a command and wants its exit code.
//
//	exits 2 reconciler nonsense
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := 0, ts.Exec(args[1], args[2:]...)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d\n%s%s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// replace changes a text in a file, which must be there.
//
//	replace FILE OLD NEW
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	old := ts.ReadFile(args[0])
	if !strings.Contains(old, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(old, args[1], args[2], 1)), 0o644))
}

// verdicts compares the verdicts in two files.
//
//	[!] verdicts FILE FILE
func verdicts(ts *testscript.TestScript, neg bool, args []string) {
	var found []string
	for _, file := range args {
		m := regexp.MustCompile(`verdict ([0-9a-f]{12}):`).FindStringSubmatch(ts.ReadFile(file))
		if m == nil {
			ts.Fatalf("%s has no verdict", file)
		}
		found = append(found, m[1])
	}
	if len(found) != 2 || (found[0] == found[1]) == neg {
		ts.Fatalf("verdicts: %v", found)
	}
}

// treeEqual compares two folders byte by byte, and wants so many files in each.
//
//	tree-equal FOLDER FOLDER COUNT
func treeEqual(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: tree-equal FOLDER FOLDER COUNT")
	}
	read := func(dir string) map[string]string {
		out := map[string]string{}
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			out[strings.TrimPrefix(file, ts.MkAbs(dir))] = string(text)
			return err
		}))
		return out
	}
	a, b := read(args[0]), read(args[1])
	if diff := cmp.Diff(a, b); diff != "" {
		ts.Fatalf("%s and %s differ\n%s", args[0], args[1], diff)
	}
	if strconv.Itoa(len(a)) != args[2] {
		ts.Fatalf("%d files, want %s", len(a), args[2])
	}
}

// TestHelp: every command says what it does and shows how it is called.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Hidden || c.Name() == "help" || c.HasParent() && c.Parent().Name() == "completion" {
			return
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help %q", c.CommandPath(), c.Short)
		}
		if c.Example == "" && c.Name() != "completion" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.HasParent() && c.Example != "" && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: the example does not call it:\n%s", c.CommandPath(), c.Example)
		}
	}
	root := newRoot(streams{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}})
	root.InitDefaultCompletionCmd()
	walk(root)
}

// TestReferencePages: docs/cli.md and docs/schema.md are what the code says.
// "make docs" writes them anew.
func TestReferencePages(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"-C", repository(), "docs", dir}, streams{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &errs}); code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for _, page := range []string{"cli.md", "schema.md", "rbac.yaml"} {
		want, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(repository(), "docs", page))
		if err != nil {
			t.Fatalf("%v; run make docs", err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("docs/%s is old, run make docs (-want +got)\n%s", page, diff)
		}
	}
}

// TestCodeowners: the repository's own CODEOWNERS is what is declared.
// "reconciler owners generate" writes it anew.
func TestCodeowners(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-C", repository(), "owners", "generate", "--check"}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != exitOK {
		t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
	}
}
