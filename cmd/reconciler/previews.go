package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/pulls"
	"github.com/fairway-dev/fairway/pkg/status"
)

func newGet(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "get", Short: "List what the daemon looks after", Example: "  reconciler get previews", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var c client
	var output string
	previews := &cobra.Command{
		Use:   "previews",
		Short: "List the previews of open pull requests: how they are doing, where they are, when they end",
		Example: `  reconciler get previews
  reconciler get previews -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.getPreviews(cmd.Context(), &c, output) },
	}
	c.flags(previews)
	previews.Flags().StringVarP(&output, "output", "o", "table", "how they are written: table, json or yaml")
	cmd.AddCommand(previews)
	return cmd
}

func (a *app) getPreviews(ctx context.Context, c *client, output string) error {
	var raw json.RawMessage
	if err := c.get(ctx, "/api/v1/previews", nil, &raw); err != nil {
		return err
	}
	if output != "table" {
		return a.printRaw(raw, output)
	}
	var list struct {
		Metadata struct {
			Message string `json:"message"`
		} `json:"metadata"`
		Items []status.Preview `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if list.Metadata.Message != "" {
		return errors.New(list.Metadata.Message)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PREVIEW\tSTATE\tSERVICES\tENDS\tURL\tMESSAGE")
	for _, p := range list.Items {
		fmt.Fprintln(w, strings.Join(previewRow(p), "\t"))
	}
	return w.Flush()
}

func previewRow(p status.Preview) []string {
	var names, urls []string
	for _, s := range p.Services {
		names, urls = append(names, s.Name), append(urls, s.URLs...)
	}
	ends := "-"
	if !p.Until.IsZero() {
		ends = p.Until.UTC().Format("2006-01-02 15:04")
	}
	row := []string{p.Environment, string(p.State), strings.Join(names, ","), ends, strings.Join(urls, " "), p.Message}
	for i := range row {
		if row[i] == "" {
			row[i] = "-"
		}
	}
	return row
}

func newPreview(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Ask for previews: of an image, for longer, of a stranger's pull request, or for none",
		Long: `Each open pull request that touches services is made into an environment by itself;
see reconciler get previews. preview asks the daemon for what is beside that. What is
asked for becomes a pull request or a label on one, so the forge shows it.`,
		Example: `  reconciler preview create checkout --image 1.6.0-pr34.2
  reconciler preview extend pr-12 --days 7`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPreviewCreate(a), newPreviewExtend(a), newPreviewAllow(a), newPreviewDelete(a))
	return cmd
}

func newPreviewCreate(a *app) *cobra.Command {
	var c client
	var image, purpose string
	cmd := &cobra.Command{
		Use:   "create SERVICE --image TAG[@DIGEST]",
		Short: "Preview an image that was built elsewhere, by a pull request that releases it",
		Long: `create opens a pull request that releases the image in the environment that previews
stand on. Its preview comes and goes as any, and when it ends the pull request is
closed. With --for, a later image for the same takes the place of the earlier one.`,
		Example: `  reconciler preview create checkout --image 1.6.0-pr34.2
  reconciler preview create checkout --image 1.6.0-pr34.2@sha256:0f3c... --for checkout#34`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tag, digest, _ := strings.Cut(image, "@")
			var made struct {
				Number int    `json:"number"`
				URL    string `json:"url"`
			}
			wanted := pulls.Wanted{Service: args[0], Tag: tag, Digest: digest, For: purpose}
			if err := c.send(cmd.Context(), http.MethodPost, "/api/v1/previews", wanted, &made); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "pr-%d %s\n", made.Number, made.URL)
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&image, "image", "", "tag of the image in the service's repository, and its digest if known")
	cmd.Flags().StringVar(&purpose, "for", "", "what it is for, such as the pull request of the service's own repository")
	_ = cmd.MarkFlagRequired("image")
	return cmd
}

func newPreviewExtend(a *app) *cobra.Command {
	var c client
	var days int
	cmd := &cobra.Command{
		Use:     "extend PREVIEW",
		Short:   "Keep a preview for longer, by a label on its pull request",
		Example: `  reconciler preview extend pr-12 --days 7`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			day := time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly)
			if err := c.preview(cmd.Context(), http.MethodPost, args[0], map[string]string{"until": day}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "%s stays until the end of %s\n", args[0], day)
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().IntVar(&days, "days", 7, "for how many days from today")
	return cmd
}

func newPreviewAllow(a *app) *cobra.Command {
	var c client
	var head string
	cmd := &cobra.Command{
		Use:   "allow PREVIEW --head COMMIT",
		Short: "Let the head of a stranger's pull request be previewed, after reading it",
		Long: `allow lets exactly the head that was read be previewed: the next push has to be let in
anew. The commit is asked for so that what came meanwhile is not let in by mistake.`,
		Example: `  reconciler preview allow pr-12 --head 1a2b3c4d5e6f`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.preview(cmd.Context(), http.MethodPost, args[0], map[string]string{"allow": head})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&head, "head", "", "the commit that was read, at least 12 digits of it")
	_ = cmd.MarkFlagRequired("head")
	return cmd
}

func newPreviewDelete(a *app) *cobra.Command {
	var c client
	cmd := &cobra.Command{
		Use:     "delete PREVIEW",
		Short:   "Take a preview away: by a label, or with the pull request that was opened for it",
		Example: `  reconciler preview delete pr-12`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.preview(cmd.Context(), http.MethodDelete, args[0], nil)
		},
	}
	c.flags(cmd)
	return cmd
}

// preview asks for something of one preview, given as pr-12 or as 12.
func (c *client) preview(ctx context.Context, method, name string, body any) error {
	number, err := strconv.Atoi(strings.TrimPrefix(name, "pr-"))
	if err != nil {
		return fmt.Errorf("%q is no preview: want its name, such as pr-12", name)
	}
	return c.send(ctx, method, "/api/v1/previews/"+strconv.Itoa(number), body, nil)
}

// send asks the daemon to change something.
func (c *client) send(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a forge is asked for it
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.server, "/")+path, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(req, into)
}
