package pulls

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/preview"
	"github.com/fairway-dev/fairway/pkg/status"
)

// shows is a forge that shows what runs where. It stands in for GitHub and GitLab, whose
// requests test/forge holds.
type shows struct {
	forge.Forge
	fails    error
	deployed []forge.Deployment
	retired  []string
}

func (s *shows) Deploy(_ context.Context, d forge.Deployment) error {
	s.deployed = append(s.deployed, d)
	return s.fails
}

func (s *shows) Retire(_ context.Context, environment string) error {
	s.retired = append(s.retired, environment)
	return s.fails
}

// TestPreviewIsADeployment: a preview is shown once as it is made, and once as it is
// ready; one of a fork and one that is not there are not; and it is retired until the
// forge took that.
func TestPreviewIsADeployment(t *testing.T) {
	there := &shows{}
	f := NewFollower(Options{Forge: there, Log: slog.New(slog.DiscardHandler)})
	p := &Pull{PullRequest: forge.PullRequest{Number: 7, Head: forge.Head{Branch: "topic", Commit: "c0ffee"}}}
	p.stage.made = preview.Preview{Number: 7, Services: []preview.Service{{Team: "shop", Name: "cart"}}}
	p.stage.status = status.Preview{Number: 7, Environment: "pr-7", State: status.PreviewWaiting}
	f.deployed(t.Context(), p)
	p.stage.status.State = status.PreviewMaking
	f.deployed(t.Context(), p)
	f.deployed(t.Context(), p)
	p.stage.status.State = status.PreviewReady
	p.stage.status.Services = []status.PreviewService{{Name: "cart", URLs: []string{"https://cart.example.com"}}}
	there.fails = errors.New("busy")
	f.deployed(t.Context(), p)
	there.fails = nil
	f.deployed(t.Context(), p)
	p.Head.Fork = true
	p.stage.status.State = status.PreviewFailing
	f.deployed(t.Context(), p)
	one := forge.Deployment{Environment: "pr-7", Commit: "c0ffee", Ref: "topic", State: forge.Pending, Transient: true}
	ready := one
	ready.State, ready.URL = forge.Success, "https://cart.example.com"
	if diff := cmp.Diff([]forge.Deployment{one, ready, ready}, there.deployed); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}

	f.retiring[7] = true
	there.fails = errors.New("busy")
	f.retire(t.Context())
	there.fails = nil
	f.retire(t.Context())
	f.retire(t.Context())
	if diff := cmp.Diff([]string{"pr-7", "pr-7"}, there.retired); diff != "" {
		t.Errorf("retired (-want +got):\n%s", diff)
	}
}
