package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// pathServices is how many services of one golden path are vetted.
const pathServices = 200

// pathTexts are the golden paths, and what a plain service of each says besides what all say.
func pathTexts() []struct{ path, text string } {
	return []struct{ path, text string }{
		{"web", "\thttp: port: 8080\n\tscale: {min: 1, max: 6}\n"},
		{"worker", "\tscale: min: 1\n\thealth: port: 8081\n"},
		{"cron", "\tschedule: \"15 5 * * *\"\n"},
		{"job", "\targs: [\"backfill\"]\n\ttimeout: 3600\n"},
		{"stateful", "\treplicas: 2\n\tlisten: http: {port: 9200, protocol: \"http\"}\n\thealth: {port: 9200, live: \"/livez\", ready: \"/readyz\"}\n\tvolumes: index: {path: \"/var/lib/index\", size: \"2Gi\"}\n"},
		{"static", "\tsite: root: \"/public/\"\n"},
		{"manifests", "\tmanifests: folder: \"manifests/base\"\n\tports: http: {port: 8080, protocol: \"http\"}\n"},
		{"chart", "\tvalues: image: repository: \"registry.example.com/vendored/geocoder\"\n\tports: http: {port: 8080, protocol: \"http\"}\n"},
	}
}

// vendored are the folders of others' that a service of a path has, of the example company,
// and the image that runs there.
func vendored(path string) (dir, of, image string) {
	switch path {
	case "manifests":
		return "teams/delivery/map-tiles/manifests", "map-tiles", "registry.example.com/vendored/tileserver"
	case "chart":
		return "teams/delivery/geocoder/chart", "geocoder", "registry.example.com/vendored/geocoder"
	}
	return "", "", ""
}

// paths measures what a unit of each golden path costs, and how soon the example company is vetted.
func (b *bench) paths(ctx context.Context) ([]*section, error) {
	s, end := begin("A unit of each golden path", fmt.Sprintf("`reconciler vet` with an empty cache of %d plain services of one path, released in one environment, less the same "+
		"of none, by service: its declaration, its release and its unit. The floor is bare CUE doing the same, where CUE is all that renders. Medians, runs interleaved.", pathServices))
	defer end()
	for _, p := range pathTexts() {
		if err := b.path(ctx, s, p.path, p.text); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
	}
	company, err := b.company(ctx)
	return []*section{s, company}, err
}

func (b *bench) path(ctx context.Context, s *section, path, text string) error {
	full, err := b.pathFleet(ctx, path, text, pathServices)
	if err != nil {
		return err
	}
	empty, err := b.pathFleet(ctx, path, text, 0)
	if err != nil {
		return err
	}
	dir, _, _ := vendored(path)
	var ours, none, floor, floorNone runs
	for range b.rounds {
		cache, err := b.fresh("cache-path")
		if err != nil {
			return err
		}
		for _, one := range []struct {
			to   *runs
			name string
			args []string
			skip bool
		}{
			{&none, b.binary, []string{"vet", "-C", empty}, false}, {&ours, b.binary, []string{"vet", "-C", full}, false},
			{&floorNone, b.bare, []string{"render", empty}, dir != ""}, {&floor, b.bare, []string{"render", full}, dir != ""},
		} {
			if one.skip {
				continue
			}
			took, err := spend(ctx, b.work, []string{"XDG_CACHE_HOME=" + cache}, one.name, one.args...)
			if err != nil {
				return err
			}
			*one.to = append(*one.to, took)
		}
	}
	each := func(full, none time.Duration) time.Duration { return (full - none) / pathServices }
	r := row{what: path, figure: fmt.Sprintf("%s (CPU %s)", ms(each(ours.wall(), none.wall())), ms(each(ours.cpu(), none.cpu())))}
	if len(floor) > 0 {
		r.floor = fmt.Sprintf("%s (CPU %s)", ms(each(floor.wall(), floorNone.wall())), ms(each(floor.cpu(), floorNone.cpu())))
		r.ratio = times(each(ours.wall(), none.wall()), each(floor.wall(), floorNone.wall()))
	}
	s.add(r)
	return nil
}

// pathFleet writes a platform repository with services of one path.
func (b *bench) pathFleet(ctx context.Context, path, text string, services int) (string, error) {
	dir := filepath.Join(b.work, fmt.Sprintf("path-%s-%d", path, services))
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		return dir, nil
	}
	f := &generated{dir: dir, services: services}
	if err := f.platform(b.top); err != nil {
		return "", err
	}
	files := map[string]string{"environments/prod/environment.cue": environmentText("prod", 30), "teams/" + team(0) + "/team.cue": teamText(0)}
	for i := range services {
		name := serviceName(i)
		at := "teams/" + team(0) + "/" + name
		_, _, image := vendored(path)
		files[at+"/service.cue"] = fmt.Sprintf("package service\n\nimport \"fairway.dev/platform/paths/%s\"\n\n%s.#Service & {\n\tname: %q\n\tdescription: \"A plain service.\"\n\timage: %q\n%s}\n",
			path, path, name, cmp.Or(image, "registry.example.com/"+team(0)+"/"+name), text)
		files["environments/prod/releases/"+team(0)+"/"+name+".cue"] = releaseText(i)
		if err := vendor(files, b.top, path, at, name); err != nil {
			return "", err
		}
	}
	for name, text := range files {
		if err := write(filepath.Join(dir, name), text); err != nil {
			return "", err
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"add", "-A"},
		{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--no-verify", "-m", "generated"},
	} {
		if _, err := git(ctx, dir, args...); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// vendor adds the folder of others' that a service of a path has, with its name for theirs.
func vendor(files map[string]string, top, path, at, name string) error {
	from, theirs, _ := vendored(path)
	if from == "" {
		return nil
	}
	root := filepath.Join(top, from)
	return filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		files[at+"/"+filepath.Base(from)+"/"+filepath.ToSlash(rel)] = strings.ReplaceAll(string(raw), theirs, name)
		return err
	})
}

// company measures vet of the example company.
func (b *bench) company(ctx context.Context) (*section, error) {
	s, end := begin("The example company", "`reconciler vet` of the company in this repository, the whole process from exec to exit: with an empty cache, and again with nothing changed.")
	defer end()
	dir, err := b.fresh("company")
	if err != nil {
		return nil, err
	}
	if _, err := git(ctx, b.work, "clone", "--quiet", b.top, dir); err != nil {
		return nil, err
	}
	var cold, warm runs
	for range b.rounds {
		cache, err := b.fresh("cache-company")
		if err != nil {
			return nil, err
		}
		for _, to := range []*runs{&cold, &warm} {
			took, err := spend(ctx, dir, []string{"XDG_CACHE_HOME=" + cache}, b.binary, "vet")
			if err != nil {
				return nil, err
			}
			*to = append(*to, took)
		}
	}
	s.add(row{"vet, nothing cached", cold.String(), "", "", "", noGoal})
	s.add(row{"vet, nothing changed", warm.String(), "", "", "<= 1 s", judge(warm.wall() <= time.Second)})
	s.note("What ran last: %s.", warm[len(warm)-1].output)
	costs, err := spend(ctx, dir, nil, b.binary, "policy", "test", "--cost")
	if err == nil {
		s.note("`reconciler policy test --cost`:\n\n```\n%s\n```", costs.output)
	}
	return s, err
}
