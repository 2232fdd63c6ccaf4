package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// pushed is one change that went all the way.
type pushed struct {
	total, fetch, raw, evaluate, share time.Duration
	requests                           int
}

// follow pushes one edit and follows it until its objects are written.
func (l *live) follow(ctx context.Context, file, text string, want int) (pushed, error) {
	var p pushed
	if _, err := l.plane.audit.next(); err != nil {
		return p, err
	}
	before, err := l.daemon.metrics(ctx)
	if err != nil {
		return p, err
	}
	if err := l.forge.push(ctx, file, text); err != nil {
		return p, err
	}
	time.Sleep(20 * time.Millisecond)
	start := time.Now()
	if err := l.daemon.wake(ctx); err != nil {
		return p, err
	}
	events, err := l.writes(ctx, want)
	if err != nil {
		return p, err
	}
	for _, e := range events {
		if e.Verb == "patch" {
			p.raw += e.took()
			p.total = max(p.total, e.Done.Sub(start))
		}
	}
	p.requests = len(events)
	after, err := l.daemon.metrics(ctx)
	delta := func(name string) time.Duration { return time.Duration((after[name] - before[name]) * 1e9) }
	p.fetch = delta("fairway_git_fetch_duration_seconds_sum")
	p.evaluate = delta(`fairway_reconcile_duration_seconds_sum{phase="evaluate"}`)
	p.share = p.total - p.fetch - p.raw
	return p, err
}

// writes waits for so many writes, and a while longer for any that should not be.
func (l *live) writes(ctx context.Context, want int) ([]event, error) {
	var all []event
	deadline := time.Now().Add(20 * time.Second)
	for n := 0; n < want; {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return all, fmt.Errorf("%d of %d writes came: %s", n, want, tally(all))
		}
		time.Sleep(5 * time.Millisecond)
		events, err := l.plane.audit.next()
		if err != nil {
			return all, err
		}
		all = append(all, events...)
		n = 0
		for _, e := range all {
			if e.writes() {
				n++
			}
		}
	}
	time.Sleep(200 * time.Millisecond)
	events, err := l.plane.audit.next()
	return append(all, events...), err
}

// push measures a one-line change from the hook to the cluster.
func (l *live) push(ctx context.Context) (*section, error) {
	n := l.fleet.services
	s, end := begin(fmt.Sprintf("One line pushed to %d services (S06, S11)", n), "From the forge's hook to the answer to the last PATCH, by the API server's audit log. "+
		"Our share is the total without the fetch (by the daemon's own metric) and without the PATCHes themselves (by the audit log). "+
		"The floor beside it is a raw client sending the same object at the same moments.")
	defer end()
	var shares, totals, fetches, evaluations, raws sample
	requests := 0
	var last int
	for i := range 3 + l.changes {
		at := (i * 7919) % n
		if at%10 == 9 {
			at-- // jobs have no Deployment
		}
		last = at
		p, err := l.follow(ctx, serviceFile(at), serviceText(at, n, 1+i), 1)
		if err != nil {
			return s, err
		}
		raw, err := l.rawPatch(ctx, at, i)
		if err != nil {
			return s, err
		}
		if i < 3 {
			continue
		}
		shares, totals, fetches = append(shares, p.share), append(totals, p.total), append(fetches, p.fetch)
		evaluations, raws = append(evaluations, p.evaluate), append(raws, raw)
		requests += p.requests
	}
	s.add(row{fmt.Sprintf("our share, 1 of %d, p50", n), ms(shares.p50()), ms(raws.p50()) + " (raw PATCH)", times(shares.p50(), raws.p50()), "S06: <= 10 ms", judge(shares.p50() <= 10*time.Millisecond)})
	s.add(row{fmt.Sprintf("our share, 1 of %d, p99", n), ms(shares.p99()), ms(raws.p99()) + " (raw PATCH)", "", "S06: <= 30 ms", judge(shares.p99() <= 30*time.Millisecond)})
	s.add(row{"  of which until the revision is evaluated", evaluations.String(), "", "", "", noGoal})
	s.add(row{"total, hook to applied, the fetch counted", totals.String(), "", "", "p50 <= 45 ms", judge(totals.p50() <= 45*time.Millisecond)})
	s.add(row{"  of which fetch", fetches.String(), "", "", "", noGoal})
	s.add(row{"API requests a change of one object", fmt.Sprintf("%.2f", float64(requests)/float64(l.changes)), "1", "", "S06: exactly 1", judge(requests == l.changes)})
	return s, l.revert(ctx, s, last)
}

// revert goes back and forth between two states that were seen before.
func (l *live) revert(ctx context.Context, s *section, at int) error {
	var shares sample
	evaluations := 0
	for i := range 12 {
		p, err := l.follow(ctx, serviceFile(at), serviceText(at, l.fleet.services, 700+i%2), 1)
		if err != nil {
			return err
		}
		if i < 2 {
			continue
		}
		said, _ := l.daemon.last("revision evaluated")
		evaluations += said.Evaluations
		shares = append(shares, p.share)
	}
	s.add(row{"revert: evaluations", fmt.Sprint(evaluations), "", "", "S11: 0", judge(evaluations == 0)})
	s.add(row{"revert: our share", shares.String(), "", "", "S11: as S06", judge(shares.p50() <= 10*time.Millisecond)})
	return nil
}

// rawPatch sends a Deployment like the one that was changed, elsewhere.
func (l *live) rawPatch(ctx context.Context, at, edition int) (time.Duration, error) {
	i := slices.IndexFunc(l.objects, func(o owned) bool { return o.unit == unitName(at) && o.ID.Kind == "Deployment" })
	if i < 0 {
		return 0, fmt.Errorf("%s has no Deployment", unitName(at))
	}
	o := l.objects[i]
	const twin = "raw-twin"
	namespace, err := object.Parse([]byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + twin + `"}}`))
	if err != nil {
		return 0, err
	}
	if edition == 0 {
		if err := l.raw.apply(ctx, owned{Object: namespace}); err != nil {
			return 0, err
		}
	}
	body := func(memory string) (object.Object, error) {
		text := bytes.ReplaceAll(o.Body, []byte(`"`+o.ID.Namespace+`"`), []byte(`"`+twin+`"`))
		text = bytes.ReplaceAll(text, []byte(object.LabelManagedBy), []byte("example.com/nobody")) // not for the daemon's watches
		return object.Parse(bytes.ReplaceAll(text, []byte(`"memory":"65Mi"`), []byte(`"memory":"`+memory+`"`)))
	}
	first, err := body("70Mi")
	if err != nil {
		return 0, err
	}
	if err := l.raw.apply(ctx, owned{Object: first}); err != nil {
		return 0, err
	}
	again, err := body("71Mi")
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = l.raw.apply(ctx, owned{Object: again})
	return time.Since(start), err
}
