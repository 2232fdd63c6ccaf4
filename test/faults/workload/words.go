// Package workload holds the companies that faults are tried on, and what
// happens to them: the standard workload, and a small one for trying every
// single request.
package workload

import (
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/test/faults/world"
)

// env, team and the like spell the names that all companies share.
func env(name string) string  { return name + "-" + world.Mark }
func team(name string) string { return name + "-" + world.Mark }

// Space is the namespace of a team in an environment.
func Space(t, e string) string { return team(t) + "-" + env(e) }

func environment(name string, rank int, cluster, level, more string) world.Files {
	return world.Files{"environments/" + env(name) + "/environment.cue": fmt.Sprintf(`package environment

import "fairway.dev/schema"

schema.#Environment & {
	name:        %q
	description: "An environment of a test."
	rank:        %d
	clusters: [%q]
	domain:      "%s.example.com"
	config: LOG_LEVEL: %q
	quota: {cpu: "200", memory: "400Gi", pods: 500}
	%s
}
`, env(name), rank, cluster, env(name), level, more)}
}

func teamFile(name string) world.Files {
	return world.Files{"teams/" + team(name) + "/team.cue": fmt.Sprintf(`package team

import "fairway.dev/schema"

schema.#Team & {
	name:        %q
	description: "A team of a test."
	owners: ["leads"]
}
`, team(name))}
}

func servicePath(t, name string) string { return "teams/" + team(t) + "/" + name + "/service.cue" }

// service declares a service of a path. more is put into its body.
func service(path, t, name, more string) world.Files {
	must := map[string]string{"web": "http: port: 8080", "worker": "stop: 10", "cron": `schedule: "30 4 1 1 *"`, "task": "task: true", "note": ""}[path]
	if (path == "web" || path == "worker") && !strings.Contains(more, "scale:") {
		more = "scale: min: 1\n\t" + more
	}
	return world.Files{servicePath(t, name): fmt.Sprintf(`package service

import "fairway.dev/platform/paths/%s"

%s.#Service & {
	name:        %q
	description: "A service of a test."
	image:       "registry.example.com/test/%s"
	%s
	%s
}
`, path, path, name, name, must, more)}
}

func releasePath(e, t, name string) string {
	return "environments/" + env(e) + "/releases/" + team(t) + "/" + name + ".cue"
}

func release(e, t, name, tag string) world.Files {
	return world.Files{releasePath(e, t, name): fmt.Sprintf(`package releases

import "fairway.dev/schema"

%q: schema.#Release & {image: tag: %q}
`, name, tag)}
}

// released releases a service in environments.
func released(t, name, tag string, envs ...string) world.Files {
	out := world.Files{}
	for _, e := range envs {
		out.And(release(e, t, name, tag))
	}
	return out
}

// removed takes a service and its releases away.
func removed(t, name string, envs ...string) world.Files {
	out := world.Files{servicePath(t, name): world.Gone}
	for _, e := range envs {
		out[releasePath(e, t, name)] = world.Gone
	}
	return out
}
