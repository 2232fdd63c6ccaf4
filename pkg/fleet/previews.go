package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
)

// Beside puts previews into the trees that the fleet is brought to from now on.
func (f *Fleet) Beside(files map[string][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beside = files
}

// BesideIt are the previews that are put into trees at present.
func (f *Fleet) BesideIt() map[string][]byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.beside
}

// withPreviews is a tree with previews in it, and without what a commit has in their
// place.
func withPreviews(tree *git.Tree, files map[string][]byte) (*git.Tree, error) {
	if tree == nil {
		return nil, nil
	}
	if _, _, err := tree.Hash(eval.PreviewsRoot); err == nil {
		if tree, err = compose.With(tree, map[string][]byte{eval.PreviewsRoot: nil}); err != nil {
			return nil, fmt.Errorf("leave %s out: %w", eval.PreviewsRoot, err)
		}
	}
	if len(files) == 0 {
		return tree, nil
	}
	whole, err := compose.With(tree, files)
	if err != nil {
		return nil, fmt.Errorf("put previews in: %w", err)
	}
	return whole, nil
}

// mistakes are all that is wrong: with what Git declares, and with previews.
func (f *Fleet) mistakes() (ours, previews diag.List) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, d := range append(f.declared.Diags(), f.units.Diags()...).Sorted() {
		if _, of := catalog.PreviewOf(d.Subject.Environment); of || strings.HasPrefix(d.Pos.File, eval.PreviewsRoot+"/") {
			previews = append(previews, d)
			continue
		}
		ours = append(ours, d)
	}
	return ours, previews
}

// MistakesOf lists what is wrong with a preview, at the lines that the pull request has.
func (f *Fleet) MistakesOf(environment string) diag.List {
	_, all := f.mistakes()
	var out diag.List
	for _, d := range all {
		if d.Subject.Environment == environment || strings.HasPrefix(d.Pos.File, eval.PreviewsRoot+"/"+environment+"/") {
			out = append(out, d)
		}
	}
	return proposed(environment, out)
}

// proposed are mistakes of a preview at the lines that its pull request has, where all
// that is in its services' folder is in their teams'; those of others are as they were.
func proposed(environment string, list diag.List) diag.List {
	if _, preview := catalog.PreviewOf(environment); !preview {
		return list
	}
	out := slices.Clone(list)
	for i := range out {
		out[i].Pos.File = Proposed(environment, out[i].Pos.File)
		out[i].Message = Proposed(environment, out[i].Message)
	}
	return out
}

// Proposed is a text with the names of a preview's files as the pull request has them.
func Proposed(environment, text string) string {
	return strings.ReplaceAll(text, eval.PreviewsRoot+"/"+environment+"/services/", "teams/")
}

// Preview reports whether an environment is a preview that is declared now.
func (f *Fleet) Preview(environment string) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	env := f.declared.Catalog.Environments[environment]
	return env != nil && env.Preview
}
