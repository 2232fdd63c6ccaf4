package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/forge/connect"
	"github.com/fairway-dev/fairway/pkg/preview"
	"github.com/fairway-dev/fairway/pkg/pulls"
)

// forgeSettings say where the pull requests are; none where kind is empty.
type forgeSettings struct {
	kind, url, repository, tokenFile string
	app                              connect.App
	poll                             time.Duration
}

func (s *forgeSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.kind, "forge", "", "forge whose pull requests are reviewed: gitea (Forgejo too), github or gitlab; none if empty")
	f.StringVar(&s.url, "forge-url", "", "URL of the forge (default: the public GitHub or GitLab)")
	f.StringVar(&s.repository, "forge-repository", "", "the platform repository on the forge, as OWNER/NAME")
	f.StringVar(&s.tokenFile, "forge-token-file", "", "file with the token for the forge's API")
	f.StringVar(&s.app.ID, "forge-app", "", "GitHub App instead of a token: its client ID or number")
	f.Int64Var(&s.app.Installation, "forge-app-installation", 0, "number of the App's installation at the repository's owner")
	f.StringVar(&s.app.KeyFile, "forge-app-key-file", "", "file with the App's private key")
	f.DurationVar(&s.poll, "forge-poll", time.Minute, "how often the forge is asked for pull requests; a webhook asks at once")
}

// follower makes what looks after pull requests; nil where there is no forge.
// Options that are set already stay.
func (s forgeSettings) follower(o pulls.Options) (*pulls.Follower, error) {
	if s.kind == "" {
		return nil, nil
	}
	target := connect.Target{Kind: s.kind, URL: s.url, Repository: s.repository, TokenFile: s.tokenFile}
	if s.app.ID != "" {
		target.App = &s.app
	}
	f, err := connect.To(target)
	if err != nil {
		return nil, err
	}
	ref := "refs/pull/%d/head"
	if s.kind == "gitlab" {
		ref = "refs/merge-requests/%d/head"
	}
	o.Forge, o.Poll = f, s.poll
	o.Ref = func(number int) string { return fmt.Sprintf(ref, number) }
	o.Link = func(int) string { return "" }
	return pulls.NewFollower(o), nil
}

// previews is the set of previews as the cache has it: sealed, as all that is in there.
func (s forgeSettings) previews(owner string, c *cache.Cache) *preview.Set {
	if s.kind == "" {
		return nil
	}
	if c == nil {
		return preview.Open(nil)
	}
	key := cache.KeyOf("previews 1", owner)
	raw, _ := c.Get(key)
	set := preview.Open(raw)
	set.Keep = func(raw []byte) {
		_ = c.Put(key, raw) // what is not kept is asked for again
		_ = c.Flush()
	}
	return set
}

// reviewer makes what says what proposals would do, of the fleet in force.
func reviewer(inForce *fleet.Fleet, e *eval.Evaluator, now func() time.Time) *pulls.Reviewer {
	r := &pulls.Reviewer{InForce: inForce, Trial: fleet.New(e)}
	r.Trial.Now = now
	r.Today = func() string { return now().UTC().Format(time.DateOnly) }
	return r
}
