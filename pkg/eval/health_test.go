package eval_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

// TestHealthOfKinds holds the platform's own rules against what controllers report.
func TestHealthOfKinds(t *testing.T) {
	tree, err := folder.Open("../..", folder.Options{Roots: eval.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	e, st := &eval.Evaluator{Pool: pool, Engine: "test"}, eval.NewState()
	if _, err := e.Advance(context.Background(), st, tree, nil); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/health.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string][]struct {
		Want   string         `json:"want"`
		Object map[string]any `json:"object"`
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for name, rules := range st.Catalog.Health {
		seen := map[string]bool{}
		for i, c := range cases[name] {
			status, message := rules.Assess(c.Object)
			if got := strings.TrimSpace(string(status) + " " + message); got != c.Want {
				t.Errorf("%s, case %d: got %q, want %q", name, i, got, c.Want)
			}
			seen[string(status)] = true
		}
		if !seen["Healthy"] || len(seen) < 2 {
			t.Errorf("%s is shown to be %v only", name, seen)
		}
	}
	if len(st.Catalog.Health) < 10 {
		t.Errorf("%d kinds have rules", len(st.Catalog.Health))
	}
}

// TestHealthMistakes: a rule that does not compile is told of at its line, and the
// last good rules stand until it does.
func TestHealthMistakes(t *testing.T) {
	dir := t.TempDir()
	for _, root := range []string{"cue.mod", "schema"} {
		if err := os.CopyFS(filepath.Join(dir, root), os.DirFS(filepath.Join("../..", root))); err != nil {
			t.Fatal(err)
		}
	}
	pool := eval.NewPool("", 1)
	defer pool.Close()
	e, st := &eval.Evaluator{Pool: pool, Engine: "test"}, eval.NewState()
	var last *git.Tree
	step := func(name, body string) string {
		t.Helper()
		text := "package health\n\nimport \"fairway.dev/schema\"\n\n\"" + strings.TrimSuffix(name, ".cue") + "\": schema.#Health & {\n\tdescription: \"A thing that turns.\"\n\tgroup: \"example.com\"\n\tkind: \"Sprocket\"\n" + body + "}\n"
		next := t.TempDir() // a tree is of a folder that stays as it is
		if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		dir = next
		file := filepath.Join(dir, "platform/health", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		tree, err := folder.Open(dir, folder.Options{Roots: eval.Roots()})
		if err != nil {
			t.Fatal(err)
		}
		before := last
		last = tree
		if _, err := e.Advance(context.Background(), st, tree, func(_ string, visit func(*git.Tree) bool) error {
			if before != nil {
				visit(before)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range st.Diags() {
			out = append(out, d.Pos.String()+": "+d.Message)
		}
		return strings.Join(out, "\n")
	}
	const file = "sprocket.example.com.cue"
	if got := step(file, "\trules: [{status: \"Healthy\", when: \"object.status.ok\"}]\n"); got != "" || st.Catalog.Health["sprocket.example.com"] == nil {
		t.Fatalf("good rules: %q, %v", got, st.Catalog.Health)
	}
	const broken = "platform/health/sprocket.example.com.cue:11:3: rules.0.when: undeclared reference to 'objct' (in container '') (at character 1)"
	if got := step(file, "\trules: [\n\t\t{status: \"Healthy\",\n\t\twhen: \"objct.status.ok\"}]\n"); got != broken {
		t.Errorf("got %q, want %q", got, broken)
	}
	if r := st.Catalog.Health["sprocket.example.com"]; r == nil {
		t.Error("the last good rules are gone")
	} else if status, _ := r.Assess(map[string]any{"status": map[string]any{"ok": true}}); status != "Healthy" {
		t.Errorf("the last good rules say %s", status)
	}
	const status = `platform/health/sprocket.example.com.cue:9:19: rules.0.status: "Fine" is none of Healthy, Progressing, Degraded, Suspended`
	if got := step(file, "\trules: [{status: \"Fine\", when: \"true\"}]\n"); got != status {
		t.Errorf("got %q, want %q", got, status)
	}
	step(file, "\trules: [{status: \"Healthy\", when: \"true\"}]\n")
	const twice = "platform/health/another.cue:8:2: the health of Sprocket stands in platform/health/another.cue"
	if got := step("another.cue", "\trules: [{status: \"Healthy\", when: \"true\"}]\n"); got != twice {
		t.Errorf("got %q, want %q", got, twice)
	}
}
