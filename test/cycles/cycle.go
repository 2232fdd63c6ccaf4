package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// worker goes through one pull request after another, in a clone of its own.
type worker struct {
	*place
	lane   int
	clone  string
	random *rand.Rand
}

func (p *place) worker(ctx context.Context, lane int, seed uint64) (*worker, error) {
	w := &worker{place: p, lane: lane, clone: filepath.Join(p.dir, fmt.Sprintf("lane-%d", lane)), random: rand.New(rand.NewPCG(seed, uint64(lane)))}
	_, err := git(ctx, p.dir, "clone", "--quiet", p.forge.Remote("dev", p.dev, repository), w.clone)
	return w, err
}

// patience is how long a head may wait for its preview while everything fails.
const patience = 6 * time.Minute

// cycle opens a pull request, pushes to it, replaces what was pushed, closes it, and now
// and then opens it again, in each state for as long as chance has it: until its preview
// is there, or hardly at all.
func (w *worker) cycle(ctx context.Context, n int) error {
	branch := fmt.Sprintf("cycle-%d", n)
	head, err := w.push(ctx, branch, fmt.Sprintf("%d opened", n), "origin/main")
	if err != nil {
		return err
	}
	number, err := w.open(branch)
	if err != nil {
		return err
	}
	w.wait(ctx, number, head)
	for _, step := range []struct{ edition, onto string }{
		{fmt.Sprintf("%d pushed", n), "HEAD"}, {fmt.Sprintf("%d forced", n), "HEAD~1"},
	} {
		if head, err = w.push(ctx, branch, step.edition, step.onto); err != nil {
			return err
		}
		w.wait(ctx, number, head)
	}
	if err := w.state(number, "closed"); err != nil {
		return err
	}
	if w.random.IntN(2) == 0 {
		_ = pause(ctx, time.Duration(w.random.IntN(3000))*time.Millisecond) // ended by the caller
		if err := w.state(number, "open"); err != nil {
			return err
		}
		w.wait(ctx, number, head)
		if err := w.state(number, "closed"); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// push makes a commit on top of another with an edition of the lane's service, and moves
// the branch there by force.
func (w *worker) push(ctx context.Context, branch, edition, onto string) (string, error) {
	if _, err := git(ctx, w.clone, "checkout", "--quiet", "--detach", onto); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(w.clone, servicePath(w.lane)), []byte(serviceText(w.lane, edition)), 0o644); err != nil {
		return "", err
	}
	if _, err := git(ctx, w.clone, "commit", "--quiet", "--all", "-m", edition); err != nil {
		return "", err
	}
	if _, err := git(ctx, w.clone, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/"+branch); err != nil {
		return "", err
	}
	return git(ctx, w.clone, "rev-parse", "HEAD")
}

func (w *worker) open(branch string) (int, error) {
	var made struct{ Number int }
	err := w.forge.API(w.dev, http.MethodPost, "/repos/"+repository+"/pulls", map[string]any{"title": branch, "head": branch, "base": "main"}, &made)
	if err == nil {
		w.opened.Add(1)
		w.mu.Lock()
		w.pulls[made.Number] = false
		w.mu.Unlock()
	}
	return made.Number, err
}

func (p *place) state(number int, state string) error {
	return p.forge.API(p.dev, http.MethodPatch, fmt.Sprintf("/repos/%s/pulls/%d", repository, number), map[string]any{"state": state}, nil)
}

// wait waits until the head's preview is there, every second time; else a moment.
func (w *worker) wait(ctx context.Context, number int, head string) {
	if w.random.IntN(2) == 0 {
		_ = pause(ctx, time.Duration(w.random.IntN(1500))*time.Millisecond) // ended by the caller
		return
	}
	err := eventually(ctx, patience, func() string { return w.previewed(head) })
	if err == nil {
		w.mu.Lock()
		w.pulls[number] = true
		w.mu.Unlock()
	} else if ctx.Err() == nil {
		w.bad("the preview of pull request %d at %.12s: %v", number, head, err)
	}
}

// previewed says what is missing until a head has its preview, as the forge has it.
func (p *place) previewed(head string) string {
	var combined struct {
		Statuses []struct{ Context, Status, Description string }
	}
	if err := p.forge.API(p.forge.Token, http.MethodGet, fmt.Sprintf("/repos/%s/commits/%s/status?limit=50", repository, head), nil, &combined); err != nil {
		return err.Error()
	}
	for _, s := range combined.Statuses {
		if s.Context == "fairway/preview" {
			if s.Status == "success" {
				return ""
			}
			return fmt.Sprintf("it is %s: %s", s.Status, s.Description)
		}
	}
	return "it has no status"
}
