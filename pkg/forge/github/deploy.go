package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

type deployment struct {
	ID  int64  `json:"id"`
	SHA string `json:"sha"`
}

func (d deployment) key() string { return strconv.FormatInt(d.ID, 10) }

// Deploy implements forge.Deployer: a deployment of the commit in the environment, and
// a status of it unless its newest says the same.
func (r *Repo) Deploy(ctx context.Context, d forge.Deployment) error {
	if err := r.deploy(ctx, d); err != nil {
		return fmt.Errorf("show the deployment of %.12s in %s: %w", d.Commit, d.Environment, refused(err))
	}
	return nil
}

func (r *Repo) deploy(ctx context.Context, d forge.Deployment) error {
	query := url.Values{"environment": {d.Environment}, "sha": {d.Commit}}
	there, err := list(ctx, r, r.below.Path("deployments"), query, deployment.key, nil)
	if err != nil {
		return err
	}
	var one deployment
	if len(there) > 0 {
		one = there[0] // newest first
	} else {
		body := map[string]any{
			"ref": d.Commit, "environment": d.Environment, "transient_environment": d.Transient,
			"production_environment": false, "auto_merge": false, "required_contexts": []string{},
		}
		if err := r.below.Send(ctx, http.MethodPost, r.below.Path("deployments"), body, &one); err != nil {
			return err
		}
	}
	if one.ID == 0 {
		return errors.New("the answer has no number of the deployment")
	}
	states := map[forge.StatusState]string{forge.Pending: "in_progress", forge.Success: "success", forge.Failure: "failure", forge.Errored: "error"}
	return r.deployStatus(ctx, one.ID, states[d.State], d.URL)
}

func (r *Repo) deployStatus(ctx context.Context, id int64, state, address string) error {
	var newest []struct {
		State string `json:"state"`
		URL   string `json:"environment_url"`
	}
	path := r.below.Path("deployments", id, "statuses")
	if err := r.below.Client.JSON(ctx, rest.Request{Path: path, Query: url.Values{"per_page": {"1"}}}, &newest); err != nil {
		return err
	}
	if len(newest) > 0 && newest[0].State == state && newest[0].URL == address {
		return nil
	}
	return r.below.Send(ctx, http.MethodPost, path, map[string]any{"state": state, "environment_url": address, "auto_inactive": true}, nil)
}

// Retire implements forge.Deployer: every deployment in the environment is inactive.
func (r *Repo) Retire(ctx context.Context, environment string) error {
	there, err := list(ctx, r, r.below.Path("deployments"), url.Values{"environment": {environment}}, deployment.key, nil)
	if err != nil {
		return fmt.Errorf("retire the environment %s: %w", environment, refused(err))
	}
	for _, one := range there {
		if err := r.deployStatus(ctx, one.ID, "inactive", ""); err != nil {
			return fmt.Errorf("retire the environment %s: %w", environment, refused(err))
		}
	}
	return nil
}
