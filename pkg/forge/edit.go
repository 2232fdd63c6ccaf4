package forge

import (
	"context"
	"errors"
	"slices"
)

// Label puts a label on a pull request by put, which gives the labels that are on after
// it. One that is on before is left, and nothing is sent.
func Label(ctx context.Context, f Forge, number int, is func(label string) bool, put func() ([]string, error)) error {
	p, err := f.Pull(ctx, number)
	if err != nil || slices.ContainsFunc(p.Labels, is) {
		return err
	}
	on, err := put()
	if err == nil && !slices.ContainsFunc(on, is) {
		err = errors.New("the forge took that, and the label is not on")
	}
	return err
}

// Close closes a pull request by shut, which gives it as it is after that. One that is
// not open is left, and nothing is sent.
func Close(ctx context.Context, f Forge, number int, shut func() (PullRequest, error)) error {
	p, err := f.Pull(ctx, number)
	if err == nil && p.State == Open {
		p, err = shut()
	}
	if err == nil && p.State == Open {
		err = errors.New("the forge took that, and it is open still")
	}
	return err
}
