package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/render"
)

// selector picks units.
type selector struct{ environment, cluster, team, service string }

func (s *selector) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.environment, "env", "e", "", "only this environment")
	cmd.Flags().StringVar(&s.cluster, "cluster", "", "only this cluster")
	cmd.Flags().StringVar(&s.team, "team", "", "only this team")
	cmd.Flags().StringVar(&s.service, "service", "", "only this service")
}

func (s *selector) matches(key catalog.UnitKey, team string) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(s.environment, key.Environment) && is(s.cluster, key.Cluster) && is(s.team, team) && is(s.service, key.Service)
}

// pick lists the fleet's units that match, sorted.
func (s *selector) pick(f *fleet.Fleet) []*render.Unit {
	units := slices.DeleteFunc(f.Units(""), func(u *render.Unit) bool { return !s.matches(u.Key, u.Team) })
	slices.SortFunc(units, func(a, b *render.Unit) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return units
}

func newRender(a *app) *cobra.Command {
	var sel selector
	var out, rev, at, output string
	var secrets bool
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Show the Kubernetes objects that services become",
		Long: `render prints the objects of all units that match, or writes one file per object
with --out. The bytes are the same in every run and on every machine. The values
of Secrets, and of objects annotated fairway.dev/sensitive: "true", are masked.`,
		Example: `  reconciler render --env prod --service checkout
  reconciler render --rev v1.4.0 --out rendered/
  reconciler render -e dev -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.render(cmd.Context(), sel, rev, at, writer{app: a, dir: out, output: output, secrets: secrets})
		},
	}
	sel.flags(cmd)
	cmd.Flags().StringVar(&rev, "rev", "", "render a revision and not the working tree")
	cmd.Flags().StringVar(&at, "at", "", "the moment to render for, where environments sleep at night, as 2026-12-01T22:00:00Z (default: none, and all are awake)")
	cmd.Flags().StringVar(&out, "out", "", "write one file per object into this folder")
	cmd.Flags().StringVarP(&output, "output", "o", "yaml", "how objects are written: yaml or json; or a folder, as --out")
	cmd.Flags().BoolVar(&secrets, "show-secrets", false, "write the values of Secrets as they are")
	return cmd
}

// writer writes objects, to the output or as files.
type writer struct {
	*app
	dir     string // of the files; empty for the output
	output  string // yaml or json
	secrets bool   // are shown
}

func (a *app) render(ctx context.Context, sel selector, rev, at string, to writer) error {
	if to.output != "yaml" && to.output != "json" {
		to.dir, to.output = to.output, "yaml"
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.at(at); err != nil {
		return err
	}
	end := a.progress("rendering")
	f, _, _, err := w.fleet(ctx, rev)
	end()
	if err != nil {
		return err
	}
	held := 0
	for _, u := range sel.pick(f) {
		if u.Held() {
			held++
			continue
		}
		b, err := f.Bundle(ctx, u)
		if err != nil {
			return err
		}
		if err := to.bundle(b); err != nil {
			return err
		}
	}
	if held > 0 {
		are := "are"
		if held == 1 {
			are = "is"
		}
		fmt.Fprintf(a.err, "%s with mistakes %s not rendered; see reconciler vet\n", diag.Many(held, "unit"), are)
		return errNo
	}
	return nil
}

func (w writer) bundle(b render.Bundle) error {
	for _, o := range b.Objects {
		text, err := w.encode(o)
		if err != nil {
			return fmt.Errorf("write %s: %w", o.ID, err)
		}
		if w.dir == "" {
			if err := writeDocument(w.out, text, w.output); err != nil {
				return err
			}
			continue
		}
		file := filepath.Join(w.dir, b.Unit.Environment, b.Unit.Cluster, b.Unit.Service, fileName(o.ID)+"."+w.output)
		if err := writeFile(file, text); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) encode(o object.Object) ([]byte, error) {
	body := []byte(o.Body)
	if fields := o.Fields(); !w.secrets && object.Secretive(o.ID, fields) {
		var err error
		if body, err = object.Encode(object.RedactObject(o.ID, fields)); err != nil {
			return nil, err
		}
	}
	if w.output == "json" {
		var buf bytes.Buffer
		if err := json.Indent(&buf, body, "", "  "); err != nil {
			return nil, err
		}
		buf.WriteByte('\n')
		return buf.Bytes(), nil
	}
	return yaml.JSONToYAML(body)
}

func writeDocument(w io.Writer, text []byte, output string) error {
	if output == "yaml" {
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
	}
	_, err := w.Write(text)
	return err
}

// fileName names an object's file. Example: "deployment-checkout".
func fileName(id object.ID) string { return strings.ToLower(id.Kind) + "-" + id.Name }

// writeFile writes a file unless it has these bytes already.
func writeFile(file string, text []byte) error {
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644))
}
