package pulls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
)

// TestLinesAreThoseOfTheHead: a mistake stands at its line where merging leaves the file as
// it is on the head, and nowhere else.
func TestLinesAreThoseOfTheHead(t *testing.T) {
	tree := func(files map[string]string) *git.Tree {
		t.Helper()
		contents := map[string][]byte{}
		for name, text := range files {
			contents[name] = []byte(text)
		}
		out, err := compose.With(nil, contents)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	p := Proposal{
		AncestorTree: tree(map[string]string{"touched": "1", "both": "1", "alike": "1", "base": "1", "neither": "1", "dir/gone": "1"}),
		BaseTree:     tree(map[string]string{"touched": "1", "both": "2", "alike": "3", "base": "2", "neither": "1", "dir/gone": "1", "dir/there": "2"}),
		HeadTree:     tree(map[string]string{"touched": "3", "both": "3", "alike": "3", "base": "1", "neither": "1", "added": "3"}),
	}
	var mistakes diag.List
	for _, file := range []string{"touched", "both", "alike", "base", "neither", "added", "dir/gone", "dir/there", "dir", ""} {
		mistakes = append(mistakes, diag.Diag{Code: "c", Severity: diag.Error, Message: file, Pos: diag.Position{File: file, Line: 4}})
	}
	mistakes = append(mistakes, diag.Diag{Code: "w", Severity: diag.Warning, Message: "of all", Pos: diag.Position{File: "added"}, Hint: "do"})
	got, err := lines(p, mistakes)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, a := range got {
		said = append(said, fmt.Sprintf("%s:%d %s %s %q", a.Path, a.Line, a.Level, a.Title, a.Text))
	}
	want := []string{
		`added:1 warning w "of all\nhint: do"`, `added:4 failure c "added"`, `alike:4 failure c "alike"`,
		`neither:4 failure c "neither"`, `touched:4 failure c "touched"`,
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// noted is a forge that shows what is said at lines. It stands in for Gitea and GitHub,
// whose requests test/forge holds.
type noted struct {
	forge.Forge
	fails error
	said  []string
}

func (n *noted) Annotate(_ context.Context, number int, a forge.Annotations) error {
	n.said = append(n.said, fmt.Sprintf("%d %s %d", number, a.Commit, len(a.Lines)))
	return n.fails
}

// TestAnnotatedOnce: mistakes are said once at the lines of a head, again until the forge
// took them, taken back where there are none, and not said where that is known already.
func TestAnnotatedOnce(t *testing.T) {
	there := &noted{}
	f := NewFollower(Options{Forge: there, Log: slog.New(slog.DiscardHandler), Link: func(int) string { return "" }})
	one := []forge.Annotation{{Path: "a.cue", Line: 1}}
	p := &Pull{PullRequest: forge.PullRequest{Number: 7}}
	for _, step := range []struct {
		head  string
		lines []forge.Annotation
		fails error
	}{
		{"1", nil, nil}, // what an earlier process said is not known
		{"1", nil, nil},
		{"2", one, errors.New("busy")},
		{"2", one, nil},
		{"2", one, nil},
		{"3", one, nil},
		{"4", nil, nil},
		{"5", nil, nil},
		{"6", one, forge.ErrNotFound}, // it does not let us
		{"6", one, nil},
	} {
		p.Head.Commit, p.lines, there.fails = step.head, step.lines, step.fails
		f.annotated(t.Context(), p)
	}
	if diff := cmp.Diff([]string{"7 1 0", "7 2 1", "7 2 1", "7 3 1", "7 4 0", "7 6 1"}, there.said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}
