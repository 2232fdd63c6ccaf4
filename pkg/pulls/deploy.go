package pulls

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/status"
)

// deployment is a preview as forges show what runs where; false while there is nothing to
// show, and for heads of forks, which the repository need not have.
func deployment(p *Pull) (forge.Deployment, bool) {
	said, _ := previewSaid(p.stage.status)
	switch p.stage.status.State {
	case "", status.PreviewNone, status.PreviewWaiting, status.PreviewEnded:
		return forge.Deployment{}, false
	}
	return forge.Deployment{
		Environment: p.stage.status.Environment, Commit: p.Head.Commit, Ref: p.Head.Branch, State: said.State, URL: said.URL, Transient: true,
	}, !p.Head.Fork && len(p.stage.made.Services) > 0
}

// deployed shows a preview where the forge shows what runs where. Where it does not, or
// does not let us, the status and the comment say the same.
func (f *Follower) deployed(ctx context.Context, p *Pull) {
	to, can := f.opts.Forge.(forge.Deployer)
	d, is := deployment(p)
	if !can || !is || p.stage.deployed == d {
		return
	}
	err := to.Deploy(ctx, d)
	if err != nil && ctx.Err() == nil {
		f.opts.Log.Warn("show a preview as a deployment", "number", p.Number, "environment", d.Environment, "err", err)
	}
	if err == nil || errors.Is(err, forge.ErrNotFound) { // it is not tried again before it changes
		p.stage.deployed = d
	}
}

// retire says that nothing runs any more in the environments of previews that ended, and
// deletes the branches that were made for some, until the forge took that.
func (f *Follower) retire(ctx context.Context) {
	to, can := f.opts.Forge.(forge.Deployer)
	f.mu.Lock()
	ended := slices.Sorted(maps.Keys(f.retiring))
	f.mu.Unlock()
	for _, number := range ended {
		if can {
			err := to.Retire(ctx, catalog.PreviewName(number))
			if err != nil && !errors.Is(err, forge.ErrNotFound) {
				f.opts.Log.Warn("say that a preview is gone", "number", number, "err", err)
				continue
			}
		}
		f.mu.Lock()
		delete(f.retiring, number)
		f.mu.Unlock()
	}
	f.mu.Lock()
	drop := slices.Collect(maps.Values(f.dropping))
	f.mu.Unlock()
	for _, pr := range drop {
		err := f.opts.Forge.DeleteBranch(ctx, pr.Head.Branch, pr.Head.Commit)
		if err != nil {
			f.opts.Log.Warn("delete the branch of an image's preview", "number", pr.Number, "branch", pr.Head.Branch, "err", err)
		}
		if err == nil || errors.Is(err, forge.ErrMoved) { // then it is somebody's
			f.mu.Lock()
			delete(f.dropping, pr.Number)
			f.mu.Unlock()
		}
	}
}

// drop has the branch go that was made to see an image, as its pull request is closed.
func (f *Follower) drop(pr forge.PullRequest) {
	if !forImage(pr) || pr.Head.Commit == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropping[pr.Number] = pr
}
