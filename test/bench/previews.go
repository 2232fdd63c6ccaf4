package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// together is how many previews are made at once.
const together = 100

const previewsText = `package previews

import "fairway.dev/schema"

previews: schema.#Previews & {
	base: "prod"
	most: 200
	#environment: {
		name:        _
		description: "A pull request of the benchmark."
		rank:        1
		clusters: ["prod-eu"]
		domain:      "\(name).preview.example.com"
		maxReplicas: 1
		quota: {cpu: "2", memory: "4Gi", pods: 12}
	}
}
`

// previewing is a daemon that makes previews of a real forge's pull requests on a real
// control plane.
type previewing struct {
	*reviewing
	plane *plane
	raw   *client
	seen  []event // what the daemon asked the API server lately
	one   int     // how many objects a preview has; known once there was one
}

// previews measures how soon the preview of a pull request stands: one by itself, and a
// hundred that are opened at once.
func (b *bench) previews(ctx context.Context) ([]*section, error) {
	p, err := b.previewing(ctx, b.live[0])
	if err != nil {
		return nil, err
	}
	defer func() { p.end(); p.plane.stop() }()
	s, end := begin(fmt.Sprintf("Previews, %d services (S14)", b.live[0]), "A real Gitea with its own webhooks, a real control plane without nodes. From the webhook of an opened pull request "+
		"to the API server's answer to the last object of its preview. Our share is that without the time in which the forge or the API server was answering. The raw client applies the same objects in namespaces of its own.")
	defer end()
	if err := p.alone(ctx, s); err != nil {
		return []*section{s}, err
	}
	return []*section{s}, p.atOnce(ctx, s)
}

func (b *bench) previewing(ctx context.Context, services int) (*previewing, error) {
	f, err := generate(ctx, b.top, filepath.Join(b.work, fmt.Sprintf("fleet-previews-%d", services)), services)
	if err != nil {
		return nil, err
	}
	if err := write(filepath.Join(f.dir, "platform/previews/previews.cue"), previewsText); err != nil {
		return nil, err
	}
	if _, err := git(ctx, f.dir, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--no-verify", "--allow-empty", "-am", "previews"); err != nil {
		return nil, err
	}
	p := &previewing{}
	if p.plane, err = b.startPlane(ctx, "--audit-level", "Request"); err != nil {
		return nil, err
	}
	if p.raw, err = newClient(filepath.Join(p.plane.dir, "admin.kubeconfig")); err == nil {
		p.reviewing, err = b.reviewing(ctx, f, p.plane.kubeconfig())
	}
	if err != nil {
		p.plane.stop()
		return nil, err
	}
	if err := (&daemon{cmd: p.cmd, address: p.address}).synced(ctx, services+2); err != nil { // the team, and the first preview
		p.end()
		p.plane.stop()
		return nil, err
	}
	return p, nil
}

// of is the part of a namespace's name that tells of a pull request's preview.
func of(number int) string { return fmt.Sprintf("-pr-%d", number) }

// branch pushes a change of one worker, which comes to four objects, as a branch.
func (p *previewing) branch(ctx context.Context, i int) error {
	at := 8 + 10*(i%(p.fleet.services/10))
	name := fmt.Sprint("preview-", i)
	if _, err := git(ctx, p.clone, "checkout", "--quiet", "-B", name, "origin/main"); err != nil {
		return err
	}
	if err := write(filepath.Join(p.clone, serviceFile(at)), serviceText(at, p.fleet.services, 2+i)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--no-verify", "-am", name},
		{"push", "--quiet", "--force", "origin", name},
	} {
		if _, err := git(ctx, p.clone, args...); err != nil {
			return err
		}
	}
	return nil
}

func (p *previewing) open(i int) (number int, err error) {
	var made struct{ Number int }
	open := map[string]any{"head": fmt.Sprint("preview-", i), "base": "main", "title": fmt.Sprint("preview ", i)}
	err = p.forge.API(p.forge.Token, http.MethodPost, "/repos/"+pullsRepository+"/pulls", open, &made)
	return made.Number, err
}

// stands waits until nothing has been written for some previews for a while, and gives
// what was.
func (p *previewing) stands(ctx context.Context, numbers []int, limit time.Duration) ([]event, error) {
	ours := func(e event) bool {
		at := e.ObjectRef.Namespace + "|" + e.ObjectRef.Name
		return e.writes() && e.ResponseStatus.Code < 300 && slices.ContainsFunc(numbers, func(n int) bool { return strings.Contains(at+"|", of(n)+"|") })
	}
	var found []event
	last := time.Now()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		events, err := p.plane.audit.next()
		if err != nil {
			return nil, err
		}
		p.seen = append(p.seen, events...)
		before := len(found)
		for _, e := range events {
			if ours(e) {
				found = append(found, e)
			}
		}
		if len(found) > before {
			last = time.Now()
		}
		if whole := len(objectsIn(found)); len(spaces(found)) == len(numbers) && whole >= len(numbers)*p.one && time.Since(last) > 2*time.Second {
			p.one = whole / len(numbers)
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("of %d previews %d were begun within %s", len(numbers), len(spaces(found)), limit)
}

// spaces are the namespaces that something was written in.
func spaces(events []event) map[string]bool {
	out := map[string]bool{}
	for _, e := range events {
		if ns := e.ObjectRef.Namespace; ns != "" {
			out[ns] = true
		}
	}
	return out
}

// answering is what the API server did in a span, as passages.
func answering(events []event) []passage {
	var out []passage
	for _, e := range events {
		out = append(out, passage{method: e.Verb, path: e.RequestURI, from: e.Received, to: e.Done})
	}
	return out
}

func (p *previewing) alone(ctx context.Context, s *section) error {
	var totals, forge, shares, raw sample
	objects := 0
	for i := range 23 {
		if err := p.branch(ctx, i); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond) // the hook of the push
		start := time.Now()
		p.seen = nil
		number, err := p.open(i)
		if err != nil {
			return err
		}
		written, err := p.stands(ctx, []int{number}, time.Minute)
		if err != nil {
			return err
		}
		hook, passed := p.between.since(start)
		done := slices.MaxFunc(written, func(a, b event) int { return a.Done.Compare(b.Done) }).Done
		floor, err := p.again(ctx, written, of(number), i, 1)
		if err != nil {
			return err
		}
		if i < 3 || hook.IsZero() {
			continue
		}
		objects = len(objectsIn(written))
		waited := busy(append(slices.Clone(passed), answering(p.seen)...), hook, done)
		totals, forge, raw = append(totals, done.Sub(hook)), append(forge, busy(passed, hook, done)), append(raw, floor)
		shares = append(shares, done.Sub(hook)-waited)
	}
	s.add(row{fmt.Sprintf("one preview of %d objects, its namespace's own among them", objects), totals.String(), raw.String(), times(totals.p50(), raw.p50()), "", noGoal})
	s.add(row{"  the forge was answering", forge.String(), "", "", "", noGoal})
	s.add(row{"  our share", shares.String(), "", "", "<= 100 ms", judge(shares.p50() <= 100*time.Millisecond)})
	return nil
}

// objectsIn are the objects that were written, each once, with what was sent last.
func objectsIn(written []event) map[string]event {
	out := map[string]event{}
	for _, e := range written {
		path, _, _ := strings.Cut(e.RequestURI, "?")
		if e.Verb == "patch" && len(e.Body) > 0 {
			out[path] = e
		}
	}
	return out
}

// again applies what was written for a preview anew for others, and gives how long that took.
func (p *previewing) again(ctx context.Context, written []event, mark string, first, previews int) (time.Duration, error) {
	var namespaces, rest []func(ctx context.Context) error
	for i := range previews {
		own := fmt.Sprintf("-raw-%d-%d", first, i)
		for path, e := range objectsIn(written) {
			send := func(ctx context.Context) error {
				return p.raw.patch(ctx, strings.ReplaceAll(path, mark, own)+"?fieldManager=raw&force=true", "application/apply-patch+yaml", bytes.ReplaceAll(e.Body, []byte(mark), []byte(own)))
			}
			if e.ObjectRef.Resource == "namespaces" {
				namespaces = append(namespaces, send)
				continue
			}
			rest = append(rest, send)
		}
	}
	begun := time.Now()
	err := errors.Join(inParallel(ctx, namespaces, 8), inParallel(ctx, rest, 8))
	return time.Since(begun), err
}

// inParallel does many things, so many at a time, and gives the first error.
func inParallel(ctx context.Context, all []func(ctx context.Context) error, lanes int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, lanes)
	for lane := range lanes {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)) && errs[lane] == nil; i = next.Add(1) - 1 {
				errs[lane] = all[i](ctx)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (p *previewing) atOnce(ctx context.Context, s *section) error {
	const first = 1000
	for i := range together {
		if err := p.branch(ctx, first+i); err != nil {
			return err
		}
	}
	time.Sleep(3 * time.Second) // the hooks of the pushes
	p.seen = nil
	start := time.Now()
	numbers := make([]int, together)
	opens := make([]func(context.Context) error, together)
	for i := range together {
		opens[i] = func(context.Context) (err error) {
			numbers[i], err = p.open(first + i)
			return err
		}
	}
	if err := inParallel(ctx, opens, 8); err != nil {
		return err
	}
	opened := time.Since(start)
	written, err := p.stands(ctx, numbers, 10*time.Minute)
	if err != nil {
		return err
	}
	hook, passed := p.between.since(start)
	done := slices.MaxFunc(written, func(a, b event) int { return a.Done.Compare(b.Done) }).Done
	one := slices.DeleteFunc(slices.Clone(written), func(e event) bool {
		return !strings.HasSuffix(e.ObjectRef.Namespace, of(numbers[0])) && !strings.HasSuffix(e.ObjectRef.Name, of(numbers[0]))
	})
	floor, err := p.again(ctx, one, of(numbers[0]), first, together)
	if err != nil {
		return err
	}
	waited := busy(append(slices.Clone(passed), answering(p.seen)...), hook, done)
	s.add(row{fmt.Sprintf("%d previews at once, %d objects", together, len(objectsIn(written))), ms(done.Sub(hook)), ms(floor), times(done.Sub(hook), floor), "<= 1.30x", judge(done.Sub(hook) <= floor*13/10)})
	s.add(row{"  the forge was answering", ms(busy(passed, hook, done)), "", "", "", noGoal})
	s.add(row{"  our share", ms(done.Sub(hook) - waited), "", "", "", noGoal})
	s.note("The forge took %s to open them, eight at a time.", ms(opened))
	return nil
}
