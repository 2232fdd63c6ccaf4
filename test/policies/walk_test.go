package policies_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalk follows the walk of docs/parts/policies.md, in a copy of the company.
func TestWalk(t *testing.T) {
	text, err := os.ReadFile("../../docs/parts/policies.md")
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
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "reconciler"), "../../cmd/reconciler")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var said strings.Builder
	steps := strings.Split(string(text), "```sh walk\n")[1:]
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
	for _, want := range []string{
		"team shop (shop-leads)", "fix    set scale.max to at most 10", "ok  few: 1 pass, 1 fail",
		"warning: scale.max: 40 is more than 10 (in prod): services are small; from 2027-02-01 on this is an error",
		"error: scale.max: 40 is more than 10 (in prod): services are small\n", "checkout-is-large",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the walk does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(said.String())
	}
}
