package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

type environment struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	URL   string `json:"external_url"`
}

func (e environment) key() string { return strconv.FormatInt(e.ID, 10) }

// Deploy implements forge.Deployer: an environment with its address, and a deployment
// of the commit in it.
func (r *Repo) Deploy(ctx context.Context, d forge.Deployment) error {
	err := r.expose(ctx, d)
	if err == nil {
		err = r.deploy(ctx, d)
	}
	if err != nil {
		return fmt.Errorf("show the deployment of %.12s in %s: %w", d.Commit, d.Environment, err)
	}
	return nil
}

func (r *Repo) environments(ctx context.Context, name string) ([]environment, error) {
	return list(ctx, r, r.below.Path("environments"), url.Values{"name": {name}}, environment.key, nil)
}

func (r *Repo) expose(ctx context.Context, d forge.Deployment) error {
	there, err := r.environments(ctx, d.Environment)
	switch {
	case err != nil:
		return err
	case len(there) == 0:
		body := map[string]string{"name": d.Environment, "tier": "other"}
		if d.Transient {
			body["tier"] = "development"
		}
		if d.URL != "" {
			body["external_url"] = d.URL
		}
		return r.below.Send(ctx, http.MethodPost, r.below.Path("environments"), body, nil)
	case d.URL != "" && there[0].URL != d.URL:
		return r.below.Send(ctx, http.MethodPut, r.below.Path("environments", there[0].ID), map[string]string{"external_url": d.URL}, nil)
	}
	return nil
}

func (r *Repo) deploy(ctx context.Context, d forge.Deployment) error {
	states := map[forge.StatusState]string{forge.Pending: "running", forge.Success: "success", forge.Failure: "failed", forge.Errored: "failed"}
	var newest []struct {
		ID     int64  `json:"id"`
		SHA    string `json:"sha"`
		Status string `json:"status"`
	}
	query := url.Values{"environment": {d.Environment}, "order_by": {"id"}, "sort": {"desc"}, "per_page": {"1"}}
	if err := r.below.Client.JSON(ctx, rest.Request{Path: r.below.Path("deployments"), Query: query}, &newest); err != nil {
		return err
	}
	state := states[d.State]
	switch {
	case len(newest) > 0 && newest[0].SHA == d.Commit && newest[0].Status == state:
		return nil
	case len(newest) > 0 && newest[0].SHA == d.Commit && newest[0].Status == "running":
		return r.below.Send(ctx, http.MethodPut, r.below.Path("deployments", newest[0].ID), map[string]string{"status": state}, nil)
	}
	body := map[string]any{"environment": d.Environment, "sha": d.Commit, "ref": d.Ref, "tag": false, "status": state}
	return r.below.Send(ctx, http.MethodPost, r.below.Path("deployments"), body, nil)
}

// Retire implements forge.Deployer.
func (r *Repo) Retire(ctx context.Context, name string) error {
	there, err := r.environments(ctx, name)
	for _, e := range there {
		if err == nil && e.State != "stopped" {
			err = r.below.Send(ctx, http.MethodPost, r.below.Path("environments", e.ID, "stop"), nil, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("retire the environment %s: %w", name, err)
	}
	return nil
}
