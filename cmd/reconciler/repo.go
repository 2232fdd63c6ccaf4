package main

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/folder"
	"github.com/fairway-dev/fairway/pkg/policy"
)

// workspace is the repository a command works on, and the engine to judge it with.
type workspace struct {
	top       string
	today     policy.Day
	now       func() time.Time // the hour it is judged at; at none, no environment sleeps
	evaluator *eval.Evaluator
}

// open makes a workspace; its close gives up workers and cache.
func (a *app) open() (*workspace, error) {
	top, err := a.top()
	if err != nil {
		return nil, err
	}
	debug.SetGCPercent(400) // the process is short: memory it would not use again is cheaper than looking for it
	today, err := a.day()
	if err != nil {
		return nil, err
	}
	w := &workspace{top: top, today: today, evaluator: newEvaluator(filepath.Join(cacheDir(), "results"), nil, a)}
	w.evaluator.Fleet = top
	return w, nil
}

// day is the day policies are decided on.
func (a *app) day() (policy.Day, error) {
	if a.today == "" {
		return time.Now().UTC().Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, a.today); err != nil {
		return "", fmt.Errorf("--today %q is no day: write it as 2027-03-01", a.today)
	}
	return a.today, nil
}

func newEvaluator(cachePath string, secret []byte, a *app) *eval.Evaluator {
	e := &eval.Evaluator{Pool: eval.NewPool("", runtime.GOMAXPROCS(0)), Engine: engineVersion()}
	c, err := cache.OpenSealed(cachePath, secret)
	if err != nil {
		fmt.Fprintf(a.err, "warning: results are not kept: %v\n", err)
		return e
	}
	e.Cache = c
	return e
}

func (w *workspace) close() {
	w.evaluator.Pool.Close()
	if w.evaluator.Cache != nil {
		_ = w.evaluator.Cache.Close() // a cache that cannot be written costs time only
	}
}

// at has what is declared judged at an hour; "" is none.
func (w *workspace) at(hour string) error {
	if hour == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, hour)
	if err != nil {
		return fmt.Errorf("--at %q: want a moment such as 2026-12-01T22:00:00Z", hour)
	}
	w.now = func() time.Time { return t }
	return nil
}

// tree is the working tree for "", or a revision's.
func (w *workspace) tree(rev string) (tree *git.Tree, commit string, history eval.History, err error) {
	store, err := git.OpenRepository(w.top)
	if err != nil && (rev != "" || !errors.Is(err, git.ErrNotFound)) {
		return nil, "", nil, err
	}
	if rev == "" {
		key := sha256.Sum256([]byte(w.top))
		t, err := folder.Open(w.top, folder.Options{
			Roots: eval.Roots(), Cache: filepath.Join(cacheDir(), "stat-"+hex.EncodeToString(key[:6])),
		})
		return t, "", w.sinceHead(store), err
	}
	r, err := store.Resolve(rev)
	if err != nil {
		return nil, "", nil, err
	}
	tree, err = store.Tree(r.Commit)
	return tree, r.Commit.String(), fleet.Before(store, r.Commit), err
}

// sinceHead is the history of the working tree: HEAD and what is before it.
func (w *workspace) sinceHead(store *git.Store) eval.History {
	if store == nil {
		return nil
	}
	head, err := store.Resolve("HEAD")
	if err != nil {
		return nil // nothing was committed yet
	}
	return func(dir string, visit func(*git.Tree) bool) error {
		tree, err := store.Tree(head.Commit)
		if err != nil || !visit(tree) {
			return err
		}
		return store.Versions(head.Commit, dir, visit)
	}
}

// fleet evaluates the working tree for "", or a revision.
func (w *workspace) fleet(ctx context.Context, rev string) (*fleet.Fleet, fleet.Change, string, error) {
	tree, commit, history, err := w.tree(rev)
	if err != nil {
		return nil, fleet.Change{}, "", err
	}
	bad, err := tree.Check(git.Limits{})
	if err != nil {
		return nil, fleet.Change{}, "", err
	}
	if len(bad) > 0 {
		var errs []error
		for _, b := range bad {
			errs = append(errs, errors.New(b.String()))
		}
		return nil, fleet.Change{}, "", fmt.Errorf("names that can be mistaken for others: %w", errors.Join(errs...))
	}
	f := fleet.New(w.evaluator)
	f.On(w.today)
	f.Now = w.now
	change, err := f.Advance(ctx, tree, history)
	return f, change, commit, err
}

// engineVersion identifies this binary's code: results of one build are never
// taken for those of another.
func engineVersion() string {
	if id := buildID(); id != "" {
		return id
	}
	return binarySum()
}

// binarySum is the digest of the binary, for systems whose binaries are no ELF.
func binarySum() string {
	self, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// buildID is what the Go linker derives from everything that went into the
// binary; "" where the binary has no ELF note of it.
func buildID() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(self)
	if err != nil {
		return ""
	}
	defer f.Close()
	e, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	section := e.Section(".note.go.buildid")
	if section == nil {
		return ""
	}
	note, err := section.Data()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(note)
	return hex.EncodeToString(sum[:8])
}
