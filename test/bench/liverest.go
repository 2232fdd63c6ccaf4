package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
)

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
