package campaign

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
)

// madeAnew are the part of F1 in which an object is deleted by hand, and the
// daemon dies while it makes it anew: what it made must be known to be its own.
func madeAnew(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		for _, resource := range []string{"configmaps", "deployments", "services"} {
			p, ok := first(want, resource, "patch")
			if !ok {
				continue
			}
			for _, phase := range proxy.Phases() {
				call := proxy.Match{Servers: []string{p.cluster}, Verbs: []string{"patch"}, Resources: []string{p.resource}, Namespace: p.namespace, Name: p.name, Nth: 1}
				out = append(out, Case{
					Fault: "F1", Name: fmt.Sprintf("%s: %s %s/%s is deleted by hand and made anew: %s", want.Name, p.resource, p.namespace, p.name, phase), Step: step,
					Allow: map[string]oracle.Counts{p.cluster + " " + p.resource + " " + p.namespace + "/" + p.name: {Creates: 1}},
					After: func(ctx context.Context, r *Run) error {
						return r.deletedByHand(ctx, p, proxy.Rule{ID: "kill", Match: call, Do: proxy.Action{Kind: proxy.Kill, Phase: phase}})
					},
				})
			}
		}
	}
	return out
}

func (r *Run) deletedByHand(ctx context.Context, p place, rule proxy.Rule) error {
	if err := r.Settle(ctx, settleLimit); err != nil {
		r.Wrong("before the fault: %v", err)
		return nil
	}
	if err := quiet(ctx, r.World, shortCalm, settleLimit); err != nil {
		return err
	}
	r.Rules.Set(rule)
	if err := r.api(p).Delete(ctx, r.Own(p.name), metav1.DeleteOptions{}); err != nil {
		return err
	}
	err := eventually(ctx, 30*time.Second, func() string {
		if len(r.Rules.Fired("kill")) == 0 {
			return "it was not made anew"
		}
		return ""
	})
	if err != nil {
		if ctx.Err() == nil {
			r.Wrong("after the deletion by hand: %v", err)
			return nil
		}
		return err
	}
	for wait := time.Now(); rule.Do.Phase != proxy.ResetNoKill && r.Daemon.Running() && time.Since(wait) < 10*time.Second; {
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return r.Restart(ctx)
}
