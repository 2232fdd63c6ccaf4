package pulls

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/githttp"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/object"
)

// told is a forge with one pull request, which notes the states of statuses that it is
// told. It stands in for a real one where a moment has to be met; test/pulls has real ones.
type told struct {
	forge.Forge
	pull   forge.PullRequest
	states []forge.StatusState
}

func (f *told) Pulls(context.Context, string) object.Set[int, forge.PullRequest] {
	return object.Known(map[int]forge.PullRequest{f.pull.Number: f.pull})
}

func (f *told) SetStatus(_ context.Context, _ string, s forge.Status) error {
	f.states = append(f.states, s.State)
	return nil
}

func (f *told) Reviews(context.Context, int) object.Set[int, forge.Review] {
	return object.Known(map[int]forge.Review{})
}

func (f *told) Comment(context.Context, int, forge.Comment) error { return nil }

// standingAt is a base that is at a revision.
type standingAt struct {
	store *git.Store
	rev   git.Revision
}

func (b standingAt) Store() *git.Store             { return b.store }
func (b standingAt) Current() (git.Revision, bool) { return b.rev, true }

type silent struct{}

func (silent) Append(context.Context, ...journal.Record) {}

// TestBaseInForceIsNotTheOneToldOf: where the fleet in force is at another base than the
// daemon says, as it is for a moment whenever it goes on, a pull request is told nothing,
// and is looked at again soon.
func TestBaseInForceIsNotTheOneToldOf(t *testing.T) {
	root := t.TempDir()
	if err := githttp.Init(filepath.Join(root, "platform.git"), "main"); err != nil {
		t.Fatal(err)
	}
	handler, err := githttp.Handler(root, githttp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	store, err := git.OpenStore(filepath.Join(root, "store"), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	commit := func(base git.Hash, branch, text string) git.Revision {
		h, err := store.Commit(t.Context(), git.Edit{Base: base, Files: map[string][]byte{"README.md": []byte(text)}, Message: text, Author: "Ada <ada@example.com>"})
		if err == nil {
			var expect git.Hash
			err = store.Push(t.Context(), git.Remote{URL: server.URL + "/platform.git", Branch: branch}, h, expect)
		}
		if err != nil {
			t.Fatal(err)
		}
		rev, err := store.Resolve(h.String())
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	base := commit(git.Hash{}, "main", "base")
	head := commit(base.Commit, "proposed", "head")
	told := &told{pull: forge.PullRequest{Number: 1, State: forge.Open, Author: "ada", Head: forge.Head{Commit: head.Commit.String()}}}
	e := &eval.Evaluator{}
	f := NewFollower(Options{
		Forge: told, Base: standingAt{store, base}, Remote: git.Remote{URL: server.URL + "/platform.git", Branch: "main"},
		Reviewer: &Reviewer{InForce: fleet.New(e), Trial: fleet.New(e)}, // in force is nothing yet
		Ref:      func(int) string { return "proposed" }, Link: func(int) string { return "" }, Journal: silent{}, Log: slog.New(slog.DiscardHandler),
	})
	f.Look(t.Context())
	if len(told.states) > 0 || len(f.pulls) > 0 {
		t.Errorf("it was told %v, and %d pull requests are known", told.states, len(f.pulls))
	}
	select {
	case <-f.wake:
	case <-time.After(10 * soon):
		t.Error("it is not looked at again")
	}
}

// nowhere is a base that there is not yet, as while a daemon starts.
type nowhere struct{ standingAt }

func (nowhere) Current() (git.Revision, bool) { return git.Revision{}, false }

// TestWokenBeforeThereIsABase: who is woken by the forge before there is a base to compare
// with looks again soon, and not when the forge is polled next.
func TestWokenBeforeThereIsABase(t *testing.T) {
	f := NewFollower(Options{Base: nowhere{}, Log: slog.New(slog.DiscardHandler)})
	f.Look(t.Context())
	select {
	case <-f.wake:
	case <-time.After(10 * soon):
		t.Error("it is not looked at again")
	}
}
