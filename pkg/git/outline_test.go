package git_test

import (
	"context"
	"errors"
	"testing"

	"github.com/fairway-dev/fairway/pkg/git"
)

// An outline says of another tree what the tree itself would say, and nothing of
// what stands in files.
func TestOutline(t *testing.T) {
	store, err := git.OpenStore(t.TempDir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	commit := func(base git.Hash, files map[string][]byte) (*git.Tree, git.Hash) {
		t.Helper()
		head, err := store.Commit(context.Background(), git.Edit{Base: base, Files: files, Message: "m", Author: "A <a@example.com>"})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := store.Tree(head)
		if err != nil {
			t.Fatal(err)
		}
		return tree, head
	}
	before, head := commit(git.Hash{}, map[string][]byte{"a/b/one": []byte("1"), "a/c/two": []byte("2"), "three": []byte("3")})
	after, _ := commit(head, map[string][]byte{"a/b/one": []byte("other"), "three": nil, "d/four": []byte("4")})
	raw, err := before.Outline()
	if err != nil {
		t.Fatal(err)
	}
	outline, err := git.ParseOutline(raw)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := git.Diff(outline, before); err != nil || len(same) > 0 {
		t.Errorf("with its own tree: %v, %v", same, err)
	}
	want, err := git.Diff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	got, err := git.Diff(outline, after)
	if err != nil || len(got) != 3 || len(got) != len(want) {
		t.Fatalf("got %v, %v, want %v", got, err, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	if _, err := outline.ReadFile("a/c/two"); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("read a file of an outline: %v", err)
	}
	for at := range raw {
		cut, err := git.ParseOutline(raw[:at])
		if err != nil {
			continue
		}
		if _, err := git.Diff(cut, after); err == nil {
			continue // what is missing did not matter to the difference
		} else if !errors.Is(err, git.ErrNotFound) && !errors.Is(err, git.ErrCorrupt) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
}
