package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// row is one figure beside its floor and its goal.
type row struct {
	what, figure, floor, ratio, goal string
	met                              verdict
}

type verdict int

const (
	noGoal verdict = iota
	met
	missed
)

func (v verdict) String() string { return [...]string{"", "met", "**missed**"}[v] }

func judge(ok bool) verdict {
	if ok {
		return met
	}
	return missed
}

func times(a, b time.Duration) string { return fmt.Sprintf("%.2fx", a.Seconds()/b.Seconds()) }

// section is the result of one benchmark.
type section struct {
	title, about string
	rows         []row
	notes        []string
	load         string
}

func (s *section) add(r row) {
	s.rows = append(s.rows, r)
	fmt.Printf("  %-62s %-34s floor %-30s %-8s goal %-24s %s\n", r.what, r.figure, r.floor, r.ratio, r.goal, r.met)
}

func (s *section) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.notes = append(s.notes, text)
	fmt.Println("  note: " + text)
}

func (s *section) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", s.title, s.about)
	b.WriteString("| What | Figure | Floor in the same run | Ratio | Goal | |\n|---|---|---|---|---|---|\n")
	for _, r := range s.rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", r.what, r.figure, r.floor, r.ratio, r.goal, r.met)
	}
	for _, n := range s.notes {
		fmt.Fprintf(b, "\n%s\n", n)
	}
	fmt.Fprintf(b, "\nLoad average before and after: %s.\n", s.load)
}

// markdown is the whole report.
func markdown(sections []*section, took time.Duration) string {
	var b strings.Builder
	b.WriteString(`# Benchmarks

Made by one command, which measures every figure beside its floor in the same run:

	make bench        # or: go run ./test/bench -out docs/benchmarks.md

Ratios hold from machine to machine; times do not. Goals are those of the design's
scenarios (S01, S03, ...). What misses its goal says so.
`)
	fmt.Fprintf(&b, "\nMachine: %d cores, %s, %s, %s/%s; %s; the run took %s.\n", runtime.NumCPU(), memory(), runtime.Version(),
		runtime.GOOS, runtime.GOARCH, time.Now().UTC().Format("2006-01-02 15:04 UTC"), took.Round(time.Second))
	missing(&b, sections)
	for _, s := range sections {
		s.markdown(&b)
	}
	return b.String()
}

// missing lists what misses its goal.
func missing(b *strings.Builder, sections []*section) {
	b.WriteString("\n## What misses its goal\n\n")
	none := true
	for _, s := range sections {
		for _, r := range s.rows {
			if r.met == missed {
				none = false
				fmt.Fprintf(b, "- %s: %s; goal %s.\n", r.what, r.figure, r.goal)
			}
		}
	}
	if none {
		b.WriteString("Nothing.\n")
	}
}

func memory() string {
	raw, _ := os.ReadFile("/proc/meminfo") // shown only
	var kib int64
	fmt.Sscanf(string(raw), "MemTotal: %d kB", &kib)
	return fmt.Sprintf("%d GiB of memory", (kib+1<<19)>>20)
}
