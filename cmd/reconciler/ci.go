package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/pulls"
)

func newCI(a *app) *cobra.Command {
	var c ci
	cmd := &cobra.Command{
		Use:   "ci",
		Short: "Report on a pull request from a job, without a daemon",
		Long: `ci says on a pull request what merging it would do, as the daemon does: the same
statuses and the same comment. It reads the repository from its remote and evaluates
it as the daemon would; nothing that the pull request brings is run, and no cluster is
asked. Do not have the daemon and a job report on the same repository.
Exit code 1 means that the change brings mistakes or cannot be merged.`,
		Example: `  reconciler ci --pr 12 --repo https://git.example.com/acme/platform.git \
    --forge gitea --forge-url https://git.example.com --forge-repository acme/platform --forge-token-file token
  RECONCILER_PR=12 reconciler ci --repo https://github.com/acme/platform.git --forge github --forge-repository acme/platform --forge-token-file token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.repo == "" || c.forge.kind == "" || c.number <= 0 {
				return errors.New("--repo, --forge and --pr are needed")
			}
			return a.ci(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.number, "pr", 0, "number of the pull request")
	f.StringVar(&c.repo, "repo", "", "URL of the platform repository")
	f.StringVar(&c.branch, "branch", "main", "the branch that the daemon follows")
	f.StringVar(&c.username, "git-username", "", "user name at the Git server")
	f.StringVar(&c.passwordFile, "git-password-file", "", "file with the password or token for the Git server")
	f.StringVar(&c.cacheDir, "cache-dir", "", "folder that may be kept from job to job; it only saves time (default: one of the user's)")
	c.forge.flags(cmd)
	return cmd
}

// ci is what a job is told.
type ci struct {
	number                 int
	repo, branch           string
	username, passwordFile string
	cacheDir               string
	forge                  forgeSettings
}

// fixedBase is the base of pull requests where nothing follows it.
type fixedBase struct {
	store *git.Store
	rev   git.Revision
}

func (b fixedBase) Store() *git.Store             { return b.store }
func (b fixedBase) Current() (git.Revision, bool) { return b.rev, true }

// unwritten is the journal of a job, which ends with it.
type unwritten struct{}

func (unwritten) Append(context.Context, ...journal.Record) {}

func (a *app) ci(ctx context.Context, c ci) error {
	if c.cacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find a folder for caches: %w; name one with --cache-dir", err)
		}
		c.cacheDir = filepath.Join(dir, "fairway", "ci")
	}
	password, err := readSecret(c.passwordFile)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.cacheDir, 0o700); err != nil {
		return fmt.Errorf("make the folder for caches: %w", err)
	}
	log := a.logger(a.err, "text")
	defer a.progress("reviewing")()
	repo, err := openCopy(filepath.Join(c.cacheDir, "git"), log)
	if err != nil {
		return err
	}
	defer repo.store.Close()
	remote := git.Remote{URL: c.repo, Branch: c.branch, Credentials: git.Credentials{Username: c.username, Password: password}}
	base := fixedBase{store: repo.store}
	if base.rev, err = repo.store.Fetch(ctx, remote); errors.Is(err, git.ErrRewound) { // it is not for a job to hold it
		err = repo.store.Accept(c.branch, base.rev.Commit)
	}
	if err != nil {
		return err
	}
	p, err := a.report(ctx, c, base, remote, password, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "pull request %d: %s\n", c.number, p.Report.Verdict())
	if mistakes, _ := p.Report.Mistakes.Count(); mistakes > 0 || len(p.Report.Conflicts) > 0 {
		return errNo
	}
	return nil
}

// report evaluates the base and has the pull request reported on.
func (a *app) report(ctx context.Context, c ci, base fixedBase, remote git.Remote, password string, log *slog.Logger) (pulls.Pull, error) {
	evaluator := newEvaluator(filepath.Join(c.cacheDir, "results"), sealOf(c.repo, password), a)
	defer evaluator.Pool.Close()
	if evaluator.Cache != nil {
		defer evaluator.Cache.Close()
	}
	tree, err := base.store.Tree(base.rev.Commit)
	if err != nil {
		return pulls.Pull{}, err
	}
	r := reviewer(fleet.New(evaluator), evaluator, time.Now)
	r.InForce.Now = time.Now
	r.InForce.On(r.Today())
	if _, err := r.InForce.Advance(ctx, tree, fleet.Before(base.store, base.rev.Commit)); err != nil {
		return pulls.Pull{}, fmt.Errorf("revision %s: %w", base.rev.Commit, err)
	}
	f, err := c.forge.follower(pulls.Options{Base: base, Reviewer: r, Remote: remote, Journal: unwritten{}, Log: log})
	if err != nil {
		return pulls.Pull{}, err
	}
	return f.Once(ctx, c.number)
}
