// Command mutants takes guards out of the engine, one at a time, and sees which
// test notices. A guard whose absence no test notices is a guard nobody holds.
//
//	go run ./test/mutants [-only TEXT] [-skip TEXT] [-from N] [-into docs/reliability.md] [test/mutants/mutants.txt]
//
// A mutant is a few lines: the rule it breaks, the file, the text that is
// replaced, the replacement, and the test that must fail. It is made in a copy
// of the tracked files. First the copy is tested as it is: a test that fails
// without any mutant shows nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.only, "only", "", "try only mutants whose rule, file or package contains this")
	flag.StringVar(&o.skip, "skip", "\x00", "leave out those whose rule, file or package contains this")
	flag.IntVar(&o.from, "from", 1, "go on with this one of them, where a long run was cut short: what its table says of those before stands")
	flag.StringVar(&o.into, "into", "", "file to write the table into, between its markers")
	flag.Parse()
	o.list = "test/mutants/mutants.txt"
	if flag.NArg() > 0 {
		o.list = flag.Arg(0)
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options say what is tried, and where it is written.
type options struct {
	list, only, skip, into string
	from                   int
}

func run(ctx context.Context, o options) error {
	mutants, all, err := chosen(o)
	if err != nil {
		return err
	}
	first := min(max(o.from-1, 0), len(mutants))
	if o.into != "" {
		if err := recall(o.into, mutants[:first]); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "fairway-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := &copied{dir: dir}
	if err := c.fill(ctx); err != nil {
		return err
	}
	if err := c.sound(ctx, mutants[first:]); err != nil {
		return err
	}
	for i := first; i < len(mutants); i++ {
		m := &mutants[i]
		if err := c.try(ctx, m); err != nil {
			return fmt.Errorf("%s in %s: %w", m.rule, m.file, err)
		}
		fmt.Println(m)
		if o.into == "" {
			continue
		}
		if err := write(o.into, table(mutants[:i+1], all)); err != nil { // after each: a long run may be cut short
			return err
		}
	}
	told, survivors, broken := mutants, 0, 0 // those that a table had before count, too
	if o.into == "" {
		told = mutants[first:]
	}
	for _, m := range told {
		switch {
		case m.broken: // that is the list's mistake, and the others were tried all the same
			broken++
		case !m.killed:
			survivors++
		}
	}
	fmt.Printf("%d mutants, %d killed, %d survived, %d do not compile\n", len(told), len(told)-survivors-broken, survivors, broken)
	if survivors+broken > 0 {
		return errors.New("some guards are held by no test")
	}
	return nil
}

// chosen reads the mutants that are asked for, and how many there are in all.
func chosen(o options) (mutants []mutant, all int, err error) {
	raw, err := os.ReadFile(o.list)
	if err != nil {
		return nil, 0, fmt.Errorf("read the mutants: %w", err)
	}
	if mutants, err = parse(string(raw)); err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", o.list, err)
	}
	all = len(mutants)
	return slices.DeleteFunc(mutants, func(m mutant) bool {
		about := m.rule + " " + m.file + " " + m.pkg
		return !strings.Contains(about, o.only) || strings.Contains(about, o.skip)
	}), all, nil
}

// The marks between which the table stands in a page.
const (
	tableBegins = "<!-- mutants -->"
	tableEnds   = "<!-- /mutants -->"
)

// recall reads from a page's table what came of mutants that were tried before.
func recall(page string, mutants []mutant) error {
	raw, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the table: %w", err)
	}
	for i := range mutants {
		m := &mutants[i]
		_, said, found := strings.Cut(string(raw), m.row())
		if !found {
			return fmt.Errorf("%s does not say what came of mutant %d (%s), so it has to be tried again: -from %d", page, i+1, m.guard, i+1)
		}
		m.killed, m.broken = !strings.HasPrefix(said, survived), strings.HasPrefix(said, uncompiled)
	}
	return nil
}

// write puts a table between the marks of a page.
func write(page, table string) error {
	raw, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	head, rest, found := strings.Cut(string(raw), tableBegins)
	_, tail, ended := strings.Cut(rest, tableEnds)
	if !found || !ended {
		return fmt.Errorf("%s has no %s and %s", page, tableBegins, tableEnds)
	}
	return os.WriteFile(page, []byte(head+tableBegins+"\n"+table+tableEnds+tail), 0o644)
}

// What stands in the table for a mutant that no test noticed, and for one that is no program.
const (
	survived   = "**survived**"
	uncompiled = "**does not compile**"
)

// row is the mutant's line in the table, up to what came of it.
func (m mutant) row() string {
	return fmt.Sprintf("| %s | %s | `%s` | ", m.rule, m.guard, filepath.ToSlash(m.file))
}

func table(tried []mutant, all int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nTried %s: %d of %d.\n\n| Rule | Guard taken out | In | Killed by |\n|---|---|---|---|\n", time.Now().UTC().Format("2006-01-02"), len(tried), all)
	for _, m := range tried {
		by := survived
		switch {
		case m.broken:
			by = uncompiled
		case m.killed:
			by = "`" + m.test + "`"
		}
		fmt.Fprintf(&b, "%s%s |\n", m.row(), by)
	}
	return b.String() + "\n"
}
