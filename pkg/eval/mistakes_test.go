package eval_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/diag/format"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

var update = flag.Bool("update", false, "write the wanted outputs anew")

// repository is a tree of this repository's schema and platform and the files given.
func repository(t *testing.T, files map[string]string) *git.Tree {
	t.Helper()
	tree, err := folder.Open("../..", folder.Options{Roots: platformRoots(t)})
	if err != nil {
		t.Fatal(err)
	}
	edits := map[string][]byte{}
	for name, text := range files {
		edits[name] = []byte(text)
	}
	if tree, err = compose.With(tree, edits); err != nil {
		t.Fatal(err)
	}
	return tree
}

// platformRoots are the folders of the schema and the platform.
func platformRoots(t *testing.T) []string {
	t.Helper()
	parts, err := os.ReadDir("../../platform")
	if err != nil {
		t.Fatal(err)
	}
	roots := []string{"cue.mod", "schema"}
	for _, part := range parts {
		switch part.Name() {
		case "policies", "exceptions", "approvals", "health": // they are declarations of their own
		default:
			roots = append(roots, "platform/"+part.Name())
		}
	}
	return roots
}

func copyPlatform(t *testing.T, dir string) {
	t.Helper()
	for _, root := range platformRoots(t) {
		if err := os.CopyFS(filepath.Join(dir, root), os.DirFS(filepath.Join("../..", root))); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// evaluated is the platform with the files given, made from nothing.
func evaluated(t *testing.T, e *eval.Evaluator, files map[string]string) *eval.State {
	t.Helper()
	st := eval.NewState()
	if _, err := e.Advance(context.Background(), st, repository(t, files), nil); err != nil {
		t.Fatal(err)
	}
	return st
}

// told is what people read of what is wrong.
func told(t *testing.T, st *eval.State, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	source := func(file string) ([]byte, error) { return []byte(files[file]), nil }
	if err := format.Text(&out, st.Diags(), format.Options{Source: source}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestMistakes shows what a team is told of each mistake: the place in its own
// file first, what is wrong in its own words, the rule, what to do.
func TestMistakes(t *testing.T) {
	const file = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	e := &eval.Evaluator{Pool: pool, Engine: "test"}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		in, want := archive.Files[i], &archive.Files[i+1]
		name := path.Dir(in.Name)
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"teams/shop/basket/service.cue": string(in.Data)}
			got := told(t, evaluated(t, e, files), files)
			if got == "" {
				t.Fatal("nothing is said")
			}
			if !strings.HasPrefix(got, "teams/shop/basket/service.cue:") {
				t.Errorf("the team's own file does not come first:\n%s", got)
			}
			if *update {
				want.Data = []byte(got)
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
