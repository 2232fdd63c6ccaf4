// Command evaluator shows what a new evaluator changes before it reaches a
// cluster. CUE is a language whose releases have changed results and not only
// speed, so a bump of it, or of what else stands between a file and an object,
// is a change of production.
//
//	go run ./test/evaluator          compare with the list that is committed
//	go run ./test/evaluator -write   write the list anew
//	go run ./test/evaluator -runs 100  render that often and see that it is the same
//
// The list holds, of each unit of the example company and of a fleet that is
// made for this, the digest of all that goes in and the digest of all that
// comes out. Where the same goes in and something else comes out, the evaluator
// is what changed, and the command fails. Where something else goes in, nothing
// can be said; write the list anew with the evaluator that was there before.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/worker"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

const list = "test/evaluator/digests.txt"

func main() {
	worker.Maybe()
	write := flag.Bool("write", false, "write the list anew")
	runs := flag.Int("runs", 0, "how often to render, each time with new workers; any difference fails")
	flag.Parse()
	ok, err := run(context.Background(), *write, *runs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "evaluator:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// rendered is what went in and what came out.
type rendered struct{ in, out string }

func run(ctx context.Context, write bool, runs int) (bool, error) {
	dir, err := os.MkdirTemp("", "fairway-evaluator-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := makeFleet(".", dir); err != nil {
		return false, err
	}
	now, err := renderBoth(ctx, dir)
	if err != nil {
		return false, err
	}
	for i := range runs {
		again, err := renderBoth(ctx, dir)
		if err != nil {
			return false, err
		}
		if !maps.Equal(now, again) {
			fmt.Printf("run %d of %d gave something else\n", i+1, runs)
			return compare(now, again), nil
		}
	}
	if runs > 0 {
		fmt.Printf("%d units rendered %d times, each time the same bytes\n", len(now), runs+1)
		return true, nil
	}
	if write {
		return true, save(now)
	}
	before, err := load()
	if err != nil {
		return false, err
	}
	return compare(before, now), nil
}

func renderBoth(ctx context.Context, dir string) (map[string]rendered, error) {
	out := map[string]rendered{}
	for name, top := range map[string]string{"company": ".", "fleet": dir} {
		if err := render(ctx, name, top, out); err != nil {
			return nil, fmt.Errorf("render the %s: %w", name, err)
		}
	}
	return out, nil
}

// render evaluates a tree; a unit that is held has no digest, and counts too.
func render(ctx context.Context, name, top string, into map[string]rendered) error {
	tree, err := folder.Open(top, folder.Options{Roots: eval.Roots()})
	if err != nil {
		return err
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	fleet := fleet.New(&eval.Evaluator{Pool: pool, Engine: "any"})
	if _, err := fleet.Advance(ctx, tree, nil); err != nil {
		return err
	}
	for _, u := range fleet.Units("") {
		key := u.CacheKey()
		into[name+"/"+u.Key.String()] = rendered{in: hex.EncodeToString(key[:8]), out: u.Digest.Short()}
	}
	return nil
}

func save(now map[string]rendered) error {
	var b strings.Builder
	b.WriteString("# unit, what goes in, what comes out: go run ./test/evaluator -write\n")
	for _, unit := range slices.Sorted(maps.Keys(now)) {
		fmt.Fprintf(&b, "%s %s %s\n", unit, now[unit].in, now[unit].out)
	}
	fmt.Printf("%d units written\n", len(now))
	return os.WriteFile(filepath.FromSlash(list), []byte(b.String()), 0o644)
}

func load() (map[string]rendered, error) {
	f, err := os.Open(filepath.FromSlash(list))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]rendered{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 {
			out[fields[0]] = rendered{in: fields[1], out: fields[2]}
		}
	}
	return out, lines.Err()
}

// compare says what the evaluator changed. It fails too where nothing could be
// compared, as then the list is of no use.
func compare(before, now map[string]rendered) bool {
	compared, changed, other := 0, 0, 0
	for _, unit := range slices.Sorted(maps.Keys(now)) {
		was, is := before[unit], now[unit]
		switch {
		case was.in != is.in:
			other++
		case was.out != is.out:
			changed++
			fmt.Printf("changed: %s was %s and is %s\n", unit, was.out, is.out)
		}
		if was.in == is.in {
			compared++
		}
	}
	fmt.Printf("%d units compared, %d changed; of %d others something else goes in since the list was written\n", compared, changed, other)
	if compared == 0 {
		fmt.Println("nothing was compared: write the list anew with the evaluator that was there before")
	}
	return changed == 0 && compared > 0
}
