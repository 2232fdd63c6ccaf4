package fleet

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
)

func treeOf(t *testing.T, files ...string) *git.Tree {
	t.Helper()
	raw := map[string][]byte{}
	for _, name := range files {
		raw[name] = []byte("of a commit")
	}
	tree, err := compose.With(nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestNoCommitDeclaresAPreview: what a commit has where previews are put is not there.
func TestNoCommitDeclaresAPreview(t *testing.T) {
	const ours, theirs = "previews/pr-1/environment.cue", "previews/pr-2/environment.cue"
	tree := treeOf(t, "teams/shop/team.cue", ours, theirs, "previews/README.md")
	for _, files := range []map[string][]byte{nil, {ours: []byte("of a pull request")}} {
		whole, err := withPreviews(tree, files)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{theirs, "previews/README.md"} {
			if _, err := whole.ReadFile(name); err == nil {
				t.Errorf("with %d previews, %s of the commit is there", len(files), name)
			}
		}
		text, err := whole.ReadFile(ours)
		if got, want := string(text), string(files[ours]); got != want || want == "" && err == nil {
			t.Errorf("with %d previews, %s is %q, want %q", len(files), ours, got, want)
		}
		if _, err := whole.ReadFile("teams/shop/team.cue"); err != nil {
			t.Error(err)
		}
	}
	if _, err := tree.ReadFile(theirs); err != nil {
		t.Error("the commit's own tree was changed")
	}
	plain := treeOf(t, "teams/shop/team.cue")
	if whole, err := withPreviews(plain, nil); err != nil || whole != plain {
		t.Errorf("a tree that needs no change is another one: %v", err)
	}
}

// TestMistakesAreWhereTheyWereProposed: what is wrong with a preview is told at the file
// that its pull request has, and of other environments as it is.
func TestMistakesAreWhereTheyWereProposed(t *testing.T) {
	const inPreview, inPull = "previews/pr-7/services/shop/cart/service.cue", "teams/shop/cart/service.cue"
	list := diag.List{{Pos: diag.Position{File: inPreview, Line: 3}, Message: inPreview + " is wrong"}}
	got := proposed("pr-7", list)
	if got[0].Pos != (diag.Position{File: inPull, Line: 3}) || got[0].Message != inPull+" is wrong" {
		t.Errorf("it is told as %+v", got[0])
	}
	for _, environment := range []string{"prod", "pr-70"} {
		if got := proposed(environment, list); got[0].Pos.File != inPreview || list[0].Pos.File != inPreview {
			t.Errorf("of %s it is told as %+v", environment, got[0])
		}
	}
}
