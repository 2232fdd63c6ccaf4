package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	gitstore "github.com/fairway-dev/fairway/pkg/git"
)

// changed is what one size of fleet gave.
type changed struct {
	services              int
	daemon, cli, nothing  sample
	declarations, renders int
	first                 time.Duration
}

// change measures one service changed in fleets of growing size.
func (b *bench) change(ctx context.Context) ([]*section, error) {
	s, end := begin("One service changed (S02, S03, S12)", "One line of one service changes. In the daemon: from a commit to the verdict over the whole fleet "+
		"(open the tree, check its names, evaluate, render, verdict). By the command line: `reconciler vet` as a whole process, with the cache of the run before.")
	defer end()
	var all []changed
	for _, n := range b.services {
		c, err := b.changeIn(ctx, n)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		goal := "S03: p50 <= 5 ms"
		s.add(row{fmt.Sprintf("daemon, 1 of %d", n), c.daemon.String(), "", "", goal, judge(c.daemon.p50() <= 5*time.Millisecond)})
		s.add(row{fmt.Sprintf("daemon, 1 of %d: evaluations a change", n), fmt.Sprintf("%.2f declarations, %.2f units", float64(c.declarations)/float64(len(c.daemon)), float64(c.renders)/float64(len(c.daemon))), "", "", "1 and 1", judge(c.declarations == len(c.daemon) && c.renders == len(c.daemon))})
		s.add(row{fmt.Sprintf("daemon, nothing declared changed, %d services", n), c.nothing.String(), "", "", "S02: <= 1 ms", judge(c.nothing.p50() <= time.Millisecond)})
		s.add(row{fmt.Sprintf("command line, 1 of %d", n), c.cli.String(), "", "", "S03: <= 100 ms", judge(c.cli.p50() <= 100*time.Millisecond)})
		s.add(row{fmt.Sprintf("daemon's first revision with a warm cache, %d services", n), ms(c.first), "", "", "", noGoal})
	}
	flatness(s, all)
	return []*section{s}, nil
}

// flatness compares the largest fleet with one of a hundred.
func flatness(s *section, all []changed) {
	var small, large *changed
	for i := range all {
		if all[i].services == 100 {
			small = &all[i]
		}
		if large == nil || all[i].services > large.services {
			large = &all[i]
		}
	}
	if small == nil || small == large {
		return
	}
	grow := func(a, b time.Duration) float64 { return b.Seconds() / a.Seconds() }
	r := grow(small.daemon.p50(), large.daemon.p50())
	s.add(row{fmt.Sprintf("daemon, t(%d)/t(100)", large.services), fmt.Sprintf("%.2f", r), "", "", "S03: <= 1.2", judge(r <= 1.2)})
	slope := math.Log(r) / math.Log(float64(large.services)/100)
	s.add(row{"daemon, log-log slope", fmt.Sprintf("%.3f", slope), "", "", "S12: <= 0.05", judge(slope <= 0.05)})
	s.add(row{fmt.Sprintf("command line, t(%d)/t(100)", large.services), fmt.Sprintf("%.2f", grow(small.cli.p50(), large.cli.p50())), "", "", "", noGoal})
}

func (b *bench) changeIn(ctx context.Context, services int) (changed, error) {
	c := changed{services: services}
	f, err := b.fleet(ctx, services)
	if err != nil {
		return c, err
	}
	if err := b.inDaemon(ctx, f, &c); err != nil {
		return c, err
	}
	return c, b.byCommand(ctx, f, &c)
}

// line is the daemon's work on a revision, without a cluster.
type line struct {
	store *gitstore.Store
	fleet *fleet.Fleet
	eval  *eval.Evaluator
	tip   gitstore.Hash
}

func (b *bench) open(ctx context.Context, f *generated) (*line, error) {
	dir := filepath.Join(b.work, fmt.Sprintf("store-%d", f.services))
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if _, err := git(ctx, b.work, "clone", "--quiet", "--bare", f.dir, dir); err != nil {
		return nil, err
	}
	store, err := gitstore.OpenStore(dir, gitstore.Options{})
	if err != nil {
		return nil, err
	}
	rev, err := store.Resolve("main")
	if err != nil {
		return nil, err
	}
	results, err := cache.Open(filepath.Join(b.work, fmt.Sprintf("results-%d", f.services)))
	if err != nil {
		return nil, err
	}
	e := &eval.Evaluator{Pool: eval.NewPool("", runtime.GOMAXPROCS(0)), Cache: results, Engine: b.engine}
	return &line{store: store, fleet: fleet.New(e), eval: e, tip: rev.Commit}, nil
}

func (l *line) close() error {
	l.eval.Pool.Close()
	return errors.Join(l.eval.Cache.Close(), l.store.Close())
}

// advance does what the daemon does with a new revision.
func (l *line) advance(ctx context.Context) (fleet.Change, time.Duration, error) {
	start := time.Now()
	tree, err := l.store.Tree(l.tip)
	if err != nil {
		return fleet.Change{}, 0, err
	}
	if bad, err := tree.Check(gitstore.Limits{}); err != nil || len(bad) > 0 {
		return fleet.Change{}, 0, errors.Join(err, fmt.Errorf("%d bad names", len(bad)))
	}
	change, err := l.fleet.Advance(ctx, tree, fleet.Before(l.store, l.tip))
	l.fleet.Verdict()
	return change, time.Since(start), err
}

// commit puts files on top of the tip.
func (l *line) commit(ctx context.Context, files map[string][]byte) (err error) {
	l.tip, err = l.store.Commit(ctx, gitstore.Edit{Base: l.tip, Files: files, Message: "change", Author: "bench <bench@localhost>"})
	return err
}

func (b *bench) inDaemon(ctx context.Context, f *generated, c *changed) error {
	l, err := b.open(ctx, f)
	if err != nil {
		return err
	}
	if _, _, err := l.advance(ctx); err != nil { // fills the cache
		return err
	}
	if err := l.close(); err != nil {
		return err
	}
	if l, err = b.open(ctx, f); err != nil {
		return err
	}
	defer l.close()
	if _, c.first, err = l.advance(ctx); err != nil {
		return err
	}
	if bad := l.fleet.Diags(); len(bad) > 0 {
		return fmt.Errorf("the generated fleet has mistakes: %s: %s", bad[0].Pos, bad[0].Message)
	}
	const warm = 3 // a worker starts with the first change
	for i := range warm + b.changes {
		at := (i * 7919) % f.services
		if err := l.commit(ctx, map[string][]byte{serviceFile(at): []byte(serviceText(at, f.services, i+1))}); err != nil {
			return err
		}
		change, took, err := l.advance(ctx)
		if err != nil {
			return err
		}
		if i < warm {
			continue
		}
		c.daemon = append(c.daemon, took)
		c.declarations += change.Declarations
		c.renders += change.Evaluations
	}
	for i := range b.changes {
		if err := l.commit(ctx, map[string][]byte{"docs/note.md": fmt.Append(nil, i)}); err != nil {
			return err
		}
		_, took, err := l.advance(ctx)
		if err != nil {
			return err
		}
		c.nothing = append(c.nothing, took)
	}
	return nil
}

// byCommand edits a service in the working tree and vets it.
func (b *bench) byCommand(ctx context.Context, f *generated, c *changed) error {
	cacheHome, err := b.fresh(fmt.Sprintf("cache-change-%d", f.services))
	if err != nil {
		return err
	}
	env := []string{"XDG_CACHE_HOME=" + cacheHome}
	if _, err := spend(ctx, f.dir, env, b.binary, "vet"); err != nil {
		return err
	}
	for i := range max(b.rounds*3, 5) {
		at := (i * 7919) % f.services
		if err := write(filepath.Join(f.dir, serviceFile(at)), serviceText(at, f.services, 1000+i)); err != nil {
			return err
		}
		took, err := spend(ctx, f.dir, env, b.binary, "vet")
		if err != nil {
			return err
		}
		c.cli = append(c.cli, took.wall)
	}
	_, err = git(ctx, f.dir, "checkout", "--quiet", ".")
	return err
}
