package forge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

// CommitName holds that a text is a commit's name, SHA-1 or SHA-256 in hex.
func CommitName(text string) error {
	if len(text) != 40 && len(text) != 64 || strings.Trim(text, "0123456789abcdef") != "" {
		return fmt.Errorf("%.70q is no commit", text)
	}
	return nil
}

// Check holds that a pull request which a forge gave is one: no decoder lets another out.
func (p PullRequest) Check() error {
	if p.Number <= 0 {
		return errors.New("a pull request without a number")
	}
	switch {
	case p.State != Open && p.State != Closed && p.State != Merged:
		return fmt.Errorf("pull request %d has the state %.20q", p.Number, p.State)
	case p.Base.Branch == "":
		return fmt.Errorf("pull request %d has no base", p.Number)
	}
	for _, commit := range []string{p.Head.Commit, p.Base.Commit, p.MergeCommit} {
		if commit != "" {
			if err := CommitName(commit); err != nil {
				return fmt.Errorf("pull request %d: %w", p.Number, err)
			}
		}
	}
	return nil
}

// Keep makes a known set of what was listed, or an unknown one of why it was not.
func Keep[K comparable, V any](what string, items []V, err error, key func(int, V) K) object.Set[K, V] {
	if err != nil {
		return object.Unknown[K, V](fmt.Errorf("list %s: %w", what, err))
	}
	out := make(map[K]V, len(items))
	for i, item := range items {
		out[key(i, item)] = item
	}
	if len(out) != len(items) {
		return object.Unknown[K, V](fmt.Errorf("list %s: one came twice", what))
	}
	return object.Known(out)
}

// Place is the key of sets whose members have an order and no name.
func Place[V any](i int, _ V) int { return i }

// Still holds that files that were listed are those of the head that was asked for,
// by the pull request as it is afterwards, and that all of them came.
func Still(now, asked PullRequest, files []File) error {
	switch {
	case asked.Head.Commit == "" || now.Head.Commit != asked.Head.Commit:
		return fmt.Errorf("pull request %d is at %.12s and was asked for at %.12s: %w", asked.Number, now.Head.Commit, asked.Head.Commit, ErrMoved)
	case now.Files >= 0 && now.Files != len(files):
		return fmt.Errorf("pull request %d has %d files, and %d came", asked.Number, now.Files, len(files))
	}
	return nil
}

// As is the one of some pull requests that was merged as a commit; ErrNotFound if none was.
func As(commit string, all []PullRequest, err error) (PullRequest, error) {
	if err != nil {
		return PullRequest{}, fmt.Errorf("get the pull request merged as %s: %w", commit, err)
	}
	for _, p := range all {
		if p.State == Merged && p.MergeCommit == commit {
			return p, nil
		}
	}
	return PullRequest{}, fmt.Errorf("a pull request merged as %s: %w", commit, ErrNotFound)
}

// Short is a line as it fits into most characters.
func Short(text string, most int) string {
	line := strings.Join(strings.Fields(text), " ")
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return line
}

// DropBranch deletes a branch that is at a commit, by the requests of a forge for where it
// is and for deleting it. ErrMoved where it is at another; one that is gone is deleted.
func DropBranch(name, commit string, head func() (string, error), drop func() error) error {
	at, err := head()
	if err == nil && at != commit {
		err = fmt.Errorf("%w, at %.12s", ErrMoved, at)
	}
	if err == nil {
		err = drop()
	}
	if err == nil || errors.Is(err, ErrNotFound) {
		return nil
	}
	return fmt.Errorf("delete branch %s at %.12s: %w", name, commit, err)
}
