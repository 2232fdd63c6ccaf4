// Package faults_test does a sample of the campaign to the real daemon, on real
// control planes. `make faults-full` does all of it.
package faults_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/faults/campaign"
	"github.com/fairway-dev/fairway/test/faults/workload"
	"github.com/fairway-dev/fairway/test/faults/world"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.lab != nil {
		shared.lab.Close()
	}
	os.Exit(code)
}

var shared struct {
	once sync.Once
	lab  *world.Lab
	err  error
}

// theLab gives the running planes, and starts them at the first call.
func theLab(t testing.TB) *world.Lab {
	t.Helper()
	shared.once.Do(func() { shared.lab, shared.err = world.Open() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.lab
}

var small struct {
	once sync.Once
	ref  *campaign.Reference
	err  error
}

// theReference is what comes of the small workload without faults.
func theReference(t testing.TB) *campaign.Reference {
	t.Helper()
	lab := theLab(t)
	small.once.Do(func() {
		small.ref, small.err = campaign.Learn(context.Background(), lab, workload.Small(), campaign.CleanRuns)
	})
	if small.err != nil {
		t.Fatal(small.err)
	}
	return small.ref
}

// setting reads a number from the environment.
func setting(name string, otherwise float64) float64 {
	if f, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return f
	}
	return otherwise
}

// TestFaults does a sample of every fault to the small workload and holds that
// it ends as if nothing had been. FAIRWAY_FAULTS_PART takes a larger or smaller
// part of the sample, FAIRWAY_FAULTS_SEED another one, FAIRWAY_FAULTS_ONLY some
// faults of the table.
func TestFaults(t *testing.T) {
	lab, ref := theLab(t), theReference(t)
	table := campaign.Table(ref, campaign.Sampled())
	if only := os.Getenv("FAIRWAY_FAULTS_ONLY"); only != "" {
		kept := table[:0]
		for _, f := range table {
			if strings.Contains(","+only+",", ","+f.ID+",") {
				kept = append(kept, f)
			}
		}
		table = kept
	}
	var outcomes []campaign.Outcome
	var mu sync.Mutex
	b := campaign.Bench{
		Lab: lab, Ref: ref, Parallel: int(setting("FAIRWAY_FAULTS_PARALLEL", 3)), Seed: uint64(setting("FAIRWAY_FAULTS_SEED", 1)), Log: t.Logf,
		Report: func(o campaign.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			outcomes = append(outcomes, o)
			if len(o.Diverged) > 0 {
				t.Errorf("%s %s:\n  %s", o.Fault, o.Name, strings.Join(o.Diverged, "\n  "))
			}
			t.Logf("%s %s: tried %t, converged %s", o.Fault, o.Name, o.Tried, o.Converged.Round(time.Millisecond))
		},
	}
	if err := b.Run(t.Context(), campaign.Pick(table, b.Seed, setting("FAIRWAY_FAULTS_PART", 1))); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAllTheTime: the standard workload, all sixteen commits of it, with
// the daemon killed every five seconds, ends as it does without a fault, and
// then nothing more is written.
func TestKilledAllTheTime(t *testing.T) {
	standard, err := workload.Standard()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := campaign.Learn(t.Context(), theLab(t), standard, 1, theReference(t).Mask)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ref.Steps {
		t.Logf("%s: %s, %d objects, %d writes", s.Name, s.Took.Round(time.Millisecond), len(s.State), len(s.Writes))
	}
	out, err := campaign.Periodic{Every: 5 * time.Second, Pace: 3 * time.Second, Rest: 10 * time.Second}.Run(t.Context(), theLab(t), ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, converged %s after the last", out.Kills, out.Converged.Round(time.Millisecond))
	for _, line := range out.Diverged {
		t.Error(line)
	}
}
