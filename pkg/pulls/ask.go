package pulls

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/preview"
)

// What people ask of previews becomes a pull request or a label on one: so the forge has
// all that is wanted, shows who wanted it, and nothing has to be kept here.

// Wanted is an image of a service that is to be seen, which was built elsewhere.
type Wanted struct {
	Service string `json:"service"`
	Tag     string `json:"tag"`
	Digest  string `json:"digest,omitempty"`
	// For is what it is for, so that a later image for the same takes its place. Example:
	// "checkout#34". The tag if empty.
	For string `json:"for,omitempty"`
}

// ErrAsked is what cannot be done as it was asked for; the message is for who asked.
var ErrAsked = errors.New("it cannot be done so")

func asked(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrAsked)...)
}

// branchPrefix begins the branches that previews of images are made on. Pull requests
// from them are closed when their preview ends.
const branchPrefix = "preview/"

// Preview opens a pull request that releases an image in the environment that previews
// stand on, or brings the one that is there for the same to it.
func (f *Follower) Preview(ctx context.Context, w Wanted) (forge.PullRequest, error) {
	none := forge.PullRequest{}
	base, there := f.opts.Base.Current()
	rules, broken := f.rules()
	if !there || f.opts.Previews == nil || rules == nil || broken {
		return none, asked("preview %s: no previews are declared in platform/previews", w.Service)
	}
	file, text, err := f.releaseOf(rules, w)
	if err != nil {
		return none, err
	}
	defer f.Wake()
	open, there, err := f.from(ctx, w.branch())
	switch {
	case err != nil:
		return none, err
	case there:
		_, err := f.opts.Forge.Commit(ctx, forge.Change{
			Branch: open.Head.Branch, Onto: open.Head.Commit, Message: w.title(), Write: map[string][]byte{file: text},
		})
		return open, err
	}
	branch := w.branch() + strings.ToLower(rand.Text()[:6]) // one of an earlier pull request may be there still
	if err := f.opts.Forge.CreateBranch(ctx, branch, base.Commit.String()); err != nil {
		return none, err
	}
	_, err = f.opts.Forge.Commit(ctx, forge.Change{
		Branch: branch, Onto: base.Commit.String(), Message: w.title(), Write: map[string][]byte{file: text},
	})
	if err != nil {
		return none, err
	}
	return f.opts.Forge.CreatePull(ctx, forge.Proposal{
		Title: w.title(), Head: branch, Base: f.opts.Remote.Branch,
		Body: "Made to have a look at an image. It is closed when its preview ends; merging it releases the image in " + rules.Base + ".",
	})
}

// title is in words that the caller does not choose, but for what was checked.
func (w Wanted) title() string { return fmt.Sprintf("Preview of %s %s", w.Service, w.Tag) }

// branch begins the names of the branches for the same purpose.
func (w Wanted) branch() string {
	purpose := w.For
	if purpose == "" {
		purpose = "tag " + w.Tag
	}
	sum := sha256.Sum256([]byte(w.Service + "\x00" + purpose))
	return branchPrefix + hex.EncodeToString(sum[:6]) + "-"
}

// from is the open pull request from a branch of ours that begins so.
func (f *Follower) from(ctx context.Context, branch string) (forge.PullRequest, bool, error) {
	set := f.opts.Forge.Pulls(ctx, f.opts.Remote.Branch)
	open, known := set.Members()
	if !known {
		return forge.PullRequest{}, false, set.Why()
	}
	for _, n := range slices.Sorted(maps.Keys(open)) {
		if p := open[n]; !p.Head.Fork && strings.HasPrefix(p.Head.Branch, branch) {
			return p, true, nil
		}
	}
	return forge.PullRequest{}, false, nil
}

// releaseOf is the release of a service with another image, and its file.
func (f *Follower) releaseOf(rules *catalog.Previews, w Wanted) (file string, text []byte, err error) {
	if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`).MatchString(w.Tag) {
		return "", nil, asked("preview %s: %q is no tag of an image", w.Service, w.Tag)
	}
	if w.Digest != "" && !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(w.Digest) {
		return "", nil, asked("preview %s: %q is no digest of an image", w.Service, w.Digest)
	}
	f.opts.Reviewer.InForce.Read(func(cat *catalog.Catalog) {
		s := cat.Services[w.Service]
		if s == nil {
			err = asked("preview %s: there is no such service", w.Service)
			return
		}
		file = fmt.Sprintf("environments/%s/releases/%s/%s.cue", rules.Base, s.Team, s.Name)
	})
	if err != nil {
		return "", nil, err
	}
	image := map[string]any{"tag": w.Tag}
	if w.Digest != "" {
		image["digest"] = w.Digest
	}
	raw, err := object.Encode(map[string]any{"image": image})
	if err != nil {
		return "", nil, err
	}
	indented, err := json.MarshalIndent(json.RawMessage(raw), "", "\t")
	return file, fmt.Appendf(nil, "package releases\n\nimport \"fairway.dev/schema\"\n\n%q: schema.#Release & %s\n", w.Service, indented), err
}

// longest is how far ahead a preview can be kept.
const longest = 60 * 24 * time.Hour

// Keep keeps a preview until the end of a day.
func (f *Follower) Keep(ctx context.Context, number int, day time.Time) error {
	pr, err := f.opened(ctx, number)
	if err != nil {
		return err
	}
	if now := f.opts.Now(); day.Before(now.Add(-24*time.Hour)) || day.After(now.Add(longest)) {
		return asked("keep preview %d until %s: it can be kept for %d days", number, day.Format(time.DateOnly), int(longest.Hours()/24))
	}
	for _, label := range pr.Labels {
		if strings.HasPrefix(label, preview.UntilPrefix) && label != preview.UntilLabel(day) {
			if err := f.opts.Forge.RemoveLabel(ctx, number, label); err != nil {
				return err
			}
		}
	}
	defer f.Wake()
	if slices.Contains(pr.Labels, preview.NoPreview) {
		if err := f.opts.Forge.RemoveLabel(ctx, number, preview.NoPreview); err != nil {
			return err
		}
	}
	return f.opts.Forge.AddLabel(ctx, number, preview.UntilLabel(day))
}

// Allow lets a head be previewed that a stranger pushed; it must be the head there is.
func (f *Follower) Allow(ctx context.Context, number int, head string) error {
	pr, err := f.opened(ctx, number)
	if err != nil {
		return err
	}
	if len(head) < 12 || !strings.HasPrefix(pr.Head.Commit, head) {
		return asked("let pull request %d be previewed at %q: its head is %s", number, head, pr.Head.Commit)
	}
	defer f.Wake()
	return f.opts.Forge.AddLabel(ctx, number, preview.HeadLabel(pr.Head.Commit))
}

// Remove takes a preview away: with its pull request, where that was made for it.
func (f *Follower) Remove(ctx context.Context, number int) error {
	pr, err := f.opened(ctx, number)
	if err != nil {
		return err
	}
	defer f.Wake()
	if forImage(pr) {
		return f.opts.Forge.ClosePull(ctx, number)
	}
	return f.opts.Forge.AddLabel(ctx, number, preview.NoPreview)
}

// forImage reports whether a pull request was made to see an image.
func forImage(pr forge.PullRequest) bool {
	return !pr.Head.Fork && strings.HasPrefix(pr.Head.Branch, branchPrefix)
}

// opened is an open pull request, as the forge has it now.
func (f *Follower) opened(ctx context.Context, number int) (forge.PullRequest, error) {
	pr, err := f.opts.Forge.Pull(ctx, number)
	if err == nil && (pr.State != forge.Open || f.opts.Previews == nil) {
		err = asked("pull request %d is %s", number, pr.State)
	}
	if errors.Is(err, forge.ErrNotFound) {
		err = asked("there is no pull request %d", number)
	}
	return pr, err
}
