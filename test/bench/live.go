package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
)

// live is one fleet on a real control plane.
type live struct {
	*bench
	fleet   *fleet
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
	for _, measure := range []func(context.Context) (*section, error){l.firstSync, l.push, l.quiet, l.drift, l.restart, l.recover} {
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

// quiet measures what nothing costs.
func (l *live) quiet(ctx context.Context) (*section, error) {
	n := l.fleet.services
	s, end := begin(fmt.Sprintf("Nothing to do, %d services (S08, S10)", n), "A push that changes nothing declared, a hook without a push, and a minute of rest. Requests are those of the audit log besides watches; processor time is that of all the daemon's threads.")
	defer end()
	time.Sleep(3 * time.Second)
	pid := l.daemon.cmd.Process.Pid
	cost := func(times int, do func(i int) error) (time.Duration, int, error) {
		if _, err := l.plane.audit.next(); err != nil {
			return 0, 0, err
		}
		before := cpuOf(pid)
		for i := range times {
			if err := do(i); err != nil {
				return 0, 0, err
			}
			time.Sleep(150 * time.Millisecond)
		}
		used := (cpuOf(pid) - before) / time.Duration(times)
		events, err := l.plane.audit.next()
		return used, len(events), err
	}
	const again = 20
	cpu, requests, err := cost(again, func(int) error { return l.daemon.wake(ctx) })
	if err != nil {
		return s, err
	}
	s.add(row{"hook, nothing pushed: requests, CPU each", fmt.Sprintf("%d, %s", requests, ms(cpu)), "", "", "S08: 0, <= 5 ms", judge(requests == 0 && cpu <= 5*time.Millisecond)})
	cpu, requests, err = cost(again, func(i int) error {
		return errors.Join(l.forge.push(ctx, "docs/note.md", fmt.Sprint("note ", i)), l.daemon.wake(ctx))
	})
	if err != nil {
		return s, err
	}
	s.add(row{"push that changes nothing declared, the fetch counted: requests, CPU each", fmt.Sprintf("%d, %s", requests, ms(cpu)), "", "", "S08: 0, <= 5 ms", judge(requests == 0 && cpu <= 5*time.Millisecond)})
	minute := time.Minute
	if l.rounds < 2 {
		minute = 15 * time.Second
	}
	cpu, requests, err = cost(1, func(int) error { time.Sleep(minute); return nil })
	if err != nil {
		return s, err
	}
	s.add(row{fmt.Sprintf("idle for %s: requests besides watches", minute), fmt.Sprint(requests), "", "", "0", judge(requests == 0)})
	s.add(row{fmt.Sprintf("idle for %s: CPU", minute), ms(cpu), "", "", "", noGoal})
	l.memory(s, pid)
	return s, l.index(ctx, s)
}

func (l *live) memory(s *section, pid int) {
	rss := memoryOf(pid, "VmRSS")
	s.add(row{fmt.Sprintf("memory of the daemon, %d services, %d objects", l.fleet.services, len(l.objects)), mib(rss), "", "", "S10: <= 150 MiB", judge(rss <= 150<<20)})
	s.add(row{"  of which not backed by a file", mib(memoryOf(pid, "RssAnon")), "", "", "", noGoal})
	s.add(row{"  its peak", mib(memoryOf(pid, "VmHWM")), "", "", "", noGoal})
	for i, child := range children(pid) {
		s.add(row{fmt.Sprintf("memory of evaluation worker %d", i+1), mib(memoryOf(child, "VmRSS")), "", "", "", noGoal})
	}
}

// index measures what one object takes in the live index, in this process.
func (l *live) index(ctx context.Context, s *section) error {
	cfg, err := kube.Config(l.plane.kubeconfig(), "")
	if err != nil {
		return err
	}
	kinds := map[kube.Kind]bool{}
	for _, o := range l.objects {
		kinds[kube.KindOf(o.Object)] = true
	}
	c, err := kube.Connect(ctx, cfg, kube.Options{Name: clusterName})
	if err != nil {
		return err
	}
	defer c.Close()
	before := heap()
	if err := c.Ensure(ctx, slices.Collect(maps.Keys(kinds))); err != nil {
		return err
	}
	entries := c.Stats().Entries
	each := float64(heap()-before) / float64(max(entries, 1))
	s.add(row{fmt.Sprintf("live index, %d objects, watches included: bytes an object", entries), fmt.Sprintf("%.0f", each), "", "", "S10: <= 500", judge(each <= 500)})
	return nil
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// drift edits objects by hand and sees them healed.
func (l *live) drift(ctx context.Context) (*section, error) {
	n := l.fleet.services
	s, end := begin(fmt.Sprintf("Drift of one object in %d services (S09)", n), "A field of a Deployment is changed by hand. From the answer to that change to the answer to the daemon's PATCH, both by the audit log; "+
		"so the delivery of the watch event is counted too. The floor is that PATCH alone.")
	defer end()
	hand, err := newClient(filepath.Join(l.plane.dir, "admin.kubeconfig"))
	if err != nil {
		return s, err
	}
	var healed, patches sample
	requests := 0
	for i := range l.changes {
		at := (i * 7919) % n
		if at%10 == 9 {
			at--
		}
		took, patch, count, err := l.heal(ctx, hand, at, i)
		if err != nil {
			return s, err
		}
		healed, patches = append(healed, took), append(patches, patch)
		requests += count
	}
	s.add(row{"drift to healed, p50", ms(healed.p50()), ms(patches.p50()) + " (its PATCH)", times(healed.p50(), patches.p50()), "S09: <= 20 ms", judge(healed.p50() <= 20*time.Millisecond)})
	s.add(row{"drift to healed, p99", ms(healed.p99()), ms(patches.p99()) + " (its PATCH)", "", "S09: <= 100 ms", judge(healed.p99() <= 100*time.Millisecond)})
	s.add(row{"API requests for healing one object", fmt.Sprintf("%.2f", float64(requests)/float64(l.changes)), "1", "", "", noGoal})
	return s, nil
}

func (l *live) heal(ctx context.Context, hand *client, at, edition int) (took, patch time.Duration, requests int, err error) {
	if _, err := l.plane.audit.next(); err != nil {
		return 0, 0, 0, err
	}
	path := "/apis/apps/v1/namespaces/" + team(at) + "-" + environment + "/deployments/" + serviceName(at) + "?fieldManager=hand"
	body := fmt.Appendf(nil, `{"spec":{"progressDeadlineSeconds":%d}}`, 901+edition)
	answered := &audit{file: l.plane.audit.file, offset: l.plane.audit.offset}
	if err := hand.patch(ctx, path, "application/merge-patch+json", body); err != nil {
		return 0, 0, 0, err
	}
	events, err := l.writes(ctx, 1)
	if err != nil {
		return 0, 0, 0, err
	}
	edits, err := answered.of("raw")
	if err != nil || len(edits) == 0 {
		return 0, 0, 0, errors.Join(err, fmt.Errorf("%d edits in the audit log", len(edits)))
	}
	for _, e := range events {
		if e.Verb == "patch" {
			took, patch = e.Done.Sub(edits[0].Done), e.took()
		}
	}
	return took, patch, len(events), nil
}

// restart ends the daemon and starts it again on its data folder.
func (l *live) restart(ctx context.Context) (*section, error) {
	n := l.fleet.services
	s, end := begin(fmt.Sprintf("Restart at %d services (S15)", n), "The daemon is ended and started again on its data folder. Ready is when it knows what should be and has joined its cluster; settled, when every unit has been compared and found synced.")
	defer end()
	var ready, joined, settled sample
	evaluations, writes, requests := 0, 0, ""
	for range max(2, l.rounds) {
		l.daemon.stop()
		if _, err := l.plane.audit.next(); err != nil {
			return s, err
		}
		d, err := l.startDaemon(ctx, l.forge, l.plane.kubeconfig(), l.data)
		if err != nil {
			return s, err
		}
		l.daemon = d
		for {
			if _, code, err := d.get(ctx, "/readyz"); err == nil && code == http.StatusOK {
				break
			}
			if ctx.Err() != nil || time.Since(d.started) > time.Minute {
				return s, errors.New("the daemon did not become ready")
			}
			time.Sleep(2 * time.Millisecond)
		}
		ready = append(ready, time.Since(d.started))
		if err := d.synced(ctx, l.units); err != nil {
			return s, err
		}
		settled = append(settled, time.Since(d.started))
		if one, ok := d.last("cluster joined"); ok {
			joined = append(joined, one.Time.Sub(d.started))
		}
		time.Sleep(time.Second)
		if one, ok := d.last("revision evaluated"); ok {
			evaluations += one.Evaluations
		}
		events, err := l.plane.audit.next()
		if err != nil {
			return s, err
		}
		requests = tally(events)
		for _, e := range events {
			if e.writes() {
				writes++
			}
		}
	}
	s.add(row{"exec to ready", ms(ready.p50()), "", "", "S15: <= 500 ms at 10,000", judge(ready.p50() <= 500*time.Millisecond)})
	s.add(row{"exec to the cluster joined", ms(joined.p50()), "", "", "", noGoal})
	s.add(row{"exec to every unit found synced", ms(settled.p50()), "", "", "", noGoal})
	s.add(row{"evaluations, writes", fmt.Sprintf("%d, %d", evaluations, writes), "", "", "S15: 0, 0", judge(evaluations == 0 && writes == 0)})
	s.note("Requests of one restart: %s.", requests)
	return s, nil
}

// recover ends the daemon, takes its data folder away and starts it again.
func (l *live) recover(ctx context.Context) (*section, error) {
	n := l.fleet.services
	s, end := begin(fmt.Sprintf("Store lost at %d services (REC-1)", n), "The daemon is ended, its whole data folder removed, and it is started again: it fetches Git, evaluates everything, and compares every unit with its cluster.")
	defer end()
	l.daemon.stop()
	if _, err := l.plane.audit.next(); err != nil {
		return s, err
	}
	if err := os.RemoveAll(l.data); err != nil {
		return s, err
	}
	if err := os.Mkdir(l.data, 0o700); err != nil {
		return s, err
	}
	var err error
	if l.daemon, err = l.startDaemon(ctx, l.forge, l.plane.kubeconfig(), l.data); err != nil {
		return s, err
	}
	if err := l.daemon.synced(ctx, l.units); err != nil {
		return s, err
	}
	took := time.Since(l.daemon.started)
	time.Sleep(2 * time.Second) // the last of the inventory, if there were any
	events, err := l.plane.audit.next()
	if err != nil {
		return s, err
	}
	writes := 0
	for _, e := range events {
		if e.writes() {
			writes++
		}
	}
	s.add(row{"exec to every unit found synced", ms(took), "", "", "REC-1: <= 60 s at 500", judge(took <= time.Minute)})
	s.add(row{"writes", fmt.Sprint(writes), "", "", "REC-1: 0", judge(writes == 0)})
	s.note("Requests: %s.", tally(events))
	return s, nil
}
