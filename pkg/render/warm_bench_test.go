package render_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/render"
)

// fleetOf is a company of so many services in teams of a hundred, each of which
// needs the one before it.
func fleetOf(services int) company {
	c := newCompany()
	c.Teams, c.Services, c.Releases = map[string]string{}, map[string]service{}, map[string]release{}
	c.Environments = map[string]environment{"prod": {Clusters: []string{"one"}, Domain: "example.com"}}
	for i := range services {
		team, name := fmt.Sprintf("group%03d", i/100), fmt.Sprintf("svc%05d", i)
		s := service{Team: team, Name: name, Path: "web", Port: 8080, Metrics: true, Needs: map[string]string{}, Overlay: "prod"}
		if i%3 > 0 {
			s.Needs[fmt.Sprintf("svc%05d", i-1)] = "http"
		}
		r := release{Environment: "prod", Team: team, Service: name, Tag: "1.0.0"}
		c.Teams[team], c.Services[s.key()], c.Releases[r.key()] = "", s, r
	}
	return c
}

// BenchmarkStart is what a process does first, where an earlier one left its
// results, up to the verdict: from the fleet it kept as a whole with one service
// changed since, and without that.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{100, 1000} {
		w, c := newWorld(b, newEvaluator(b), b.TempDir()), fleetOf(n)
		base := realPlatform(b)
		w.advance(c.write(base))
		w.keep()
		const changed = "group000/svc00007"
		w.advance(c.with(func(s *service) { s.Port = 9000 }, changed).write(base))
		verdict := render.Verdict(w.es, w.st)
		start := func(b *testing.B, es *eval.State, st *render.State) {
			declared, delta := w.step(es, st)
			if got := render.Verdict(es, st); got != verdict || declared.Evaluations+delta.Evaluations > 0 {
				b.Fatalf("verdict %s, want %s; %d declarations and %d units evaluated", got, verdict, declared.Evaluations, delta.Evaluations)
			}
		}
		b.Run(fmt.Sprintf("%d/resumed", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tree, err := w.store.Tree(w.head)
				if err != nil {
					b.Fatal(err)
				}
				es, st, ok := (&render.Renderer{Evaluator: w.eval}).Resume(context.Background(), tree)
				if !ok {
					b.Fatal("nothing was kept")
				}
				start(b, es, st)
			}
		})
		b.Run(fmt.Sprintf("%d/anew", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				start(b, eval.NewState(), render.NewState())
			}
		})
	}
}
