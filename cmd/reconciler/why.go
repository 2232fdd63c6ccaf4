package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/render"
)

func newWhy(a *app) *cobra.Command {
	var output, rev string
	cmd := &cobra.Command{
		Use:   "why UNIT OBJECT FIELD",
		Short: "Show what set a field of a rendered object",
		Long: `why shows which lines have a say in one field of one object of a unit: the
platform's lines and the conditions they stand under, what the team, the
environment, the cluster and the release wrote that these look at, the default
where nobody wrote anything, the rule that bounds it, and the patches that
touched it. Where a value follows from several of them it says so: then no line
holds it as it is.`,
		Example: `  reconciler why prod/prod-eu/ledger deployment/ledger .spec.replicas
  reconciler why dev/local/cart deployment/cart '.spec.template.spec.containers[0].image'
  reconciler why prod/prod-eu/checkout configmap/checkout .data.LOG_LEVEL -o json`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error { return a.why(cmd, args, rev, output) },
	}
	cmd.Flags().StringVar(&rev, "rev", "", "a revision instead of the working tree")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how it is written: text, json or yaml")
	return cmd
}

func (a *app) why(cmd *cobra.Command, args []string, rev, output string) error {
	key, err := catalog.ParseUnitKey(args[0])
	if err != nil {
		return err
	}
	kind, name, ok := strings.Cut(args[1], "/")
	if !ok || kind == "" || name == "" {
		return fmt.Errorf("%q is no object; write kind/name, as in deployment/%s", args[1], key.Service)
	}
	field, err := fieldPath(args[2])
	if err != nil {
		return err
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	f, _, _, err := w.fleet(cmd.Context(), rev)
	if err != nil {
		return err
	}
	b, diags, err := f.Why(cmd.Context(), key, kind, name, field)
	if err != nil {
		return err
	}
	if len(diags) > 0 {
		if err := a.printDiags(diags, "text", w.top); err != nil {
			return err
		}
		return errNo
	}
	return a.printWhy(b, args[2], output)
}

// fieldPath reads .spec.containers[0].image, and ["a.b/c"] for names with dots.
func fieldPath(text string) ([]string, error) {
	bad := func() ([]string, error) {
		return nil, fmt.Errorf("%q is no field; write it as in .spec.template.spec.containers[0].image, or .metadata.labels[\"a.b/c\"]", text)
	}
	var out []string
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `["`):
			name, after, ok := strings.Cut(rest[2:], `"]`)
			if !ok {
				return bad()
			}
			out, rest = append(out, name), after
		case rest[0] == '[':
			name, after, ok := strings.Cut(rest[1:], "]")
			if !ok || name == "" || strings.Trim(name, "0123456789") != "" {
				return bad()
			}
			out, rest = append(out, name), after
		case rest[0] == '.' || len(out) == 0:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return bad()
			}
			out, rest = append(out, rest[:end]), rest[end:]
		default:
			return bad()
		}
	}
	if len(out) == 0 {
		return bad()
	}
	return out, nil
}

func (a *app) printWhy(b render.Because, field, output string) error {
	b.Field = field
	switch output {
	case "json":
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(b)
	case "yaml":
		raw, err := yaml.Marshal(b)
		if err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
		_, err = a.out.Write(raw)
		return err
	case "text":
	default:
		return fmt.Errorf("unknown output %q: use text, json or yaml", output)
	}
	fmt.Fprintf(a.out, "%s %s %s is %s\n", b.Unit, b.Object, b.Field, b.Value)
	if b.Computed {
		fmt.Fprintln(a.out, "It follows from what is below; no line holds it as it is.")
	}
	for _, s := range b.Said {
		fmt.Fprintf(a.out, "\n  %-12s%s\n", s.Who, place(s))
		if s.Text != "" {
			fmt.Fprintf(a.out, "              %s\n", s.Text)
		}
	}
	if b.Cut {
		fmt.Fprintln(a.out, "\nThere is more than is shown.")
	}
	return nil
}

// place is where something is said, and what is said there.
func place(s render.Voice) string {
	var words []string
	if s.Pos.File != "" {
		words = append(words, s.Pos.String())
	}
	switch {
	case s.Field != "" && len(s.Value) > 0:
		words = append(words, s.Field+": "+string(s.Value))
	case s.Field != "":
		words = append(words, s.Field)
	}
	return strings.Join(words, "  ")
}
