package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/owners"
)

func newOwners(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "owners",
		Short: "Say whose what is, from what is declared",
		Long: `owners is for those who look after who owns what. Ownership is written once, in
teams/*/team.cue and in the policies; forges read it from CODEOWNERS.`,
		Example: `  reconciler owners generate`,
	}
	cmd.AddCommand(newOwnersGenerate(a))
	return cmd
}

// ownership is how CODEOWNERS is written.
type ownership struct {
	forge, platform, file string
	check                 bool
}

func newOwnersGenerate(a *app) *cobra.Command {
	var o ownership
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write CODEOWNERS",
		Long: `generate writes CODEOWNERS: each team owns its folder and its releases, who
answers for a policy owns that and the exceptions from it, and the platform's team
owns all else. With --check it writes nothing, and says which line is the first
that differs. Forges look for the file at the top of the repository, among others.`,
		Example: `  reconciler owners generate
  reconciler owners generate --check
  reconciler owners generate --forge gitea -o .gitea/CODEOWNERS`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.generateOwners(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.check, "check", false, "compare the file with what it should be, and write nothing")
	f.StringVarP(&o.file, "output", "o", "CODEOWNERS", "the file, from the top of the repository; - is stdout")
	f.StringVar(&o.forge, "forge", string(owners.GitHub), "who reads it: github, gitlab, or gitea, which is Forgejo as well")
	f.StringVar(&o.platform, "platform", "platform", "the team that owns the platform")
	return cmd
}

func (a *app) generateOwners(ctx context.Context, o ownership) error {
	if o.check && o.file == "-" {
		return errors.New("--check compares a file: name it with -o")
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	f, _, _, err := w.fleet(ctx, "")
	if err != nil {
		return err
	}
	want, err := owners.Generate(f.Catalog(), o.platform, owners.Forge(o.forge))
	if err != nil {
		return err
	}
	file := o.file
	if !filepath.IsAbs(file) {
		file = filepath.Join(w.top, file)
	}
	switch {
	case o.file == "-":
		_, err := fmt.Fprint(a.out, want)
		return err
	case o.check:
		return a.checkOwners(file, o.file, want)
	}
	return writeFile(file, []byte(want))
}

// checkOwners says which line of the file is the first that differs.
func (a *app) checkOwners(file, name, want string) error {
	got, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what is there: %w", err)
	}
	line, has, wants := owners.Differ(string(got), want)
	if line == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "%s:%d: is not what is declared\n    has   %s\n    want  %s\n    help  run: reconciler owners generate\n", name, line, has, wants)
	return errNo
}
