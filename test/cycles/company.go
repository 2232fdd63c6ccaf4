package main

import "fmt"

// company is a team with one service for each lane, one environment, and what previews are like.
func company(lanes, atOnce int) map[string]string {
	files := map[string]string{
		"teams/shop/team.cue": `package team

import "fairway.dev/schema"

schema.#Team & {
	name:        "shop"
	description: "A team of a test."
	owners: ["leads"]
}
`,
		"environments/dev/environment.cue": `package environment

import "fairway.dev/schema"

schema.#Environment & {
	name:        "dev"
	description: "An environment of a test."
	rank:        10
	clusters: ["local"]
	domain: "dev.example.com"
	quota: {cpu: "200", memory: "400Gi", pods: 500}
}
`,
		"platform/previews/previews.cue": fmt.Sprintf(`package previews

import "fairway.dev/schema"

previews: schema.#Previews & {
	base: "dev"
	most: %d
	#environment: {
		name:        _
		description: "A pull request of a test."
		rank:        1
		clusters: ["local"]
		domain:      "\(name).preview.example.com"
		maxReplicas: 1
		quota: {cpu: "2", memory: "4Gi", pods: 12}
	}
}
`, lanes+atOnce+20),
	}
	for lane := range lanes {
		name := service(lane)
		files[servicePath(lane)] = serviceText(lane, "0")
		files["environments/dev/releases/shop/"+name+".cue"] = fmt.Sprintf("package releases\n\nimport \"fairway.dev/schema\"\n\n%q: schema.#Release & {image: tag: \"1.0.0\"}\n", name)
	}
	return files
}

func service(lane int) string     { return fmt.Sprintf("svc%02d", lane) }
func servicePath(lane int) string { return "teams/shop/" + service(lane) + "/service.cue" }

// serviceText declares the service of a lane; the edition is a variable that it runs with.
func serviceText(lane int, edition string) string {
	needs := ""
	if lane > 0 { // what is called in the base environment has to let previews in
		needs = "\n\tneeds: before: service: " + fmt.Sprintf("%q", service(lane-1))
	}
	return fmt.Sprintf(`package service

import "fairway.dev/platform/paths/web"

web.#Service & {
	name:        %q
	description: "A service of a test."
	image:       "registry.example.com/test/%s"
	http: port: 8080
	scale: min: 1
	config: EDITION: %q%s
}
`, service(lane), service(lane), edition, needs)
}
