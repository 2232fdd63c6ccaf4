// Command reconciler is Fairway: the command line that teams validate and plan
// with, and the daemon that keeps clusters equal to Git.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairway-dev/fairway/pkg/eval/worker"
)

func main() {
	worker.Maybe()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// streams are where a command reads and writes: data to out, everything else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// The exit codes; they are stable.
const (
	exitOK          = 0
	exitNo          = 1 // a negative answer: mistakes, differences, not healthy
	exitError       = 2 // the command could not do its work, or was called wrongly
	exitTimeout     = 3
	exitDenied      = 4
	exitInterrupted = 130
)

// errNo is a negative answer that has been printed already.
var errNo = errors.New("negative answer")

// run carries out one command line and gives its exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo):
		return exitNo
	case ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(s.err, "interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(s.err, "reconciler: %v\n", err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, errDenied):
		return exitDenied
	}
	return exitError
}
