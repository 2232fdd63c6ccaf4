// Command full runs the whole campaign of faults, goes on where it was
// interrupted, and writes the table of what came of it.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/test/faults/campaign"
	"github.com/fairway-dev/fairway/test/faults/workload"
	"github.com/fairway-dev/fairway/test/faults/world"
)

type options struct {
	results, docs, only string
	parallel            int
	seed                uint64
	again               bool
	limit               time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.results, "results", ".fairway/faults.jsonl", "file of outcomes; a campaign that was interrupted goes on with it")
	flag.StringVar(&o.docs, "docs", "", "document that gets the table between its markers; none if empty")
	flag.StringVar(&o.only, "only", "", "faults of the table, with commas; all if empty")
	flag.IntVar(&o.parallel, "parallel", 3, "companies at a time")
	flag.Uint64Var(&o.seed, "seed", 1, "decides what is left to chance")
	flag.BoolVar(&o.again, "again", false, "try cases that diverged again")
	flag.DurationVar(&o.limit, "for", 0, "stop after this long; never if zero")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	diverged, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if diverged > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (int, error) {
	lab, err := world.Open()
	if err != nil {
		return 0, err
	}
	defer lab.Close()
	engine, err := sumOf(lab.Binary())
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(o.results), 0o755); err != nil {
		return 0, err
	}
	results, err := campaign.OpenResults(o.results, engine)
	if err != nil {
		return 0, err
	}
	fmt.Println("learning what comes of the workload without faults")
	ref, err := campaign.Learn(ctx, lab, workload.Small(), campaign.CleanRuns)
	if err != nil {
		return 0, err
	}
	last := campaign.Periodic{Every: 5 * time.Second, Pace: 4 * time.Second, Rest: 10 * time.Minute}
	table := append(campaign.Table(ref, campaign.Full()), last.All())
	var only []string
	if o.only != "" {
		only = strings.Split(o.only, ",")
	}
	cases, err := campaign.Cases(table, only...)
	if err != nil {
		return 0, err
	}
	left := results.Left(cases, o.again)
	whole := slices.ContainsFunc(left, func(c campaign.Case) bool { return c.Fault == "W0" })
	left = slices.DeleteFunc(left, func(c campaign.Case) bool { return c.Fault == "W0" })
	if err = carryOut(ctx, o, lab, ref, results, left); err == nil && whole && ctx.Err() == nil && o.limit == 0 {
		err = standard(ctx, lab, ref, results, last)
	}
	rows := results.Rows(table)
	text := results.Markdown(rows)
	fmt.Println(text)
	diverged := 0
	for _, row := range rows {
		diverged += len(row.Diverged)
	}
	if err == nil && o.docs != "" {
		err = document(o.docs, text)
	}
	return diverged, err
}

// standard runs the standard workload with a daemon that is killed all the time.
func standard(ctx context.Context, lab *world.Lab, small *campaign.Reference, results *campaign.Results, p campaign.Periodic) error {
	w, err := workload.Standard()
	if err != nil {
		return err
	}
	fmt.Println("learning what comes of the standard workload without faults")
	ref, err := campaign.Learn(ctx, lab, w, campaign.CleanRuns, small.Mask)
	if err != nil {
		return err
	}
	out, err := p.Run(ctx, lab, ref)
	if err != nil {
		return err
	}
	return results.Add(out)
}

// carryOut runs cases and keeps what comes of each. A campaign that is
// interrupted is none that failed.
func carryOut(ctx context.Context, o options, lab *world.Lab, ref *campaign.Reference, results *campaign.Results, cases []campaign.Case) error {
	limited := ctx
	if o.limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	count := map[string]int{}
	for _, c := range cases {
		count[c.Fault]++
	}
	fmt.Printf("%d cases: %v\n", len(cases), count)
	began, done := time.Now(), 0
	b := campaign.Bench{
		Lab: lab, Ref: ref, Parallel: o.parallel, Seed: o.seed,
		Log: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
		Report: func(out campaign.Outcome) {
			if err := results.Add(out); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			if done++; done%20 == 0 {
				fmt.Printf("%d of %d after %s\n", done, len(cases), time.Since(began).Round(time.Second))
			}
		},
	}
	err := b.Run(limited, cases)
	if limited.Err() != nil {
		return nil
	}
	return err
}

func document(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	next, err := campaign.Insert(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(next), 0o644)
}

func sumOf(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("%x", sum[:6]), nil
}
