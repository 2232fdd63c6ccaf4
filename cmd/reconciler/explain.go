package main

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

func newExplain(a *app) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "explain FIELD",
		Short: "Show what a field means, from the schema itself",
		Long: `explain shows the documentation of a field that may be declared, and of the
fields in it. A field begins with what is declared: Team, Environment, Cluster,
Release, or a golden path such as web.`,
		Example: `  reconciler explain web
  reconciler explain web.scale.max
  reconciler explain Team --recursive`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeFields,
		RunE: func(cmd *cobra.Command, args []string) error {
			docs, err := a.reference(cmd)
			if err != nil {
				return err
			}
			return a.explain(docs, args[0], recursive)
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "show everything below the field")
	return cmd
}

func (a *app) reference(cmd *cobra.Command) ([]eval.FieldDoc, error) {
	w, err := a.open()
	if err != nil {
		return nil, err
	}
	defer w.close()
	tree, _, _, err := w.tree("")
	if err != nil {
		return nil, err
	}
	return w.evaluator.Reference(cmd.Context(), tree)
}

func (a *app) completeFields(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	docs, err := a.reference(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range docs {
		names = append(names, d.Path)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) explain(docs []eval.FieldDoc, field string, recursive bool) error {
	i := slices.IndexFunc(docs, func(d eval.FieldDoc) bool { return strings.EqualFold(d.Path, field) })
	if i < 0 {
		var names []string
		for _, d := range docs {
			names = append(names, d.Path)
		}
		if near := diag.Nearest(field, names); near != "" {
			return fmt.Errorf("there is no field %s; did you mean %s?", field, near)
		}
		return fmt.Errorf("there is no field %s; try: reconciler explain web", field)
	}
	d := docs[i]
	fmt.Fprintf(a.out, "%s  %s\n", d.Path, typeOf(d))
	if d.Doc != "" {
		fmt.Fprintf(a.out, "\n%s\n", indent(d.Doc, "  "))
	}
	first := true
	for _, below := range docs {
		rest, ok := strings.CutPrefix(below.Path, d.Path+".")
		if !ok || !recursive && strings.Contains(strings.TrimPrefix(rest, "<name>."), ".") {
			continue
		}
		if first {
			fmt.Fprint(a.out, "\nFields:\n")
			first = false
		}
		fmt.Fprintf(a.out, "  %s  %s\n", rest, typeOf(below))
		if below.Doc != "" {
			fmt.Fprintln(a.out, indent(below.Doc, "      "))
		}
	}
	return nil
}

// typeOf says in one phrase what a field holds. Example: "int, default 2".
func typeOf(d eval.FieldDoc) string {
	words := []string{d.Kind}
	if d.Required {
		words = append(words, "required")
	}
	if d.Default != "" {
		words = append(words, "default "+d.Default)
	}
	return strings.Join(words, ", ")
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}

// newDocs writes the reference pages; a test holds them to the code.
func newDocs(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "docs FOLDER", Short: "Write the reference pages", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			docs, err := a.reference(cmd)
			if err != nil {
				return err
			}
			if err := writeFile(filepath.Join(args[0], "schema.md"), []byte(schemaPage(docs))); err != nil {
				return err
			}
			var rights bytes.Buffer
			if err := writeRights(&rights, tenancy.Installation{}, "yaml"); err != nil {
				return err
			}
			if err := writeFile(filepath.Join(args[0], "rbac.yaml"), rights.Bytes()); err != nil {
				return err
			}
			return writeFile(filepath.Join(args[0], "cli.md"), []byte(cliPage(cmd.Root())))
		},
	}
}

// schemaPage is docs/schema.md. What services have in common is shown in full once,
// and what of a path may differ by environment is left to explain.
func schemaPage(docs []eval.FieldDoc) string {
	var b strings.Builder
	b.WriteString("# What may be declared\n\nGenerated from the schema by `make docs`; `reconciler explain FIELD` shows the same,\nand `reconciler explain 'PATH.environments.<name>'` what may differ by environment.\n")
	common := map[string]string{}
	for _, d := range docs {
		if field, ok := strings.CutPrefix(d.Path, "Service."); ok {
			common[field] = d.Doc
		}
	}
	for _, d := range docs {
		if !strings.Contains(d.Path, ".") {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", d.Path, d.Doc)
			continue
		}
		declared, field, _ := strings.Cut(d.Path, ".")
		if declared != "Service" && common[field] == d.Doc && strings.Contains(field, "<name>") || strings.HasPrefix(field, "environments.<name>.") {
			continue
		}
		meaning := strings.NewReplacer("\n\n", "<br>", "\n", " ", "|", "\\|").Replace(d.Doc)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", field, strings.ReplaceAll(typeOf(d), "|", "\\|"), meaning)
	}
	return b.String()
}

// cliPage is docs/cli.md, made of the commands' own help.
func cliPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the commands' help by `make docs`.\n")
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			commandPage(&b, c, "reconciler "+c.Use)
			continue
		}
		commandPages(&b, c, "reconciler ")
	}
	return b.String()
}

// commandPages tells of a command and those in it.
func commandPages(b *strings.Builder, c *cobra.Command, before string) {
	commandPage(b, c, before+c.Use)
	for _, sub := range c.Commands() {
		commandPages(b, sub, before+c.Name()+" ")
	}
}

func commandPage(b *strings.Builder, c *cobra.Command, title string) {
	if c.Hidden || !c.IsAvailableCommand() || c.Name() == "help" {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n", title, strings.TrimSpace(cmp.Or(c.Long, c.Short)))
	if c.Example != "" {
		fmt.Fprintf(b, "\n```\n%s\n```\n", strings.TrimRight(c.Example, "\n"))
	}
	if flags := c.LocalFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(b, "\n```\n%s```\n", flags)
	}
}
