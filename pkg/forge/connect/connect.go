// Package connect gives the forge that a configuration names.
package connect

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/gitea"
	"github.com/fairway-dev/fairway/pkg/forge/github"
	"github.com/fairway-dev/fairway/pkg/forge/gitlab"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
)

// Target is a repository on a forge and in whose name it is asked.
type Target struct {
	Kind       string // gitea (Forgejo too), github or gitlab
	URL        string // of the forge; GitHub's and GitLab's public ones if empty
	Repository string // OWNER/NAME
	TokenFile  string // a file that holds a token
	Token      string // or the token
	App        *App   // or, on GitHub, an App
	Options    rest.Options
}

// App is a GitHub App that is installed at the repository's owner.
type App struct {
	ID           string // client ID or number
	Installation int64
	KeyFile      string // PEM
}

// To gives the forge of a target. It sends nothing.
func To(t Target) (forge.Forge, error) {
	f, err := open(t)
	if err != nil {
		return nil, fmt.Errorf("connect to the forge %s: %w", t.Kind, err)
	}
	return f, nil
}

func open(t Target) (forge.Forge, error) {
	base, ok := map[string]string{"gitea": "", "github": "https://api.github.com", "gitlab": "https://gitlab.com"}[t.Kind]
	if !ok {
		return nil, errors.New("the kind is unknown; it has to be gitea, github or gitlab")
	}
	if t.Kind == "github" {
		t.Options.Header = github.Header()
	}
	base = cmp.Or(t.URL, base)
	auth, login, err := t.auth(base)
	if err != nil {
		return nil, err
	}
	client, err := rest.New(base, auth, t.Options)
	if err != nil {
		return nil, err
	}
	switch t.Kind {
	case "github":
		return github.New(client, t.Repository, login)
	case "gitlab":
		return gitlab.New(client, t.Repository)
	}
	return gitea.New(client, t.Repository)
}

func (t Target) auth(base string) (rest.Auth, func(context.Context) (string, error), error) {
	given := 0
	for _, is := range []bool{t.TokenFile != "", t.Token != "", t.App != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, nil, errors.New("it needs one of: a file with a token, a token, an App")
	case t.TokenFile != "":
		return rest.TokenFile(t.TokenFile), nil, nil
	case t.Token != "":
		return rest.Token(t.Token), nil, nil
	case t.Kind != "github":
		return nil, nil, errors.New("only GitHub has Apps")
	}
	app, err := rest.NewApp(base, t.App.ID, t.App.Installation, t.App.KeyFile, t.Options)
	if err != nil {
		return nil, nil, err
	}
	return app, app.Login, nil
}
