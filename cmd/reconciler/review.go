package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/review"
)

func newReview(a *app) *cobra.Command {
	var base, rev, output string
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Say what merging a branch would do, everywhere",
		Long: `review merges a revision into a base, in memory, and says what the result would
do in every environment on every cluster: what is created, updated and deleted,
what restarts, what it costs, which mistakes it brings and which it mends. It asks no
cluster and changes nothing, the repository included.`,
		Example: `  reconciler review                              HEAD into origin/main
  reconciler review --base main --rev feature -o json
  git fetch origin pull/12/head && reconciler review --rev FETCH_HEAD`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.review(cmd.Context(), base, rev)
			if err != nil {
				return err
			}
			if err := a.printReview(r, output); err != nil {
				return err
			}
			if errors, _ := r.Mistakes.Count(); exitCode && (errors > 0 || len(r.Conflicts) > 0) {
				return errNo
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&base, "base", "origin/main", "the revision that it would be merged into")
	cmd.Flags().StringVar(&rev, "rev", "HEAD", "the revision that would be merged")
	cmd.Flags().StringVarP(&output, "output", "o", "markdown", "how the report is written: markdown or json")
	cmd.Flags().BoolVar(&exitCode, "exit-code", true, "exit with 1 if it brings mistakes or cannot be merged")
	return cmd
}

func (a *app) printReview(r review.Report, output string) error {
	switch output {
	case "markdown":
		_, err := fmt.Fprint(a.out, r.Markdown(review.Unlimited, ""))
		return err
	case "json":
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			review.Report
		}{"fairway.dev/v1", "Review", r})
	}
	return fmt.Errorf("unknown output %q: use markdown or json", output)
}

func (a *app) review(ctx context.Context, base, rev string) (review.Report, error) {
	w, err := a.open()
	if err != nil {
		return review.Report{}, err
	}
	defer w.close()
	defer a.progress("reviewing")()
	store, err := git.OpenRepository(w.top)
	if err != nil {
		return review.Report{}, err
	}
	defer store.Close()
	into, err := store.Resolve(base)
	if err != nil {
		return review.Report{}, err
	}
	head, err := store.Resolve(rev)
	if err != nil {
		return review.Report{}, err
	}
	p, err := pulls.Open(store, into, head)
	if err != nil {
		return review.Report{}, err
	}
	r := &pulls.Reviewer{}
	if r.InForce, _, _, err = w.fleet(ctx, into.Commit.String()); err != nil {
		return review.Report{}, fmt.Errorf("revision %s: %w", base, err)
	}
	if r.Trial, _, _, err = w.fleet(ctx, into.Commit.String()); err != nil {
		return review.Report{}, fmt.Errorf("revision %s: %w", base, err)
	}
	return r.Review(ctx, p)
}
