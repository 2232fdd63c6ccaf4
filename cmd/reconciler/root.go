package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// errDenied says that the daemon wants a token.
var errDenied = errors.New("authentication needed")

// app is what every command has.
type app struct {
	streams
	dir     string
	color   string
	verbose bool
	today   string
}

// newRoot lists all commands. Each is built by its own constructor.
func newRoot(s streams) *cobra.Command {
	a := &app{streams: s}
	root := &cobra.Command{
		Use:   "reconciler",
		Short: "Fairway: declare services in CUE, merge to deploy, revert to roll back",
		Long: `reconciler validates what teams declare, shows what a change will do, and keeps
clusters equal to Git.

Every flag can be set by an environment variable as well: --data-dir is
RECONCILER_DATA_DIR.

Exit codes: 0 ok, 1 a negative answer (mistakes, differences, unhealthy),
2 an error, 3 timed out, 4 authentication needed, 130 interrupted.`,
		Example: `  reconciler vet                      check what is declared here
  reconciler plan --base origin/main  see what this branch changes, everywhere
  reconciler up                       run the whole platform on this machine`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd) },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.PersistentFlags().StringVarP(&a.dir, "dir", "C", ".", "work in this folder of the repository")
	root.PersistentFlags().StringVar(&a.color, "color", "auto", "color the output: auto, always or never")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "say more on stderr")
	root.PersistentFlags().StringVar(&a.today, "today", "", "decide policies as on this day, such as 2027-03-01 (default: today in UTC)")
	root.AddCommand(
		newVet(a), newFmt(a), newRender(a), newPlan(a), newReview(a), newExplain(a), newWhy(a),
		newApply(a), newPulls(a), newGet(a), newPreview(a), newCI(a), newStatus(a), newWait(a), newDrift(a),
		newUp(a), newServe(a), newRBAC(a), newPolicy(a), newCapacity(a), newOwners(a), newAudit(a), newVersion(a), newDocs(a),
	)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w\nSee: %s --help", err, cmd.CommandPath())
	})
	return root
}

// fromEnvironment fills flags that were not given from RECONCILER_... variables.
func fromEnvironment(cmd *cobra.Command) error {
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := "RECONCILER_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if f.Changed || !set {
			return
		}
		if err := f.Value.Set(value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	})
	return errors.Join(errs...)
}

// colored reports whether a stream gets colors.
func (a *app) colored(stream any) bool {
	switch {
	case a.color == "always":
		return true
	case a.color == "never" || os.Getenv("NO_COLOR") != "":
		return false
	case os.Getenv("CLICOLOR_FORCE") != "" && os.Getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return terminal(stream)
}

// terminal reports whether a stream is a person's terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// top finds the repository's top folder, from the folder the command works in.
func (a *app) top() (string, error) {
	start, err := filepath.Abs(a.dir)
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "cue.mod", "module.cue")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a platform repository: no cue.mod/module.cue there or above; use -C", start)
		}
	}
}

// cacheDir is where results are kept between runs; losing it costs time only.
func cacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("fairway-%d", os.Getuid()))
	}
	return filepath.Join(base, "fairway")
}
