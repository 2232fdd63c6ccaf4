package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// live is one fleet on a real control plane.
type live struct {
	*bench
	fleet   *generated
	objects []owned // teams' own first, as namespaces are among them
	units   int
	data    string
	plane   *plane
	forge   *forge
	daemon  *daemon
	raw     *client
}

// onPlane measures the daemon on a real control plane.
func (b *bench) onPlane(ctx context.Context) ([]*section, error) {
	var out []*section
	for _, n := range b.live {
		sections, err := b.liveWith(ctx, n)
		out = append(out, sections...)
		if err != nil {
			return out, fmt.Errorf("%d services: %w", n, err)
		}
	}
	return out, nil
}

func (b *bench) liveWith(ctx context.Context, services int) ([]*section, error) {
	f, err := b.fleet(ctx, services)
	if err != nil {
		return nil, err
	}
	l := &live{bench: b, fleet: f}
	if err := l.bundles(ctx); err != nil {
		return nil, err
	}
	defer l.end()
	var out []*section
	for _, measure := range []func(context.Context) (*section, error){l.firstSync, l.push, l.flood, l.quiet, l.drift, l.restart, l.recover} {
		s, err := measure(ctx)
		if s != nil {
			out = append(out, s)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// bundles renders the fleet in this process, for the raw client.
func (l *live) bundles(ctx context.Context) error {
	line, err := l.open(ctx, l.fleet)
	if err != nil {
		return err
	}
	defer line.close()
	if _, _, err := line.advance(ctx); err != nil {
		return err
	}
	var services []owned
	for _, u := range line.fleet.Units("") {
		bundle, err := line.fleet.Bundle(ctx, u)
		if err != nil {
			return err
		}
		l.units++
		for _, o := range bundle.Objects {
			if _, isTeam := u.Key.Team(); isTeam {
				l.objects = append(l.objects, owned{o, u.Key.String()})
				continue
			}
			services = append(services, owned{o, u.Key.String()})
		}
	}
	slices.SortStableFunc(l.objects, func(a, b owned) int { return strings.Compare(kindFirst(a), kindFirst(b)) })
	l.objects = append(l.objects, services...)
	return nil
}

// kindFirst sorts namespaces before all else.
func kindFirst(o owned) string {
	if o.ID.Kind == "Namespace" {
		return ""
	}
	return o.unit
}

func (l *live) end() {
	if l.daemon != nil {
		l.daemon.stop()
	}
	if l.forge != nil {
		l.forge.close()
	}
	if l.plane != nil {
		l.plane.stop()
	}
}

// warm gives the daemon's data folder the results of an earlier run without clusters: the
// evaluation is not what is measured on a cluster.
func (l *live) warm(ctx context.Context, data string) error {
	before, err := l.fresh("warm")
	if err != nil {
		return err
	}
	d, err := l.startDaemon(ctx, l.forge, filepath.Join(before, "no-cluster"), before)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(15 * time.Minute); ; {
		if _, ok := d.last("revision evaluated"); ok {
			break
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			d.stop()
			return errors.New("the daemon evaluated nothing")
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.stop()
	return os.Rename(filepath.Join(before, "results"), filepath.Join(data, "results"))
}

// firstSync compares the first sync of a cluster with a client that only sends
// the PATCHes, on a fresh control plane each.
func (l *live) firstSync(ctx context.Context) (*section, error) {
	s, end := begin(fmt.Sprintf("First sync of %d services (S07)", l.fleet.services), fmt.Sprintf("%d objects on an empty control plane (no nodes, audit log on). "+
		"The floor is a client with 8 connections that sends the same objects as PATCHes, namespaces first, on a fresh control plane of its own. "+
		"Ours is from the daemon's first request to the answer to its last PATCH, by the API server's audit log, evaluation results at hand; beside it the time from exec.", len(l.objects)))
	defer end()
	var floor, ours, whole sample
	rounds := max(1, min(l.rounds, 2))
	for round := range rounds {
		raw, err := l.rawSync(ctx)
		if err != nil {
			return s, err
		}
		floor = append(floor, raw)
		sync, fromExec, requests, err := l.ourSync(ctx, fmt.Sprintf("data-%d", round))
		if err != nil {
			return s, err
		}
		ours, whole = append(ours, sync), append(whole, fromExec)
		if round == rounds-1 {
			s.note("Requests of the last run: %s.", requests)
			s.note("All runs: raw %v, ours %v.", floor, ours)
			break
		}
		l.end()
		l.daemon, l.forge, l.plane = nil, nil, nil
	}
	perSecond := func(d time.Duration) string {
		return fmt.Sprintf("%s (%.0f/s)", ms(d), float64(len(l.objects))/d.Seconds())
	}
	s.add(row{fmt.Sprintf("first sync, %d services, %d objects", l.fleet.services, len(l.objects)), perSecond(ours.p50()), perSecond(floor.p50()),
		times(ours.p50(), floor.p50()), "S07: <= 1.25x", judge(ours.p50() <= floor.p50()*5/4)})
	s.add(row{"the same from exec of the daemon: clone, evaluate warm, sync", ms(whole.p50()), "", "", "", noGoal})
	return s, nil
}

func (l *live) rawSync(ctx context.Context) (time.Duration, error) {
	p, err := l.startPlane(ctx)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	c, err := newClient(p.kubeconfig())
	if err != nil {
		return 0, err
	}
	defer c.transport.CloseIdleConnections()
	start := time.Now()
	for _, part := range l.inOrder() {
		if err := c.applyAll(ctx, part, 8); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// inOrder are the objects as they can be made: namespaces, what teams have in
// them, and then services.
func (l *live) inOrder() [3][]owned {
	var out [3][]owned
	for _, o := range l.objects {
		key, err := catalog.ParseUnitKey(o.unit)
		_, isTeam := key.Team()
		switch {
		case o.ID.Kind == "Namespace":
			out[0] = append(out[0], o)
		case err == nil && isTeam:
			out[1] = append(out[1], o)
		default:
			out[2] = append(out[2], o)
		}
	}
	return out
}

// ourSync starts everything and leaves it running.
func (l *live) ourSync(ctx context.Context, name string) (sync, fromExec time.Duration, requests string, err error) {
	if l.plane, err = l.startPlane(ctx); err != nil {
		return 0, 0, "", err
	}
	if l.forge, err = l.startForge(ctx, l.fleet); err != nil {
		return 0, 0, "", err
	}
	if l.data, err = l.fresh(name); err != nil {
		return 0, 0, "", err
	}
	if err := l.warm(ctx, l.data); err != nil {
		return 0, 0, "", err
	}
	if l.raw, err = newClient(filepath.Join(l.plane.dir, "admin.kubeconfig")); err != nil { // its namespace is nobody's
		return 0, 0, "", err
	}
	if l.daemon, err = l.startDaemon(ctx, l.forge, l.plane.kubeconfig(), l.data); err != nil {
		return 0, 0, "", err
	}
	if err := l.daemon.synced(ctx, l.units); err != nil {
		return 0, 0, "", err
	}
	time.Sleep(2 * time.Second) // the last of the inventory
	events, err := l.plane.audit.next()
	if err != nil || len(events) == 0 {
		return 0, 0, "", errors.Join(err, fmt.Errorf("%d requests in the audit log", len(events)))
	}
	first, last := events[0].Received, time.Time{}
	for _, e := range events {
		if e.Received.Before(first) {
			first = e.Received
		}
		if e.Verb == "patch" && e.Done.After(last) && e.ObjectRef.Resource != "configmaps" {
			last = e.Done
		}
	}
	return last.Sub(first), last.Sub(l.daemon.started), tally(events), nil
}

// tally counts requests by verb, the inventory's apart.
func tally(events []event) string {
	counts := map[string]int{}
	for _, e := range events {
		what := e.Verb
		if e.ObjectRef.Namespace == "fairway-system" || e.ObjectRef.Name == "fairway-system" {
			what = "inventory " + e.Verb
		}
		counts[what]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
