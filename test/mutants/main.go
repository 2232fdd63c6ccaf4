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
	only := flag.String("only", "", "try only mutants whose rule, file or package contains this")
	skip := flag.String("skip", "\x00", "leave out those whose rule, file or package contains this")
	from := flag.Int("from", 1, "go on with this one of them: a long run may have been cut short")
	into := flag.String("into", "", "file to write the table into, between its markers")
	flag.Parse()
	list := "test/mutants/mutants.txt"
	if flag.NArg() > 0 {
		list = flag.Arg(0)
	}
	if err := run(ctx, list, *only, *skip, *into, *from); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, list, only, skip, into string, from int) error {
	raw, err := os.ReadFile(list)
	if err != nil {
		return fmt.Errorf("read the mutants: %w", err)
	}
	mutants, err := parse(string(raw))
	if err != nil {
		return fmt.Errorf("read %s: %w", list, err)
	}
	all := len(mutants)
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool {
		about := m.rule + " " + m.file + " " + m.pkg
		return !strings.Contains(about, only) || strings.Contains(about, skip)
	})
	mutants = mutants[min(max(from-1, 0), len(mutants)):]
	dir, err := os.MkdirTemp("", "fairway-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := &copied{dir: dir}
	if err := c.fill(ctx); err != nil {
		return err
	}
	if err := c.sound(ctx, mutants); err != nil {
		return err
	}
	survivors := 0
	for i := range mutants {
		m := &mutants[i]
		if err := c.try(ctx, m); err != nil {
			return fmt.Errorf("%s in %s: %w", m.rule, m.file, err)
		}
		fmt.Println(m)
		if !m.killed {
			survivors++
		}
		if into == "" {
			continue
		}
		if err := write(into, table(mutants[:i+1], all)); err != nil { // after each: a long run may be cut short
			return err
		}
	}
	fmt.Printf("%d mutants, %d killed, %d survived\n", len(mutants), len(mutants)-survivors, survivors)
	if survivors > 0 {
		return errors.New("some guards are held by no test")
	}
	return nil
}

// The marks between which the table stands in a page.
const (
	tableBegins = "<!-- mutants -->"
	tableEnds   = "<!-- /mutants -->"
)

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

func table(tried []mutant, all int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nTried %s: %d of %d.\n\n| Rule | Guard taken out | In | Killed by |\n|---|---|---|---|\n", time.Now().UTC().Format("2006-01-02"), len(tried), all)
	for _, m := range tried {
		by := "**survived**"
		if m.killed {
			by = "`" + m.test + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", m.rule, m.guard, filepath.ToSlash(m.file), by)
	}
	return b.String() + "\n"
}
