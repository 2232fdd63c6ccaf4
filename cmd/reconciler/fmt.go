package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/format"
	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/eval"
)

func newFmt(a *app) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Write CUE files in the one form",
		Long: `fmt rewrites the repository's CUE files, or those given, in CUE's own format, as
cue fmt does. With --check it only names the files that are not in it.`,
		Example: `  reconciler fmt
  reconciler fmt --check teams/shop/cart/service.cue`,
		RunE: func(_ *cobra.Command, args []string) error {
			files := args
			if len(files) == 0 {
				var err error
				if files, err = a.cueFiles(); err != nil {
					return err
				}
			}
			return a.format(files, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing; exit with 1 if a file is not formatted")
	return cmd
}

// cueFiles lists the CUE files of the folders a platform is declared in.
func (a *app) cueFiles() ([]string, error) {
	top, err := a.top()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, root := range eval.Roots() {
		err := filepath.WalkDir(filepath.Join(top, root), func(file string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && d.Type().IsRegular() && strings.HasSuffix(file, ".cue") {
				files = append(files, file)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list CUE files: %w", err)
		}
	}
	slices.Sort(files)
	return files, nil
}

func (a *app) format(files []string, check bool) error {
	var errs []error
	different := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		formatted, err := format.Source(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
			continue
		}
		if bytes.Equal(raw, formatted) {
			continue
		}
		different++
		fmt.Fprintln(a.out, file)
		if !check {
			errs = append(errs, os.WriteFile(file, formatted, 0o644))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if check && different > 0 {
		return errNo
	}
	return nil
}
