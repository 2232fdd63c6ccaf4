package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/diag/format"
)

func newVet(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "vet [REVISION]",
		Short: "Check everything that is declared",
		Long: `vet checks the working tree, uncommitted files included, or a revision: every
declaration against its type, the declarations against each other, and every
unit by rendering it. It prints a verdict, which the daemon shows for the same
files: one binary, one verdict.`,
		Example: `  reconciler vet
  reconciler vet origin/main
  reconciler vet --format github      annotations on a pull request
  reconciler vet --format gitlab > codequality.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rev := ""
			if len(args) == 1 {
				rev = args[0]
			}
			return a.vet(cmd, rev, output)
		},
	}
	cmd.Flags().StringVar(&output, "format", "text", "how mistakes are written: text, json, sarif, github or gitlab")
	return cmd
}

func (a *app) vet(cmd *cobra.Command, rev, output string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	start := time.Now()
	end := a.progress("checking")
	f, change, _, err := w.fleet(cmd.Context(), rev)
	end()
	if err != nil {
		return err
	}
	diags := f.Diags()
	if err := a.printDiags(diags, output, w.top); err != nil {
		return err
	}
	units := f.Units("")
	fmt.Fprintf(a.err, "verdict %s: %s, %d evaluated, in %s\n", f.Verdict().Short(), diag.Many(len(units), "unit"),
		change.Declarations+change.Evaluations, time.Since(start).Round(time.Millisecond))
	if diags.Errors() {
		return errNo
	}
	return nil
}

// printDiags writes mistakes in the format asked for.
func (a *app) printDiags(list diag.List, output, top string) error {
	switch output {
	case "text":
		if len(list) == 0 {
			return nil
		}
		return format.Text(a.out, list, format.Options{
			Color:  a.colored(a.out),
			Source: func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(top, file)) },
		})
	case "json":
		return format.JSON(a.out, list)
	case "sarif":
		return format.SARIF(a.out, list)
	case "github":
		return format.GitHub(a.out, list)
	case "gitlab":
		return format.GitLab(a.out, list)
	}
	return fmt.Errorf("unknown format %q: use text, json, sarif, github or gitlab", output)
}
