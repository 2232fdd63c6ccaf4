package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairway-dev/fairway/test/labtest"
)

// generated is a platform repository: the real schema and golden paths,
// and so many services of teams of a hundred, all released in one environment
// on one cluster.
type generated struct {
	dir      string
	services int
}

const (
	environment = "prod"
	clusterName = "prod-eu"
	teamSize    = 100
)

func team(i int) string        { return fmt.Sprintf("group%03d", i/teamSize) }
func serviceName(i int) string { return fmt.Sprintf("svc%05d", i) }
func unitName(i int) string    { return environment + "/" + clusterName + "/" + serviceName(i) }

// serviceFile is where a service is declared, releaseIn what of it runs.
func serviceFile(i int) string { return "teams/" + team(i) + "/" + serviceName(i) + "/service.cue" }
func releaseIn(env string, i int) string {
	return "environments/" + env + "/releases/" + team(i) + "/" + serviceName(i) + ".cue"
}

// generate writes a fleet as a Git repository with a working tree. All is
// released in the environment of the benchmark, and in those named as well.
func generate(ctx context.Context, top, dir string, services int, more ...string) (*generated, error) {
	f := &generated{dir: dir, services: services}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		return f, nil
	}
	if err := f.platform(top); err != nil {
		return nil, err
	}
	files := map[string]string{}
	everywhere := append([]string{environment}, more...)
	for rank, env := range everywhere {
		files["environments/"+env+"/environment.cue"] = environmentText(env, 30+rank)
	}
	for i := range services {
		if i%teamSize == 0 {
			files["teams/"+team(i)+"/team.cue"] = teamText(i)
		}
		files[serviceFile(i)] = serviceText(i, services, 0)
		for _, env := range everywhere {
			files[releaseIn(env, i)] = releaseText(i)
		}
	}
	for name, text := range files {
		if err := write(filepath.Join(dir, name), text); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"}, {"add", "-A"},
		{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "--quiet", "--no-verify", "-m", "generated"},
		{"repack", "-adq"},
	} {
		if _, err := git(ctx, dir, args...); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// platform copies what everything is written against.
func (f *generated) platform(top string) error {
	for _, root := range []string{"cue.mod", "schema", "platform"} {
		if err := os.CopyFS(filepath.Join(f.dir, root), os.DirFS(filepath.Join(top, root))); err != nil {
			return fmt.Errorf("copy the platform: %w", err)
		}
	}
	// The company's guardrails are for the company's services and teams, and the plane
	// has none of the company's add-ons.
	if err := labtest.Bare(f.dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(f.dir, "platform/clusters"))
	if err != nil {
		return fmt.Errorf("read the clusters: %w", err)
	}
	for _, e := range entries {
		if e.Name() != clusterName {
			if err := os.RemoveAll(filepath.Join(f.dir, "platform/clusters", e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

func environmentText(name string, rank int) string {
	return fmt.Sprintf(`package environment

import "fairway.dev/schema"

schema.#Environment & {
	name:        %q
	description: "An environment of the benchmark."
	rank:        %d
	clusters: ["prod-eu"]
	domain: "%s.example.com"
	config: LOG_LEVEL: "info"
	quota: {cpu: "900", memory: "900Gi", pods: 1000}
}
`, name, rank, name)
}

func teamText(i int) string {
	return fmt.Sprintf(`package team

import "fairway.dev/schema"

schema.#Team & {
	name:        %q
	description: "Owns a hundred services of the benchmark."
	owners: ["%s-leads"]
	chat:   "#%s"
	oncall: "%s-oncall"
}
`, team(i), team(i), team(i), team(i))
}

func releaseText(i int) string {
	return fmt.Sprintf(`package releases

import "fairway.dev/schema"

%s: schema.#Release & {
	image: {
		tag:    "1.%d.%d"
		digest: "sha256:%064x"
	}
}
`, serviceName(i), i%17, i%5, i+1)
}

// serviceText declares a service: of ten, eight answer requests, one works in
// the background and one is a job. Edition changes one line of it, which
// changes exactly one object: the Deployment.
func serviceText(i, services, edition int) string {
	path := []string{"web", "web", "web", "web", "web", "web", "web", "web", "worker", "cron"}[i%10]
	var b strings.Builder
	fmt.Fprintf(&b, "package service\n\nimport \"fairway.dev/platform/paths/%s\"\n\n%s.#Service & {\n", path, path)
	fmt.Fprintf(&b, "\tname:        %q\n\tdescription: \"A generated service, number %d of the fleet.\"\n", serviceName(i), i)
	fmt.Fprintf(&b, "\timage:       \"registry.example.com/%s/%s\"\n", team(i), serviceName(i))
	b.WriteString(needsText(i, services))
	fmt.Fprintf(&b, "\tconfig: {BATCH_SIZE: \"%d\", REGION_HINT: \"eu-%d\"}\n", 10+i%90, i%3)
	fmt.Fprintf(&b, "\tresources: {cpu: \"50m\", memory: \"%dMi\"}\n", 65+edition%900)
	b.WriteString(pathText(i, path))
	b.WriteString("\tlinks: runbook: \"https://wiki.example.com/" + serviceName(i) + "\"\n}\n")
	return b.String()
}

func needsText(i, services int) string {
	var needs []string
	for _, target := range []int{i - 1, i - i%10 + 3} {
		if target >= 0 && target < services && target != i && target%10 < 8 && i%3 != 0 {
			needs = append(needs, fmt.Sprintf("dep%d: {service: %q}", len(needs), serviceName(target)))
		}
	}
	if len(needs) == 0 {
		return ""
	}
	return "\tneeds: {\n\t\t" + strings.Join(needs, "\n\t\t") + "\n\t}\n"
}

func pathText(i int, path string) string {
	switch path {
	case "web":
		return fmt.Sprintf("\thttp: {port: 8080, public: %t}\n\tscale: {min: 1, max: 6}\n\tmetrics: {port: 9090}\n\tenvironments: prod: scale: max: %d\n", i%10 == 0, 4+i%8)
	case "worker":
		return "\tscale: {min: 1}\n\thealth: {port: 8081}\n"
	}
	return "\tschedule: \"15 5 * * *\"\n\tenvironments: prod: config: RECIPIENTS: \"bench@example.com\"\n"
}
