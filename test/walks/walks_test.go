// Package walks_test follows the walks of the documentation: what stands in their
// blocks of commands is run, in a copy of the company, and must say what it should.
package walks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/worker"
)

func TestMain(m *testing.M) {
	worker.Maybe()
	os.Exit(m.Run())
}

// TestWalks follows each page in a copy of its own.
func TestWalks(t *testing.T) {
	reconciler := filepath.Join(t.TempDir(), "reconciler")
	if built := os.Getenv("FAIRWAY_BIN"); built != "" {
		reconciler = built
	} else if out, err := exec.Command("go", "build", "-o", reconciler, "../../cmd/reconciler").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, walk := range []struct {
		page string
		want []string
	}{
		{"platform.md", []string{
			"containerPort: 7000", "terminationGracePeriodSeconds: 60", "name: price-feed", "kind: NetworkPolicy",
			"teams/shop/price-feed/service.cue:9:15: error: port: 80 is less than 1024", "hint  The port it listens on, 1024 to 65535.",
		}},
		{"platform/policies.md", []string{
			"team shop (shop-leads)", "fix    set scale.max to at most 10", "ok  few: 1 pass, 1 fail",
			"warning: scale.max: 40 is more than 10 (in prod): services are small; from 2027-02-01 on this is an error",
			"error: scale.max: 40 is more than 10 (in prod): services are small\n", "checkout-is-large",
		}},
		{"platform/approvals.md", []string{
			`platform/approvals/opened.cue:7:24: error: when.environments: there is no environment "production"`, "/platform/approvals/ @platform-leads",
		}},
	} {
		t.Run(walk.page, func(t *testing.T) {
			said := follow(t, reconciler, walk.page)
			for _, want := range walk.want {
				if !strings.Contains(said, want) {
					t.Errorf("the walk does not say %q", want)
				}
			}
			if t.Failed() {
				t.Log(said)
			}
		})
	}
}

// follow runs a page's commands, and gives what they say.
func follow(t *testing.T, reconciler, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, root := range []string{"cue.mod", "schema", "platform", "teams", "environments"} {
		if err := os.CopyFS(filepath.Join(dir, root), os.DirFS(filepath.Join("../..", root))); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	absolute, err := filepath.Abs(reconciler)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(absolute, filepath.Join(bin, "reconciler")); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	steps := strings.Split(string(text), "```sh walk\n")[1:]
	if len(steps) == 0 {
		t.Fatal("there is nothing to follow")
	}
	for _, step := range steps {
		script, _, _ := strings.Cut(step, "```")
		cmd := exec.Command("sh", "-e", "-c", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CACHE_HOME="+filepath.Join(bin, "cache"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%v\n%s", script, err, out)
		}
		said.Write(out)
	}
	return said.String()
}
