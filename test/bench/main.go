// Command bench measures Fairway beside the floors that bound it, in one run:
// bare CUE, a client that only sends the PATCHes, an API server's own record
// of requests. It prints tables and writes docs/benchmarks.md.
//
//	go run ./test/bench [-only NAMES] [-services N,...] [-live N,...] [-out FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval/worker"
)

func main() {
	worker.Maybe()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{}
	var only, services, live, out string
	flag.StringVar(&only, "only", "vet,paths,change,live,pulls,previews", "benchmarks to run: vet, paths, change, live, pulls, previews")
	flag.StringVar(&services, "services", "10,100,1000,10000", "sizes of the fleets without a cluster")
	flag.StringVar(&live, "live", "100,1000", "sizes of the fleets on a real control plane")
	flag.IntVar(&b.rounds, "rounds", 3, "repetitions of what is run as a whole")
	flag.IntVar(&b.changes, "changes", 60, "changes to measure one by one")
	flag.StringVar(&b.work, "work", "", "folder to work in, kept; a temporary one if empty")
	flag.StringVar(&out, "out", "", "file to write the report to")
	flag.Parse()
	err := errors.Join(numbers(services, &b.services), numbers(live, &b.live))
	if err == nil {
		err = b.run(ctx, strings.Split(only, ","), out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func numbers(text string, to *[]int) error {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || n > 20000 {
			return fmt.Errorf("%q is no number of services", part)
		}
		*to = append(*to, n)
	}
	return nil
}

// bench is one run.
type bench struct {
	top, work         string
	rounds, changes   int
	services, live    []int
	binary, bare, cue string // programs, built once
	// engine names this run in its caches: what a run kept in a folder that is
	// used again must not answer for the next, or nothing would be evaluated.
	engine string
}

func (b *bench) run(ctx context.Context, only []string, out string) error {
	start := time.Now()
	b.engine = fmt.Sprintf("bench %d", start.UnixNano())
	if err := b.prepare(ctx); err != nil {
		return err
	}
	var sections []*section
	for _, one := range []struct {
		name string
		run  func(context.Context) ([]*section, error)
	}{{"vet", b.vet}, {"paths", b.paths}, {"change", b.change}, {"live", b.onPlane}, {"pulls", b.pulls}, {"previews", b.previews}} {
		if !slices.Contains(only, one.name) {
			continue
		}
		s, err := one.run(ctx)
		sections = append(sections, s...)
		if out != "" { // after each part: what comes later may fail or be cut short
			err = errors.Join(err, os.WriteFile(out, []byte(markdown(sections, time.Since(start))), 0o644))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

// begin announces a section.
func begin(title, about string) (*section, func()) {
	fmt.Printf("\n%s\n", title)
	s := &section{title: title, about: about}
	before := load()
	return s, func() { s.load = before + ", " + load(); fmt.Println("  load:", s.load) }
}

// prepare builds the programs.
func (b *bench) prepare(ctx context.Context) error {
	top, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	b.top = strings.TrimSpace(string(top))
	if b.work == "" {
		if b.work, err = os.MkdirTemp("", "fairway-bench-"); err != nil {
			return err
		}
	}
	if b.work, err = filepath.Abs(b.work); err != nil {
		return err
	}
	b.binary, b.bare, b.cue = filepath.Join(b.work, "bin/reconciler"), filepath.Join(b.work, "bin/floor"), filepath.Join(b.work, "bin/cue")
	for _, args := range [][]string{
		{"build", "-trimpath", "-o", b.binary, "./cmd/reconciler"},
		{"build", "-trimpath", "-o", b.bare, "./test/bench/floor"},
		{"install", "cuelang.org/go/cmd/cue@v0.17.1"},
	} {
		fmt.Println("building:", strings.Join(args, " "))
		if _, err := spend(ctx, b.top, []string{"GOBIN=" + filepath.Join(b.work, "bin"), "GOFLAGS="}, "go", args...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) fleet(ctx context.Context, services int) (*generated, error) {
	return generate(ctx, b.top, filepath.Join(b.work, fmt.Sprintf("fleet-%d", services)), services)
}

// fresh makes an empty folder.
func (b *bench) fresh(name string) (string, error) {
	dir := filepath.Join(b.work, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}
