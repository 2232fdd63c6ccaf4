package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/status"
)

func newWait(a *app) *cobra.Command {
	var c client
	var sel selector
	var rev string
	var held bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until a commit is live and healthy",
		Long: `wait asks the daemon until it is at a commit, HEAD of this clone unless --rev says
otherwise, and every unit that matches is synced and healthy. A unit that is held
or fails for good ends the wait with exit code 1; the timeout with 3.`,
		Example: `  git push && reconciler wait
  reconciler wait --env prod --service checkout --timeout 5m
  reconciler wait --held            until something is held`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			commit, err := a.commit(rev)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("not there after %s: %w", timeout, context.DeadlineExceeded))
			defer cancel()
			return a.wait(ctx, &c, sel, commit, held)
		},
	}
	c.flags(cmd)
	sel.flags(cmd)
	cmd.Flags().StringVar(&rev, "rev", "HEAD", "the commit to wait for")
	cmd.Flags().BoolVar(&held, "held", false, "wait until a unit is held at that commit")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

// commit resolves a revision in this clone.
func (a *app) commit(rev string) (string, error) {
	top, err := a.top()
	if err != nil {
		return "", err
	}
	store, err := git.OpenRepository(top)
	if err != nil {
		return "", err
	}
	r, err := store.Resolve(rev)
	return r.Commit.String(), err
}

func (a *app) wait(ctx context.Context, c *client, sel selector, commit string, held bool) error {
	start := time.Now()
	defer a.progress("waiting for " + short(commit))()
	for {
		var list unitList
		err := c.get(ctx, "/api/v1/units", nil, &list)
		if err != nil && ctx.Err() == nil {
			return err
		}
		units := slices.DeleteFunc(list.Items, func(u status.Unit) bool { return !sel.matches(u.Unit, u.Team) })
		if err == nil && list.Metadata.Revision == commit {
			done, err := a.settled(units, list.now(), held)
			if done {
				fmt.Fprintf(a.err, "%s after %s, verdict %s\n", short(commit), time.Since(start).Round(10*time.Millisecond), list.Metadata.Verdict)
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// settled reports whether the wait is over, and how it went.
func (a *app) settled(units []status.Unit, now time.Time, held bool) (bool, error) {
	working, stuck, good := 0, 0, 0
	for _, u := range units {
		switch {
		case ready(u):
			good++
		case u.Sync == status.Held:
			stuck++
		default:
			working++
		}
	}
	switch {
	case working > 0:
		return false, nil
	case held:
		return stuck > 0, nil
	case stuck > 0:
		a.explainTroubles(units, now)
		return true, errNo
	case good == 0:
		return false, nil
	}
	return true, nil
}
