package pulls

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/diag/format"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
)

// lines are the mistakes that a proposal brings, for where they stand. What was merged is
// what was evaluated, so only files have them whose lines are the same on the head: the
// comment has the others.
func lines(p Proposal, mistakes diag.List) ([]forge.Annotation, error) {
	var out []forge.Annotation
	for _, m := range format.Lines(mistakes) {
		same, err := p.asOnHead(m.Pos.File)
		if err != nil {
			return nil, fmt.Errorf("find the line of %s: %w", m.Pos, err)
		}
		if !same {
			continue
		}
		level := forge.LevelWarning
		if m.Severity == diag.Error {
			level = forge.LevelFailure
		}
		out = append(out, forge.Annotation{Path: m.Pos.File, Line: max(m.Pos.Line, 1), Level: level, Title: m.Title, Text: m.Text})
	}
	return out, nil
}

// asOnHead reports whether merging leaves a file as it is on the head: nobody else changed
// it since, or in the same way.
func (p Proposal) asOnHead(file string) (bool, error) {
	var at [3]git.Hash
	for i, tree := range []*git.Tree{p.HeadTree, p.BaseTree, p.AncestorTree} {
		hash, kind, err := tree.Hash(file)
		switch {
		case errors.Is(err, git.ErrNotFound), errors.Is(err, git.ErrNotFile), err == nil && kind != git.File:
			if i == 0 {
				return false, nil
			}
		case err != nil:
			return false, err
		default:
			at[i] = hash
		}
	}
	return at[1] == at[2] || at[1] == at[0], nil
}

// annotated says mistakes at their lines where the forge shows that. Where it does not, or
// does not let us, the comment says the same. A pull request at whose lines nothing was
// said, and which brings no mistakes, costs no request.
func (f *Follower) annotated(ctx context.Context, p *Pull) {
	to, can := f.opts.Forge.(forge.Annotator)
	if !can {
		return
	}
	a := forge.Annotations{Name: onLines, Commit: p.Head.Commit, Summary: p.Report.Verdict(), URL: f.opts.Link(p.Number), Lines: p.lines}
	want, err := "nothing", error(nil)
	if len(a.Lines) > 0 {
		want, err = a.Digest()
	}
	if err == nil && p.shown != want {
		err = to.Annotate(ctx, p.Number, a)
	}
	if err == nil || errors.Is(err, forge.ErrNotFound) { // else it is tried again
		p.shown = want
	}
	if err != nil && ctx.Err() == nil {
		f.opts.Log.Warn("say mistakes at their lines", "number", p.Number, "head", p.Head.Commit, "err", err)
	}
}
