package pulls

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/preview"
	"github.com/fairway-dev/fairway/pkg/status"
)

// statusPreview is the status that says how the preview is doing.
const statusPreview = "fairway/preview"

// show says how a pull request's preview is doing.
func (f *Follower) show(p *Pull) status.Preview {
	s := p.stage
	out := status.Preview{
		Number: p.Number, Environment: s.made.Environment(), Head: p.Head.Commit,
		Left: s.made.Left, Until: s.leave.Until, Monthly: s.monthly,
	}
	switch {
	case s.refused != "":
		out.State, out.Message = status.PreviewFailing, s.refused
	case s.leave.Waits:
		out.State, out.Message = status.PreviewWaiting, s.leave.Refused
	case len(s.made.Services) == 0:
		out.State, out.Message = status.PreviewNone, "no service is touched that could be previewed"
	case s.leave.Refused != "":
		out.State, out.Message = status.PreviewEnded, s.leave.Refused
	default:
		f.watch(&out, s)
	}
	return out
}

// watch says how the units of a preview are doing.
func (f *Follower) watch(out *status.Preview, s stage) {
	units := map[string][]status.Unit{}
	for _, u := range f.opts.Place.Units() {
		if u.Unit.Environment == out.Environment {
			units[u.Unit.Service] = append(units[u.Unit.Service], u)
		}
	}
	out.State = status.PreviewReady
	worse := func(state status.PreviewState, message string) {
		if out.State == status.PreviewReady || out.State == status.PreviewMaking && state == status.PreviewFailing {
			out.State, out.Message = state, message
		}
	}
	if s.version > f.opts.Place.Previewed() {
		worse(status.PreviewMaking, "it is being made")
	}
	for _, service := range s.made.Services {
		row := status.PreviewService{Team: service.Team, Name: service.Name, URLs: f.urls(out.Environment, service.Name)}
		about := slices.Concat(units[catalog.TeamUnit("", "", service.Team).Service], units[service.Name])
		var state status.PreviewState
		state, row.State, row.Message = judged(about, len(units[service.Name]) > 0)
		if state != status.PreviewReady {
			worse(state, strings.TrimSuffix(service.Name+": "+row.State+": "+row.Message, ": "))
		}
		out.Services = append(out.Services, row)
	}
	for _, d := range f.opts.Reviewer.InForce.MistakesOf(out.Environment) {
		if d.Severity == diag.Error {
			worse(status.PreviewFailing, fmt.Sprintf("%s: %s", d.Pos, d.Message))
		}
	}
}

// judged is how the units of a service are doing, as a state and in words.
func judged(units []status.Unit, there bool) (state status.PreviewState, word, message string) {
	if !there {
		return status.PreviewMaking, "not there yet", ""
	}
	state, word = status.PreviewReady, "Healthy"
	for _, u := range units {
		bad := u.Sync == status.Held || u.Sync == status.Failed || u.Health == cluster.Degraded
		well := u.Sync == status.Synced && (u.Health == cluster.Healthy || u.Health == cluster.Suspended || u.Health == cluster.HealthUnknown)
		switch {
		case bad && state != status.PreviewFailing:
			state, word, message = status.PreviewFailing, doing(u), u.Message
		case !bad && !well && state == status.PreviewReady:
			state, word, message = status.PreviewMaking, doing(u), u.Message
		case u.Asleep && state == status.PreviewReady:
			word = "asleep"
		}
	}
	return state, word, message
}

func doing(u status.Unit) string {
	if u.Sync != status.Synced {
		return string(u.Sync)
	}
	return string(u.Health)
}

// urls are where a service of a preview can be seen.
func (f *Follower) urls(environment, service string) []string {
	hosts := map[string]bool{}
	for _, u := range f.opts.Reviewer.InForce.Units("") {
		if u.Key.Environment == environment && u.Key.Service == service {
			for _, host := range u.Hosts() {
				hosts["https://"+host] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// previewSaid is a preview as a status and as a part of the comment.
func previewSaid(p status.Preview) (forge.Status, string) {
	s := forge.Status{Context: statusPreview, State: forge.Success, Description: p.Message}
	switch p.State {
	case "":
		return forge.Status{}, ""
	case status.PreviewWaiting, status.PreviewMaking:
		s.State = forge.Pending
	case status.PreviewFailing:
		s.State = forge.Failure
	case status.PreviewReady:
		s.Description = "all of it is there"
		for _, service := range p.Services {
			if len(service.URLs) > 0 && s.URL == "" {
				s.URL, s.Description = service.URLs[0], service.URLs[0]
			}
		}
	}
	if p.State == status.PreviewNone && len(p.Left) == 0 {
		return s, ""
	}
	return s, previewText(p)
}

func previewText(p status.Preview) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**Preview** `%s`: %s", p.Environment, p.State)
	if p.Message != "" {
		b.WriteString(": " + plan.Cell(p.Message))
	}
	b.WriteString("\n\n")
	if len(p.Services) > 0 {
		b.WriteString("| service | | |\n|---|---|---|\n")
		for _, s := range p.Services {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Name, strings.Join(s.URLs, " "), plan.Cell(strings.TrimSuffix(s.State+": "+s.Message, ": ")))
		}
		b.WriteString("\nWhat is not touched is called in the environment that it stands on.")
		if p.Monthly > 0 {
			fmt.Fprintf(&b, " It costs %.2f a month.", p.Monthly)
		}
		fmt.Fprintf(&b, " It ends with the pull request, or on %s. The label `%s` keeps it until then, `%s` takes it away.\n",
			p.Until.UTC().Format("2006-01-02 15:04 UTC"), preview.UntilLabel(p.Until.Add(7*24*time.Hour)), preview.NoPreview)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Left)) {
		fmt.Fprintf(&b, "- %s is left out: %s\n", name, plan.Cell(p.Left[name]))
	}
	return b.String()
}

// count tells the metrics how many previews are doing how.
func (f *Follower) count(states map[status.PreviewState]int) {
	if f.opts.Metrics == nil {
		return
	}
	for _, state := range []status.PreviewState{status.PreviewWaiting, status.PreviewMaking, status.PreviewReady, status.PreviewFailing, status.PreviewEnded} {
		f.opts.Metrics.Previews.WithLabelValues(string(state)).Set(float64(states[state]))
	}
}

// timed tells the metrics once how long a preview took to be ready.
func (f *Follower) timed(p *Pull) {
	if p.stage.status.State != status.PreviewReady || p.stage.since.IsZero() {
		return
	}
	if f.opts.Metrics != nil {
		f.opts.Metrics.PreviewReady.Observe(f.opts.Now().Sub(p.stage.since).Seconds())
	}
	p.stage.since = time.Time{}
}

// Previews lists what is known of the previews of open pull requests, by number.
func (f *Follower) Previews() []status.Preview {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []status.Preview
	for _, n := range slices.Sorted(maps.Keys(f.pulls)) {
		if p := f.pulls[n]; p.stage.status.State != "" && p.stage.status.State != status.PreviewNone {
			out = append(out, p.stage.status)
		}
	}
	return out
}

// progress tells the forge how previews are doing that went on since it was told. It
// reports whether any is on its way.
func (f *Follower) progress(ctx context.Context) (waits bool) {
	if f.opts.Previews == nil {
		return false
	}
	f.mu.Lock()
	pulls := slices.Collect(maps.Values(f.pulls))
	f.mu.Unlock()
	states := map[status.PreviewState]int{}
	defer func() { f.count(states) }()
	for _, known := range pulls {
		if known.Failed != "" || known.stage.status.State == "" {
			continue
		}
		now := *known
		now.stage.status = f.show(&now)
		states[now.stage.status.State]++
		f.timed(&now)
		if err := f.tell(ctx, &now, true); err != nil {
			f.opts.Log.Warn("tell how a preview is doing", "number", now.Number, "err", err)
			continue
		}
		waits = waits || now.stage.status.State == status.PreviewMaking
		f.mu.Lock()
		if f.pulls[now.Number] == known {
			f.pulls[now.Number] = &now
		}
		f.mu.Unlock()
	}
	return waits
}
