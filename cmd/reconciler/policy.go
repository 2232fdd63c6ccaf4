package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/policy"
	"github.com/fairway-dev/fairway/pkg/render"
)

func newPolicy(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Look at, try and enforce the guardrails",
		Long: `policy works on platform/policies, a CUE file each, and platform/exceptions. vet
judges by them; these commands are for those who write them.`,
		Example: `  reconciler policy list
  reconciler policy what-if platform/policies/draft.cue`,
	}
	cmd.AddCommand(newPolicyList(a), newPolicyTest(a), newPolicyWhatIf(a), newPolicyAdmission(a))
	return cmd
}

func newPolicyList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the policies, and what breaks them today",
		Long: `list shows each policy with its severity today, who owns it, how many units break
it, and how many of those an exception frees; then the exceptions.`,
		Example: `  reconciler policy list
  reconciler policy list --today 2027-03-01`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listPolicies(cmd.Context()) },
	}
}

func (a *app) listPolicies(ctx context.Context) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	f, _, _, err := w.fleet(ctx, "")
	if err != nil {
		return err
	}
	survey, err := f.Survey(ctx)
	if err != nil {
		return err
	}
	broken, excepted, used := map[string]map[catalog.UnitKey]bool{}, map[string]map[catalog.UnitKey]bool{}, map[string]bool{}
	for _, found := range survey.Findings {
		by := broken
		if found.Exception != nil {
			by, used[found.Exception.Name] = excepted, true
		}
		if by[found.Policy.Name] == nil {
			by[found.Policy.Name] = map[catalog.UnitKey]bool{}
		}
		by[found.Policy.Name][found.Unit] = true
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POLICY\tSEVERITY\tSUBJECT\tOWNER\tBREAK\tFREED\tASKS THAT")
	cat := f.Catalog()
	for _, name := range slices.Sorted(maps.Keys(cat.Policies)) {
		p := cat.Policies[name]
		if p.Broken() {
			fmt.Fprintf(t, "%s\tbroken\t\t\t\t\tsee reconciler vet\n", name)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", name, severityNow(p.Severity, w.today), p.Subject, p.Owner, len(broken[name]), len(excepted[name]), p.Title)
	}
	if len(cat.Exceptions) > 0 {
		fmt.Fprintln(t, "\nEXCEPTION\tPOLICY\tSERVICE\tOWNER\tEXPIRES\tUSED\tBECAUSE")
	}
	for _, name := range slices.Sorted(maps.Keys(cat.Exceptions)) {
		e := cat.Exceptions[name]
		words := map[bool]string{true: "yes", false: "no"}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, e.Policy, e.Service, e.Owner, e.Expires, words[used[name]], e.Reason)
	}
	return t.Flush()
}

// severityNow is a severity on a day, in words. Example: "warn, deny from 2027-03-01".
func severityNow(severity string, today policy.Day) string {
	switch now, until := policy.SeverityOn(severity, today); {
	case until != "":
		return "warn, deny from " + until
	case now == diag.Warning:
		return "warn"
	}
	return "deny"
}

func newPolicyTest(a *app) *cobra.Command {
	var cost bool
	cmd := &cobra.Command{
		Use:   "test [NAME...]",
		Short: "Try policies with their own examples",
		Long: `test evaluates policies and holds each against its examples: those that pass must,
and those that fail must not. It shows what is said of the latter. With --cost it
measures, over the whole fleet, which part of judging each policy is.`,
		Example: `  reconciler policy test
  reconciler policy test critical-replicas
  reconciler policy test --cost`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cost {
				return a.policyCost(cmd.Context())
			}
			return a.testPolicies(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVar(&cost, "cost", false, "measure what each policy costs; exit with 1 if one is too dear")
	return cmd
}

func (a *app) testPolicies(ctx context.Context, names []string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	tree, _, _, err := w.tree("")
	if err != nil {
		return err
	}
	cat, diags, err := w.evaluator.Guardrails(ctx, tree)
	if err != nil {
		return err
	}
	for _, name := range names {
		if cat.Policies[name] == nil {
			return fmt.Errorf("there is no policy %s; %s", name, cmp.Or(suggest(name, cat.Policies), "see reconciler policy list"))
		}
	}
	asked := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	passed := 0
	for _, name := range slices.Sorted(maps.Keys(cat.Policies)) {
		p := cat.Policies[name]
		if !asked(name) || p.Broken() {
			continue
		}
		passed++
		fmt.Fprintf(a.out, "ok  %s: %d pass, %d fail\n", name, len(p.Passes), len(p.Fails))
		for _, example := range slices.Sorted(maps.Keys(p.Says)) {
			for _, said := range p.Says[example] {
				fmt.Fprintf(a.out, "      %s: %s\n", example, said)
			}
		}
	}
	diags = slices.DeleteFunc(diags, func(d diag.Diag) bool {
		return !asked(strings.TrimSuffix(filepath.Base(d.Pos.File), ".cue"))
	})
	if err := a.printDiags(diags, "text", w.top); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d policies are as their examples say\n", passed)
	if diags.Errors() {
		return errNo
	}
	return nil
}

func suggest[V any](name string, m map[string]V) string {
	if near := diag.Nearest(name, slices.Sorted(maps.Keys(m))); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// impact is what a policy would do to the fleet.
type impact struct {
	Policy    string   `json:"policy"`
	Title     string   `json:"title"`
	Severity  string   `json:"severity"`
	Owner     string   `json:"owner"`
	Units     int      `json:"units"`
	Break     int      `json:"break"`
	Freed     int      `json:"freed"`
	NotJudged []string `json:"notJudged,omitempty"`
	Teams     []struck `json:"teams"`
}

// struck is a team whose units break a policy.
type struck struct {
	Team     string    `json:"team"`
	Owners   []string  `json:"owners"`
	Mistakes []mistake `json:"mistakes"`
}

// mistake is one line to change, and the units it is for.
type mistake struct {
	Units   []string `json:"units"`
	At      string   `json:"at"`
	Message string   `json:"message"`
	Fix     string   `json:"fix,omitempty"`
}

func newPolicyWhatIf(a *app) *cobra.Command {
	var output string
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "what-if FILE",
		Short: "Show who would break a policy before it is switched on",
		Long: `what-if holds the whole fleet against one policy that need not be in force, and
shows who would break it, by team, with the line to change and the smallest fix.
The file is read as platform/policies/<its name> would be.`,
		Example: `  reconciler policy what-if platform/policies/draft.cue
  reconciler policy what-if /tmp/draft.cue -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.whatIf(cmd.Context(), args[0], output, exitCode)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how it is written: text, json or yaml")
	cmd.Flags().BoolVar(&exitCode, "exit-code", true, "exit with 1 if anybody would break it")
	return cmd
}

func (a *app) whatIf(ctx context.Context, file, output string, exitCode bool) error {
	if !slices.Contains([]string{"text", "json", "yaml"}, output) {
		return fmt.Errorf("unknown output %q: use text, json or yaml", output)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the policy: %w", err)
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
	name := strings.TrimSuffix(filepath.Base(file), ".cue")
	candidate, survey, diags, err := f.WhatIf(ctx, name, string(text))
	if err != nil {
		return err
	}
	if diags = append(diags, survey.Undecided...); len(diags) > 0 {
		if err := a.printDiags(diags, "text", w.top); err != nil {
			return err
		}
		return errNo
	}
	i := impactOf(f.Catalog(), candidate.Declared, survey)
	if err := a.printImpact(i, output); err != nil {
		return err
	}
	if exitCode && i.Break > 0 {
		return errNo
	}
	return nil
}

// impactOf groups what was found by team and by the line that is to change.
func impactOf(cat *catalog.Catalog, p *catalog.Policy, survey render.Survey) impact {
	i := impact{Policy: p.Name, Title: p.Title, Severity: p.Severity, Owner: p.Owner, Units: survey.Judged, Teams: []struck{}}
	for _, key := range survey.Not {
		i.NotJudged = append(i.NotJudged, key.String())
	}
	teams := map[string]*struck{}
	breaking, freed := map[catalog.UnitKey]bool{}, map[catalog.UnitKey]bool{}
	for _, found := range survey.Findings {
		if found.Exception != nil {
			freed[found.Unit] = true
			continue
		}
		breaking[found.Unit] = true
		t := teams[found.Team]
		if t == nil {
			t = &struck{Team: found.Team, Owners: ownersOf(cat, found.Team)}
			teams[found.Team] = t
		}
		t.add(found)
	}
	i.Break, i.Freed = len(breaking), len(freed)
	for _, name := range slices.Sorted(maps.Keys(teams)) {
		i.Teams = append(i.Teams, *teams[name])
	}
	return i
}

func (t *struck) add(found render.Finding) {
	at, said := found.Diag.Pos.String(), strings.Replace(found.Diag.Message, ": "+found.Policy.Title, "", 1)
	for i := range t.Mistakes {
		if m := &t.Mistakes[i]; m.At == at && m.Message == said {
			m.Units = append(m.Units, found.Unit.String())
			return
		}
	}
	t.Mistakes = append(t.Mistakes, mistake{Units: []string{found.Unit.String()}, At: at, Message: said, Fix: found.Fix})
}

func (a *app) printImpact(i impact, output string) error {
	if output != "text" {
		return writeValue(a.out, i, output)
	}
	fmt.Fprintf(a.out, "%s: %s\n", i.Policy, i.Title)
	for _, t := range i.Teams {
		fmt.Fprintf(a.out, "\nteam %s (%s)\n", t.Team, strings.Join(t.Owners, ", "))
		for _, m := range t.Mistakes {
			fmt.Fprintf(a.out, "  %s: %s\n", m.At, m.Message)
			if m.Fix != "" {
				fmt.Fprintf(a.out, "      fix    %s\n", m.Fix)
			}
			fmt.Fprintf(a.out, "      holds  %s\n", strings.Join(m.Units, ", "))
		}
	}
	fmt.Fprintf(a.out, "\n%d of %d units would break it", i.Break, i.Units)
	if i.Freed > 0 {
		fmt.Fprintf(a.out, ", and %d are free of it by an exception", i.Freed)
	}
	if len(i.NotJudged) > 0 {
		fmt.Fprintf(a.out, "; %d have mistakes and were not judged", len(i.NotJudged))
	}
	_, err := fmt.Fprintln(a.out)
	return err
}

// writeValue writes a value for machines.
func writeValue(w io.Writer, v any, output string) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err == nil && output == "yaml" {
		raw, err = yaml.JSONToYAML(raw)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, strings.TrimRight(string(raw), "\n"))
	return err
}
