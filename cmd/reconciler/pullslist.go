package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/status"
)

func newPulls(a *app) *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use:   "pulls",
		Short: "List the open pull requests: what each would do, and who must still approve it",
		Long: `pulls asks the daemon, which looks after the pull requests of its forge. See plan
--pr for all that one of them would do.`,
		Example: `  reconciler pulls
  reconciler pulls -o json
  reconciler plan --pr 12`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.pulls(cmd.Context(), &c, output) },
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "how they are written: table, json or yaml")
	return cmd
}

// pullList is the daemon's answer.
type pullList struct {
	Metadata struct {
		Message string `json:"message"`
	} `json:"metadata"`
	Items []status.PullRequest `json:"items"`
}

func (a *app) pulls(ctx context.Context, c *client, output string) error {
	var raw json.RawMessage
	if err := c.get(ctx, "/api/v1/pulls", nil, &raw); err != nil {
		return err
	}
	if output != "table" {
		return a.printRaw(raw, output)
	}
	var list pullList
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tAUTHOR\tRISK\tWOULD DO\tAPPROVALS\tTITLE")
	for _, p := range list.Items {
		does := p.Verdict
		if p.Failed != "" {
			does = "unknown: " + p.Failed
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", p.Number, p.Author, p.Risk, does, p.Approvals, p.Title)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch message := list.Metadata.Message; {
	case message != "" && len(list.Items) > 0:
		fmt.Fprintf(a.err, "\nthis may be old: %s\n", message)
	case message != "":
		return errors.New(message)
	}
	return nil
}

// printRaw writes an answer of the daemon as it is, or as YAML.
func (a *app) printRaw(raw json.RawMessage, output string) error {
	switch output {
	case "json":
		_, err := fmt.Fprintf(a.out, "%s\n", strings.TrimSpace(string(raw)))
		return err
	case "yaml":
		text, err := yaml.JSONToYAML(raw)
		if err != nil {
			return err
		}
		_, err = a.out.Write(text)
		return err
	}
	return fmt.Errorf("unknown output %q: use table, json or yaml", output)
}

// planPull prints what the daemon reported on a pull request, in the bytes that stand there.
func (a *app) planPull(ctx context.Context, c *client, number int, output string) error {
	var raw json.RawMessage
	if err := c.get(ctx, "/api/v1/pulls/"+strconv.Itoa(number), nil, &raw); err != nil {
		return fmt.Errorf("pull request %d: %w", number, err)
	}
	var answer struct {
		status.PullRequest
		Text   string          `json:"text"`
		Report json.RawMessage `json:"report"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if answer.Failed != "" {
		return errors.New("it could not be reviewed: " + answer.Failed)
	}
	switch output {
	case "text", "markdown":
		_, err := fmt.Fprint(a.out, answer.Text)
		return err
	case "json":
		return a.printRaw(answer.Report, output)
	}
	return fmt.Errorf("unknown output %q: use text, json or markdown", output)
}
