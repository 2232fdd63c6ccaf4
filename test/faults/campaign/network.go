package campaign

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// api restricts a match to the API servers.
func api(m proxy.Match) proxy.Match {
	if len(m.Servers) == 0 {
		m.Servers = world.Clusters()
	}
	return m
}

// storm is a case in which a rule is in force from before the step until some
// time after its commit.
func storm(fault, name string, step int, lasts time.Duration, rules ...proxy.Rule) Case {
	return Case{Fault: fault, Name: name, Step: step, Fires: rules[0].ID, Rules: rules, After: func(ctx context.Context, r *Run) error {
		return pause(ctx, lasts)
	}}
}

// changed are the resources that a step changes, by group.
func changed(want Expected) map[string]string {
	out := map[string]string{}
	for _, c := range want.Writes {
		if c.Namespace != oracle.Records {
			out[c.Resource] = c.Group
		}
	}
	return out
}

// unobserved are F7: of each kind that a step changes, the events of each type
// never come; then the stream ends and everything is listed anew.
func unobserved(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, resource := range slices.Sorted(maps.Keys(changed(want))) {
			for _, kind := range []string{"ADDED", "MODIFIED", "DELETED"} {
				rule := proxy.Rule{ID: "lost", Match: api(proxy.Match{Verbs: []string{"watch"}, Resources: []string{resource}}),
					Do: proxy.Action{Kind: proxy.DropEvents, Types: []string{kind}}}
				out = append(out, Case{Fault: "F7", Name: fmt.Sprintf("%s: %s events of %s are lost", want.Name, kind, resource), Step: step,
					Rules: []proxy.Rule{rule}, Fires: "lost", Before: cut, After: lostThenListed})
			}
		}
	}
	return out
}

// cut has the watches opened anew, under the rules that are in force now.
func cut(ctx context.Context, r *Run) error {
	r.CutWatches()
	return pause(ctx, 1500*time.Millisecond) // client-go opens them again after a second
}

func lostThenListed(ctx context.Context, r *Run) error {
	if err := pause(ctx, 2500*time.Millisecond); err != nil {
		return err
	}
	fired := len(r.Rules.Fired("lost")) > 0
	if err := r.Relist(ctx); err != nil {
		return err
	}
	r.missed, r.Case.Fires = !fired, ""
	return nil
}

// streams are F8: watches that say nothing, say everything twice, or are too old
// again and again.
func streams(ref *Reference) []Case {
	watch := api(proxy.Match{Verbs: []string{"watch"}})
	often := watch
	often.Chance = 0.8
	var out []Case
	for step, want := range ref.Steps {
		frozen := Case{Fault: "F8", Name: want.Name + ": watches are frozen", Step: step, Fires: "lost", Before: cut, After: lostThenListed,
			Rules: []proxy.Rule{{ID: "lost", Match: watch, Do: proxy.Action{Kind: proxy.Freeze}}}}
		twice := Case{Fault: "F8", Name: want.Name + ": every event comes twice", Step: step, Fires: "twice", Before: cut,
			After: func(ctx context.Context, r *Run) error { return pause(ctx, 2*time.Second) },
			Rules: []proxy.Rule{{ID: "twice", Match: watch, Do: proxy.Action{Kind: proxy.DupEvents}}}}
		gone := storm("F8", want.Name+": watches are too old", step, 5*time.Second, proxy.Rule{ID: "gone", Match: often, Do: proxy.Action{Kind: proxy.Gone}})
		gone.Before = func(_ context.Context, r *Run) error { r.CutWatches(); return nil }
		out = append(out, frozen, twice, gone)
	}
	return out
}

// conflicts are F9: half of all writes are answered with a conflict.
func conflicts(ref *Reference) []Case {
	var out []Case
	half := api(proxy.Match{Verbs: []string{"write"}, Chance: 0.5})
	for step, want := range ref.Steps {
		for _, kind := range []proxy.Kind{proxy.Answer, proxy.AnswerAfter} {
			out = append(out, storm("F9", fmt.Sprintf("%s: half of the writes conflict (%s)", want.Name, kind), step, 4*time.Second,
				proxy.Rule{ID: "conflict", Match: half, Do: proxy.Action{Kind: kind, Status: 409}}))
		}
	}
	return out
}

// throttled are F10: the servers ask for patience, and get it.
func throttled(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, verb := range []string{"write", "read"} {
			c := storm("F10", fmt.Sprintf("%s: half of all %ss are put off by two seconds", want.Name, verb), step, 0,
				proxy.Rule{ID: "busy", Match: api(proxy.Match{Verbs: []string{verb}, Chance: 0.5}), Do: proxy.Action{Kind: proxy.Answer, Status: 429, RetryAfter: 2}})
			if verb == "read" {
				c.Before = func(_ context.Context, r *Run) error { r.CutWatches(); return nil }
			}
			c.After = patient
			out = append(out, c)
		}
	}
	return out
}

// patient lets a storm of 429 go by, and holds that nothing came back early.
func patient(ctx context.Context, r *Run) error {
	seen := r.Log.Len()
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	r.Rules.Clear()
	if err := pause(ctx, 2500*time.Millisecond); err != nil {
		return err
	}
	type key struct{ server, verb, path string }
	put := map[key]time.Time{} // when it was told to come later
	for _, e := range r.Log.Since(seen) {
		k := key{e.Server, e.Verb, e.Path}
		told, off := put[k]
		if early := told.Add(2 * time.Second * 9 / 10).Sub(e.Time); off && early > 0 {
			if e.Time.Sub(told) < onItsWay {
				continue
			}
			r.Wrong("%s came back %s before it was welcome", e.Call, early.Round(time.Millisecond))
		}
		delete(put, k)
		if e.Rule == "busy" {
			put[k] = e.Time.Add(e.Took)
		}
	}
	return nil
}

// onItsWay is how soon after an answer a request may come that was sent before the answer
// was there: two units that ask for one thing at the same moment.
const onItsWay = 100 * time.Millisecond

// verbs are those that a step has requests of.
func verbs(want Expected) []string {
	out := []string{"list", "watch"}
	for _, c := range want.Counts {
		if (c.Creates > 0 || c.Deletes > 0) && !slices.Contains(out, "get") {
			out = append(out, "get") // nothing is read for an update
		}
	}
	for _, c := range want.Writes {
		if !slices.Contains(out, c.Verb) {
			out = append(out, c.Verb)
		}
	}
	return out
}

// failures are F11: servers fail, before and after they did what was asked, and
// answers never come.
func failures(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, verb := range verbs(want) {
			for _, status := range []int{500, 503, 504} {
				for _, kind := range []proxy.Kind{proxy.Answer, proxy.AnswerAfter} {
					if kind == proxy.AnswerAfter && verb == "watch" {
						continue
					}
					out = append(out, brief(step, fmt.Sprintf("%s: a third of %s requests fails with %d (%s)", want.Name, verb, status, kind), verb,
						proxy.Action{Kind: kind, Status: status}))
				}
			}
			for _, kind := range []proxy.Kind{proxy.DropBefore, proxy.DropAfter, proxy.Reset, proxy.Truncate} {
				out = append(out, brief(step, fmt.Sprintf("%s: a third of %s requests is lost (%s)", want.Name, verb, kind), verb, proxy.Action{Kind: kind}))
			}
		}
	}
	return out
}

// brief is a storm of three seconds over one verb. So that there are listings
// in it, the daemon starts in it, on servers that do not stream them.
func brief(step int, name, verb string, do proxy.Action) Case {
	rule := proxy.Rule{ID: "fails", Match: api(proxy.Match{Verbs: []string{verb}, Chance: 0.34}), Do: do}
	c := storm("F11", name, step, 3*time.Second, rule)
	switch verb {
	case "list":
		c.Rules = append(c.Rules, oldServers())
		c.After = func(ctx context.Context, r *Run) error { return r.outlast(ctx, true, 3*time.Second) }
	case "watch", "get":
		c.Before = func(_ context.Context, r *Run) error { r.CutWatches(); return nil }
	}
	return c
}

// oldServers refuse to stream listings, so that clients ask for them page by page.
func oldServers() proxy.Rule {
	return proxy.Rule{ID: "old", Match: api(proxy.Match{Verbs: []string{"watch"}, Path: "sendInitialEvents=true"}), Do: proxy.Action{Kind: proxy.Answer, Status: 422}}
}

// unavailable are F12: one API group does not answer, while the daemon runs and
// while it starts.
func unavailable(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, group := range []string{"apps", "batch", "networking.k8s.io", "autoscaling", "policy"} {
			for _, restart := range []bool{false, true} {
				name := fmt.Sprintf("%s: the group %s is unavailable", want.Name, group)
				if restart {
					name += ", and the daemon starts anew"
				}
				c := storm("F12", name, step, 0, proxy.Rule{ID: "down", Match: api(proxy.Match{Groups: []string{group}}), Do: proxy.Action{Kind: proxy.Answer, Status: 503}})
				c.Before = func(_ context.Context, r *Run) error { r.CutWatches(); return nil }
				c.After = func(ctx context.Context, r *Run) error { return r.outlast(ctx, restart, 3*time.Second) }
				out = append(out, c)
			}
		}
		for _, group := range []string{"autoscaling", "policy"} {
			for _, restart := range []bool{false, true} {
				out = append(out, vanished(step, want.Name, group, restart))
			}
		}
	}
	return out
}

// vanished is a case in which a group's kinds are not served any more, as when
// its CustomResourceDefinition was deleted or its API server unregistered.
func vanished(step int, name, group string, restart bool) Case {
	name += ": the group " + group + " is not served"
	if restart {
		name += ", and the daemon starts anew"
	}
	c := storm("F12", name, step, 0, proxy.Rule{ID: "down", Match: api(proxy.Match{Groups: []string{group}}), Do: proxy.Action{Kind: proxy.NotServed}})
	c.Before = func(_ context.Context, r *Run) error { r.CutWatches(); return nil }
	c.After = func(ctx context.Context, r *Run) error { return r.outlast(ctx, restart, 3*time.Second) }
	return c
}

// outlast waits while a rule is in force, and restarts the daemon under it if asked.
func (r *Run) outlast(ctx context.Context, restart bool, lasts time.Duration) error {
	if restart {
		r.Daemon.Kill()
		if err := r.Restart(ctx); err != nil {
			return err
		}
	}
	return pause(ctx, lasts)
}

// enumerations are F13: a listing lies. It is cut short, its next page is lost,
// it is empty, it is a page of HTML, or a streamed one leaves everything out. The
// daemon starts on it.
func enumerations(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, resource := range []string{"configmaps", "namespaces", "deployments", "services", "networkpolicies", "serviceaccounts", ""} {
			for _, kind := range []proxy.Kind{proxy.Truncate, proxy.LosePages, proxy.EmptyList, proxy.HTML, proxy.DropEvents} {
				m, word := api(proxy.Match{Verbs: []string{"list"}}), "any kind"
				if resource != "" {
					m.Resources, word = []string{resource}, resource
				}
				c := storm("F13", fmt.Sprintf("%s: listings of %s: %s", want.Name, word, kind), step, 0, proxy.Rule{ID: "lies", Match: m, Do: proxy.Action{Kind: kind}}, oldServers())
				if kind == proxy.DropEvents {
					m.Verbs, m.Path = []string{"watch"}, "sendInitialEvents=true"
					c.Rules = []proxy.Rule{{ID: "lies", Match: m, Do: proxy.Action{Kind: kind, Types: []string{"ADDED"}}}}
				}
				c.After = startOnLies
				out = append(out, c)
			}
		}
	}
	return out
}

func startOnLies(ctx context.Context, r *Run) error {
	if err := r.outlast(ctx, true, 3*time.Second); err != nil {
		return err
	}
	fired := len(r.Rules.Fired("lies")) > 0
	err := r.Relist(ctx)
	r.missed, r.Case.Fires = !fired, ""
	return err
}
