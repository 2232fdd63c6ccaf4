package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/test/faults/oracle"
)

// space is the namespace that the team has in dev; previews have others.
const space = "shop-dev"

// preview reports whether a namespace is a preview's.
func preview(namespace string) bool { return strings.HasPrefix(namespace, "shop-pr-") }

// mine reports whether an object is the company's, outside of the daemon's records.
func mine(l oracle.Live) bool {
	name := l.GetNamespace()
	if l.Kind.Name == "Namespace" {
		name = l.GetName()
	}
	return name == space || preview(name)
}

// look reads what the company has on the cluster.
func (p *place) look(ctx context.Context) (oracle.State, error) {
	all, err := oracle.Read(ctx, p.set.Admin, "")
	if err != nil {
		return nil, err
	}
	return oracle.StateOf(slices.DeleteFunc(all, func(l oracle.Live) bool { return !mine(l) }), func(s string) string { return s })
}

// standing says what is missing until the company stands.
func (p *place) standing(lanes int) string {
	if broken := p.daemon.Broken(); broken != "" {
		return broken
	}
	var list struct {
		Items []struct{ Sync, Health string }
	}
	if err := p.daemon.Ask("/api/v1/units", &list); err != nil {
		return err.Error()
	}
	well := 0
	for _, u := range list.Items {
		if u.Sync == "Synced" && u.Health == "Healthy" {
			well++
		}
	}
	if well < len(list.Items) || well <= lanes {
		return fmt.Sprintf("%d of %d units are well: %s", well, len(list.Items), p.daemon.Trouble(4))
	}
	return ""
}

// settle waits until nothing of a preview is left, no faults any more.
func (p *place) settle(ctx context.Context) error {
	if err := p.daemon.Start(); err != nil {
		return err
	}
	began := time.Now()
	err := eventually(ctx, 5*time.Minute, func() string {
		state, err := p.look(ctx)
		if err != nil {
			return err.Error()
		}
		for _, key := range slices.Sorted(maps.Keys(state)) {
			if strings.Contains(key, "shop-pr-") {
				return key + " is there"
			}
		}
		return ""
	})
	if err != nil && ctx.Err() == nil {
		p.bad("what previews left: %v; the daemon says:\n%s", err, p.daemon.Trouble(12))
		err = nil
	}
	fmt.Printf("nothing of a preview is left %s after the last fault\n", time.Since(began).Round(100*time.Millisecond))
	if err == nil {
		err = pause(ctx, 5*time.Second) // what somebody would still write
	}
	return err
}

// judge holds what is there, what was done and what was said against what should be.
func (p *place) judge(ctx context.Context, before oracle.State) error {
	if broken := p.daemon.Broken(); broken != "" {
		p.bad("the daemon is broken: %s", broken)
	}
	after, err := p.look(ctx)
	if err != nil {
		return err
	}
	for _, line := range oracle.Declared().Differences(before, after) {
		p.bad("in the end, %s", line)
	}
	if err := p.records(ctx); err != nil {
		return err
	}
	requests, err := p.audit.Since("", 0)
	if err != nil {
		return err
	}
	p.requests(requests)
	return p.comments()
}

// records holds that the inventory has nothing of previews any more, and all that is there.
func (p *place) records(ctx context.Context) error {
	all, err := oracle.Read(ctx, p.set.Admin, "")
	if err != nil {
		return err
	}
	for _, l := range all {
		raw, err := json.Marshal(l.Object["data"])
		if err != nil {
			return err
		}
		if l.GetNamespace() == oracle.Records && strings.Contains(string(raw), "shop-pr-") {
			p.bad("%s still has something of a preview", l.Key())
		}
	}
	for _, line := range oracle.Unrecorded(all, oracle.Records) {
		p.bad("%s", line)
	}
	return nil
}

// requests holds that nothing was deleted but of previews, and by UID.
func (p *place) requests(requests []oracle.Request) {
	created, deletions := 0, oracle.Deletions(requests)
	for _, r := range requests {
		if r.Mutates() && r.Answer.Code == http.StatusCreated && (preview(r.Object.Namespace) || r.Object.Resource == "namespaces" && preview(r.Object.Name)) {
			created++
		}
	}
	for _, r := range deletions {
		of := r.Object.Namespace
		if r.Object.Resource == "namespaces" {
			of = r.Object.Name
		}
		if !preview(of) && r.Object.Namespace != oracle.Records {
			p.bad("%s is no deletion of a preview", r)
		}
	}
	for _, line := range oracle.Unconditional(requests) {
		p.bad("%s", line)
	}
	fmt.Printf("%d objects of previews created, %d deletions\n", created, len(deletions))
}

// comments holds that each pull request has one comment of the daemon's. One that was closed
// before anything was said of it may have none.
func (p *place) comments() error {
	untold := 0
	for _, number := range slices.Sorted(maps.Keys(p.pulls)) {
		var notes []struct{ Body string }
		if err := p.forge.API(p.forge.Token, http.MethodGet, fmt.Sprintf("/repos/%s/issues/%d/comments", repository, number), nil, &notes); err != nil {
			return err
		}
		ours := 0
		for _, n := range notes {
			if strings.HasPrefix(n.Body, "<!-- fairway:") {
				ours++
			}
		}
		if ours == 0 && !p.pulls[number] {
			untold++
		} else if ours != 1 {
			p.bad("pull request %d has %d comments of the daemon's", number, ours)
		}
	}
	fmt.Printf("%d pull requests with one comment, %d closed too soon for any\n", len(p.pulls)-untold, untold)
	return nil
}

// together opens so many pull requests at once, and sees how soon all of their previews
// are there, and gone.
func (p *place) together(ctx context.Context, most int) error {
	w := &worker{place: p, clone: p.clone}
	heads := map[int]string{}
	for i := range most {
		branch := fmt.Sprintf("together-%d", i)
		head, err := w.push(ctx, branch, branch, "main")
		if err != nil {
			return err
		}
		heads[i] = head
	}
	began := time.Now()
	var numbers []int
	for i := range most {
		number, err := w.open(fmt.Sprintf("together-%d", i))
		if err != nil {
			return err
		}
		numbers = append(numbers, number)
	}
	opened := time.Since(began)
	for i := range most {
		if err := eventually(ctx, 10*time.Minute, func() string { return p.previewed(heads[i]) }); err != nil {
			p.bad("preview %d of %d at once: %v", i, most, err)
		}
	}
	fmt.Printf("%d pull requests were opened in %s; all of their previews were there %s after the first was\n", most, opened.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	for _, number := range numbers {
		if err := p.state(number, "closed"); err != nil {
			return err
		}
	}
	return p.settle(ctx)
}
