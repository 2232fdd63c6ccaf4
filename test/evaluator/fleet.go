package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// makeFleet writes a platform's folders with services of its own: every path
// that a service can be on by itself, with every field said or left out.
func makeFleet(top, dir string) error {
	for _, root := range []string{"cue.mod", "schema", "platform"} {
		if err := os.CopyFS(filepath.Join(dir, root), os.DirFS(filepath.Join(top, root))); err != nil {
			return err
		}
	}
	environments, err := filepath.Glob(filepath.Join(top, "environments", "*", "environment.cue"))
	if err != nil {
		return err
	}
	files := map[string]string{
		"teams/corpus/team.cue": "package team\n\nimport \"fairway.dev/schema\"\n\nschema.#Team & {\n\tname: \"corpus\"\n\tdescription: \"Shows what evaluators make of services.\"\n\towners: [\"leads\"]\n}\n",
	}
	for i := range 48 {
		files[fmt.Sprintf("teams/corpus/s%02d/service.cue", i)] = serviceText(i)
	}
	for _, file := range environments {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name := filepath.Base(filepath.Dir(file))
		files["environments/"+name+"/environment.cue"] = string(text)
		for i := range 48 {
			files[fmt.Sprintf("environments/%s/releases/corpus/s%02d.cue", name, i)] = fmt.Sprintf(
				"package releases\n\nimport \"fairway.dev/schema\"\n\n\"s%02d\": schema.#Release & {image: tag: \"1.%d.0\"}\n", i, i)
		}
	}
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// serviceText says of a service what the bits of its number ask for.
func serviceText(i int) string {
	has := func(bit int) bool { return i>>bit&1 == 1 }
	path := "web"
	if i%3 == 2 {
		path = "worker"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package service\n\nimport \"fairway.dev/platform/paths/%s\"\n\n%s.#Service & {\n\tname: \"s%02d\"\n\tdescription: \"The service numbered %d.\"\n\timage: \"registry.example.com/corpus/s%02d\"\n", path, path, i, i, i)
	if path == "web" {
		fmt.Fprintf(&b, "\thttp: {port: %d, public: %v}\n", 8000+i, has(0))
	}
	for _, field := range []struct {
		bit  int
		text string
	}{
		{1, "\tmetrics: port: 9090\n"},
		{2, "\tscale: {min: 2, max: *6 | int}\n"},
		{3, "\tconfig: {LEVEL: \"a\\(1+2)\", LONG: \"\"\"\n\t\tone\n\t\ttwo\n\t\t\"\"\"}\n"},
		{4, "\tenvironments: [string]: config: WHERE: \"there\"\n\tenvironments: prod: scale: min: 3\n"},
		{5, "\tneeds: other: {service: \"s00\", endpoint: \"http\"}\n"},
	} {
		if has(field.bit) {
			b.WriteString(field.text)
		}
	}
	return b.String() + "}\n"
}
