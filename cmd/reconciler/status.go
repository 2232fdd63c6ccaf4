package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/status"
)

// client asks a running daemon.
type client struct{ server, token string }

func (c *client) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.server, "server", "http://127.0.0.1:7420", "address of the daemon")
	cmd.Flags().StringVar(&c.token, "token", "", "token for a daemon that wants one; better given as RECONCILER_TOKEN")
}

func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	address := strings.TrimSuffix(c.server, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	return c.do(req, into)
}

// do sends a request and reads its answer, unless into is nil.
func (c *client) do(req *http.Request, into any) error {
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the daemon at %s: %w\nIs it running? Start it with: reconciler up", c.server, errors.Unwrap(err))
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("ask the daemon at %s: %w: set RECONCILER_TOKEN", c.server, errDenied)
	case res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated:
		return fmt.Errorf("ask the daemon at %s: it answers %s%s", req.URL, res.Status, said(res.Body))
	case into == nil:
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 256<<20)).Decode(into); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// said is what an answer that is a refusal says; "" where it says nothing.
func said(body io.Reader) string {
	var refusal struct {
		Message string `json:"message"`
	}
	if json.NewDecoder(io.LimitReader(body, 64<<10)).Decode(&refusal) != nil || refusal.Message == "" {
		return ""
	}
	return ": " + refusal.Message
}

// unitList is the daemon's answer.
type unitList struct {
	Metadata struct {
		Revision string `json:"revision"`
		Verdict  string `json:"verdict"`
		Withheld string `json:"withheld"`
		Message  string `json:"message"`
		Phases   string `json:"phases"`
		// Now is what time it is for the daemon, by whose clock all times are.
		Now time.Time `json:"now"`
	} `json:"metadata"`
	Items []status.Unit `json:"items"`
}

// now is the daemon's time, or this machine's where an older daemon does not say.
func (l unitList) now() time.Time {
	if l.Metadata.Now.IsZero() {
		return time.Now()
	}
	return l.Metadata.Now
}

func newStatus(a *app) *cobra.Command {
	var c client
	var sel selector
	var output string
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [UNIT]",
		Short: "Show what runs where, and whether it is what Git says",
		Long: `status asks the daemon. A unit that is not as it should be comes with the reason,
its age, and what to do. Exit code 1 means that some unit is not synced and healthy.`,
		Example: `  reconciler status
  reconciler status prod/prod-eu/checkout
  reconciler status --env prod --watch
  reconciler status -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				parts := strings.Split(args[0], "/")
				if len(parts) != 3 {
					return fmt.Errorf("%q is not a unit: want ENVIRONMENT/CLUSTER/SERVICE", args[0])
				}
				sel.environment, sel.cluster, sel.service = parts[0], parts[1], parts[2]
			}
			return a.status(cmd.Context(), &c, sel, output, watch)
		},
	}
	c.flags(cmd)
	sel.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "how status is written: table, wide, json or yaml")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on and print what changes")
	return cmd
}

func (a *app) status(ctx context.Context, c *client, sel selector, output string, watch bool) error {
	query := url.Values{}
	for k, v := range map[string]string{"environment": sel.environment, "cluster": sel.cluster, "team": sel.team, "service": sel.service} {
		if v != "" {
			query.Set(k, v)
		}
	}
	if watch {
		return a.watchStatus(ctx, c, query)
	}
	var raw json.RawMessage
	if err := c.get(ctx, "/api/v1/units", query, &raw); err != nil {
		return err
	}
	var list unitList
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if err := a.printStatus(raw, list, output); err != nil {
		return err
	}
	if slices.ContainsFunc(list.Items, func(u status.Unit) bool { return !ready(u) }) {
		return errNo
	}
	return nil
}

func ready(u status.Unit) bool { return u.Conditions()[0].Status == "True" }

func (a *app) printStatus(raw json.RawMessage, list unitList, output string) error {
	switch output {
	case "json", "yaml":
		return a.printRaw(raw, output)
	case "table", "wide":
		return a.statusTable(list, output == "wide")
	}
	return fmt.Errorf("unknown output %q: use table, wide, json or yaml", output)
}

func (a *app) statusTable(list unitList, wide bool) error {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	head := "UNIT\tSYNC\tHEALTH\tREVISION\tAGE"
	if wide {
		head += "\tTEAM\tOBJECTS\tSOURCE"
	}
	fmt.Fprintln(w, head)
	good := 0
	for _, u := range list.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s", u.Unit, u.Sync, healthOf(u), short(u.Revision), age(u.Since, list.now()))
		if wide {
			fmt.Fprintf(w, "\t%s\t%d\t%s", u.Team, u.Objects, u.Source)
		}
		fmt.Fprintln(w)
		if ready(u) {
			good++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.explainTroubles(list.Items, list.now())
	if list.Metadata.Phases != "" {
		fmt.Fprintf(a.out, "\n%s\n", list.Metadata.Phases)
	}
	if list.Metadata.Withheld != "" {
		fmt.Fprintf(a.out, "\n%s of Git is withheld\n  %s\n", short(list.Metadata.Withheld), list.Metadata.Message)
	}
	_, err := fmt.Fprintf(a.out, "\n%d of %d units synced and healthy, at %s, verdict %s\n", good, len(list.Items), short(list.Metadata.Revision), list.Metadata.Verdict)
	return err
}

// healthOf is the word for how a unit does: one that sleeps well sleeps.
func healthOf(u status.Unit) string {
	if u.Asleep && ready(u) {
		return "Asleep"
	}
	return string(cmp.Or(u.Health, cluster.Healthy))
}

// explainTroubles says below the table what is wrong, for how long, and what to do.
func (a *app) explainTroubles(units []status.Unit, now time.Time) {
	for _, u := range units {
		if ready(u) || u.Message == "" {
			continue
		}
		fmt.Fprintf(a.out, "\n%s: %s for %s (%s)\n  %s\n", u.Unit, strings.ToLower(string(u.Sync)), age(u.Since, now), cmp.Or(u.Reason, "waiting"), u.Message)
		if u.Hint != "" {
			fmt.Fprintf(a.out, "  hint: %s\n", u.Hint)
		}
		if u.Attempts > 0 {
			fmt.Fprintf(a.out, "  tried %d times, next in %s\n", u.Attempts, max(u.Next.Sub(now), 0).Round(time.Second))
		}
	}
}

// watchStatus prints a line for each unit whose status changed, until interrupted.
func (a *app) watchStatus(ctx context.Context, c *client, query url.Values) error {
	seen := map[string]status.Unit{}
	for ctx.Err() == nil {
		var list unitList
		if err := c.get(ctx, "/api/v1/units", query, &list); err != nil && ctx.Err() == nil {
			return err
		}
		for _, u := range list.Items {
			old, known := seen[u.Unit.String()]
			if known && old.Sync == u.Sync && old.Health == u.Health && old.Revision == u.Revision && old.Message == u.Message {
				continue
			}
			seen[u.Unit.String()] = u
			fmt.Fprintf(a.out, "%s  %-32s %-9s %-12s %-9s %s\n", time.Now().Format("15:04:05.0"), u.Unit, u.Sync, healthOf(u), short(u.Revision), u.Message)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return ctx.Err()
}

func short(revision string) string {
	if len(revision) > 7 {
		return revision[:7]
	}
	return cmp.Or(revision, "-")
}

// age is how long before now something was, as kubectl shows it.
func age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
