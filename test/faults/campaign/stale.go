package campaign

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/test/faults/proxy"
)

// timeTravel are F6: the daemon starts anew on API servers that lag. They tell
// the state before the step, of every kind or of one, listings and single reads
// and watches, while writes go through; after a while they catch up.
func timeTravel(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		if step == 0 {
			continue
		}
		kinds := append(slices.Sorted(maps.Keys(changed(want))), "")
		if !slices.Contains(kinds, "configmaps") {
			kinds = append(kinds, "configmaps") // the inventory is made of them
		}
		for _, resource := range kinds {
			for _, lists := range []bool{false, true} {
				m, name := api(proxy.Match{Verbs: []string{"read"}}), want.Name+": everything is seen as before"
				if resource != "" {
					m.Resources, name = []string{resource}, fmt.Sprintf("%s: %s are seen as before", want.Name, resource)
				}
				rules := []proxy.Rule{{ID: "stale", Match: m, Do: proxy.Action{Kind: proxy.Stale}}}
				if lists {
					name += ", without streamed lists"
					rules = append([]proxy.Rule{oldServers()}, rules...)
				}
				out = append(out, Case{Fault: "F6", Name: name, Step: step, Before: remember,
					After: func(ctx context.Context, r *Run) error { return r.travel(ctx, rules) }})
			}
		}
	}
	return out
}

// remember takes the state that lagging servers will tell.
func remember(ctx context.Context, r *Run) error {
	shots, err := r.Snapshots(ctx)
	if err != nil {
		return err
	}
	for name, s := range shots {
		r.Proxy(name).UseSnapshot(s)
	}
	return nil
}

func (r *Run) travel(ctx context.Context, rules []proxy.Rule) error {
	if err := r.Settle(ctx, settleLimit); err != nil {
		r.Wrong("before the fault: %v", err)
		return nil
	}
	r.Daemon.Kill()
	r.Rules.Set(rules...)
	if err := r.Restart(ctx); err != nil {
		return err
	}
	if err := pause(ctx, 4*time.Second); err != nil {
		return err
	}
	r.missed = len(r.Rules.Fired("stale")) == 0
	return r.Relist(ctx)
}

// rewinds are F21: somebody moves the branch back by force, to where it was one
// step before or to a commit that has nothing to do with it, or takes it away.
// Nothing may be deleted or changed for it, and when the branch is where it was,
// all goes on.
func rewinds(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		if step == 0 {
			continue
		}
		for _, how := range moves() {
			for _, restart := range []bool{false, true} {
				name := want.Name + ": the branch " + how.word
				if restart {
					name += ", and the daemon starts anew without its files"
				}
				out = append(out, Case{Fault: "F21", Name: name, Step: step, After: func(ctx context.Context, r *Run) error {
					return r.rewind(ctx, how, restart)
				}})
			}
		}
	}
	return out
}

// move is one way in which a branch is lost.
type move struct {
	word string
	do   func(r *Run) error
}

func moves() []move {
	return []move{
		{"is moved back", func(r *Run) error { return r.Point(r.Commits[r.Step-1]) }},
		{"is a history of its own without a file", func(r *Run) error {
			commit, err := r.Orphan()
			if err != nil {
				return err
			}
			return r.Point(commit)
		}},
		{"is taken away", func(r *Run) error { return r.Unref("refs/heads/main") }},
	}
}

func (r *Run) rewind(ctx context.Context, how move, restart bool) error {
	if err := r.Settle(ctx, settleLimit); err != nil {
		r.Wrong("before the fault: %v", err)
		return nil
	}
	if err := quiet(ctx, r.World, shortCalm, settleLimit); err != nil {
		return err
	}
	from, err := r.Now()
	if err != nil {
		return err
	}
	if err := how.do(r); err != nil {
		return err
	}
	r.Daemon.Wake()
	if restart {
		r.Daemon.Kill()
		if err := r.Daemon.Hurt("lost", r.Random); err != nil {
			return err
		}
		if err := r.Restart(ctx); err != nil {
			return err
		}
	}
	if err := pause(ctx, 4*time.Second); err != nil {
		return err
	}
	requests, err := r.Since(from)
	if err != nil {
		return err
	}
	for _, q := range requests {
		if q.Mutates() && q.Object.Namespace != r.System() {
			r.Wrong("while the branch %s: %s", how.word, q)
		}
	}
	return r.Point(r.Head())
}

// gitFails are F22: the Git server fails in every way it can.
func gitFails(ref *Reference) []Case {
	var out []Case
	actions := map[string]proxy.Action{
		"answers 500": {Kind: proxy.Answer, Status: 500}, "answers 503": {Kind: proxy.Answer, Status: 503},
		"answers 404": {Kind: proxy.Answer, Status: 404}, "answers 401": {Kind: proxy.Answer, Status: 401}, "answers 403": {Kind: proxy.Answer, Status: 403},
		"answers with a page": {Kind: proxy.HTML}, "answers by half": {Kind: proxy.Truncate}, "resets": {Kind: proxy.Reset},
		"hangs up": {Kind: proxy.DropBefore}, "hangs up late": {Kind: proxy.DropAfter}, "drips": {Kind: proxy.Slow, Delay: 2 * time.Second},
	}
	for step, want := range ref.Steps {
		for _, resource := range []string{"refs", "upload-pack"} {
			for _, word := range slices.Sorted(maps.Keys(actions)) {
				rule := proxy.Rule{ID: "git", Match: proxy.Match{Servers: []string{"git"}, Resources: []string{resource}}, Do: actions[word]}
				out = append(out, storm("F22", fmt.Sprintf("%s: Git %s at %s", want.Name, word, resource), step, 3*time.Second, rule))
			}
		}
	}
	return out
}
