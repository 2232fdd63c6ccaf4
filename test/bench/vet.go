package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// vetServices is the size of the fleet that is vetted cold.
const vetServices = 1000

// vet measures `reconciler vet` from nothing, whole process, beside bare CUE
// and beside cue vet.
func (b *bench) vet(ctx context.Context) ([]*section, error) {
	s, end := begin("Validation from nothing (S01, S05)", "`reconciler vet` of 1,000 generated services with an empty cache: the whole process, from exec to exit. "+
		"It evaluates every declaration and renders every unit. The floor is bare CUE doing the same evaluations in one process on all cores, "+
		"without Git, cache, worker processes, canonical bytes or diagnostics. Medians, runs interleaved.")
	defer end()
	f, err := b.fleet(ctx, vetServices)
	if err != nil {
		return nil, err
	}
	var ours, render, validate, cueVet, version runs
	said := ""
	for round := range b.rounds {
		cache, err := b.fresh(fmt.Sprintf("cache-vet-%d", round))
		if err != nil {
			return nil, err
		}
		for _, one := range []struct {
			to   *runs
			env  []string
			name string
			args []string
		}{
			{&render, nil, b.bare, []string{"render", f.dir}},
			{&ours, []string{"XDG_CACHE_HOME=" + cache}, b.binary, []string{"vet", "-C", f.dir}},
			{&validate, nil, b.bare, []string{"validate", f.dir}},
			{&cueVet, []string{"CUE_CACHE_DIR=" + filepath.Join(b.work, "cue-cache"), "CUE_REGISTRY=none"}, b.cue, []string{"vet", "-c", "./..."}},
			{&version, nil, b.binary, []string{"version"}},
		} {
			took, err := spend(ctx, f.dir, one.env, one.name, one.args...)
			if err != nil {
				return nil, err
			}
			*one.to = append(*one.to, took)
			if one.to == &ours || one.to == &render {
				said += took.output + "; "
			}
		}
	}
	s.add(row{"vet, validate and render", ours.String(), render.String(), times(ours.wall(), render.wall()), "S01: <= 1.5x", judge(ours.wall() <= render.wall()*3/2)})
	s.add(row{"the same in processor time", ms(ours.cpu()), ms(render.cpu()), times(ours.cpu(), render.cpu()), "", noGoal})
	s.add(row{"vet beside validation alone (bare CUE renders nothing)", ours.String(), validate.String(), times(ours.wall(), validate.wall()), "", noGoal})
	s.add(row{"vet beside `cue vet -c ./...` (renders nothing)", ours.String(), cueVet.String(), times(ours.wall(), cueVet.wall()), "S01: below", judge(ours.wall() < cueVet.wall())})
	if err := b.threefold(ctx, s); err != nil {
		return nil, err
	}
	s.add(row{"`reconciler version`: a process that does nothing", version.String(), "", "", "", noGoal})
	s.note("What ran last: %s.", strings.Join(strings.Split(said, "; ")[2*(b.rounds-1):2*b.rounds], "; "))
	return []*section{s}, nil
}

// threefold measures the same fleet released in three environments.
func (b *bench) threefold(ctx context.Context, s *section) error {
	f, err := generate(ctx, b.top, filepath.Join(b.work, "fleet-three-environments"), vetServices, "dev", "staging")
	if err != nil {
		return err
	}
	var ours, floor, again runs
	for round := range b.rounds {
		cache, err := b.fresh(fmt.Sprintf("cache-three-%d", round))
		if err != nil {
			return err
		}
		for _, one := range []struct {
			to   *runs
			name string
			args []string
		}{{&floor, b.bare, []string{"render", f.dir}}, {&ours, b.binary, []string{"vet", "-C", f.dir}}, {&again, b.binary, []string{"vet", "-C", f.dir}}} {
			took, err := spend(ctx, f.dir, []string{"XDG_CACHE_HOME=" + cache}, one.name, one.args...)
			if err != nil {
				return err
			}
			*one.to = append(*one.to, took)
		}
	}
	s.add(row{"vet, validate and render 1,000 services x 3 environments", ours.String(), floor.String(), times(ours.wall(), floor.wall()), "S05: <= 4 s", judge(ours.wall() <= 4*time.Second)})
	s.add(row{"the same again, nothing changed", again.String(), "", "", "", noGoal})
	return nil
}
