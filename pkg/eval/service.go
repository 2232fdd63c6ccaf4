package eval

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// maxAlias bounds the name of a need that objects are called after: with the
// service's name before it and what operators add behind, it must still be a name.
const maxAlias = 12

// said is what of a declaration is looked at beyond its types: of a service, or of
// one of its overlays, or of an environment.
type said struct {
	Args    []string                              `json:"args"`
	Config  map[string]string                     `json:"config"`
	Needs   map[string]map[string]json.RawMessage `json:"needs"`
	Secrets map[string]struct {
		From string `json:"from"`
		Key  string `json:"key"`
	} `json:"secrets"`
	Environments map[string]said `json:"environments"`
}

func (e *entry) said() said {
	var s said
	if e.place.kind == protocol.Service || e.place.kind == protocol.Environment {
		_ = json.Unmarshal(e.result.Data, &s) // typed by the schema
	}
	return s
}

// mistake is one that no type can find, at the line of a field.
func (e *entry) mistake(code, field, message, hint string) diag.Diag {
	pos, ok := e.result.Positions.Find(field)
	for at := field; !ok && at != ""; {
		at = at[:max(strings.LastIndexByte(at, '.'), 0)]
		pos, ok = e.result.Positions.Find(at)
	}
	if !ok {
		pos = diag.Position{File: e.place.source(), Line: 1, Column: 1}
	}
	return diag.Diag{Code: code, Severity: diag.Error, Pos: pos, Subject: e.place.subject(), Message: field + ": " + message, Hint: hint}
}

// resources are the things of a service's own that can be needed.
func resources() []string { return []string{"bucket", "postgres", "queue", "redis"} }

// kindsOf lists what a need says it is.
func kindsOf(need map[string]json.RawMessage) []string {
	var out []string
	for _, kind := range append(resources(), "service") {
		if _, there := need[kind]; there {
			out = append(out, kind)
		}
	}
	return out
}

// checkNeeds holds that a need is exactly one thing, and that overlays speak of
// needs that there are.
func (e *entry) checkNeeds() diag.List {
	const code = "need"
	s := e.said()
	var list diag.List
	for _, alias := range sortedKeys(s.Needs) {
		field, kinds := "needs."+alias, kindsOf(s.Needs[alias])
		switch {
		case len(kinds) == 0:
			list = append(list, e.mistake(code, field, "it does not say what is needed",
				"write the service, as in service: \"orders\", or one of "+strings.Join(resources(), ", ")))
		case len(kinds) > 1:
			list = append(list, e.mistake(code, field, "it is a "+strings.Join(kinds, " and a "), "give each a name of its own below needs"))
		case kinds[0] != "service" && len(alias) > maxAlias:
			list = append(list, e.mistake(code, field, fmt.Sprintf("a name of %d characters is too long for a %s", len(alias), kinds[0]),
				fmt.Sprintf("give it one of at most %d: objects are called after it", maxAlias)))
		case kinds[0] != "service" && s.Needs[alias]["protocol"] != nil:
			list = append(list, e.mistake(code, field+".protocol", "what a "+kinds[0]+" speaks is known", "leave it out"))
		case kinds[0] != "service" && s.Needs[alias]["endpoint"] != nil:
			list = append(list, e.mistake(code, field+".endpoint", "a "+kinds[0]+" has no endpoints to choose from", "leave it out"))
		}
	}
	for _, env := range sortedKeys(s.Environments) {
		for _, alias := range sortedKeys(s.Environments[env].Needs) {
			for _, kind := range kindsOf(s.Environments[env].Needs[alias]) {
				if _, there := s.Needs[alias][kind]; !there {
					list = append(list, e.mistake(code, fmt.Sprintf("environments.%s.needs.%s", env, alias),
						"the service needs no "+kind+" of this name", "say it in needs of the service; here only its size can differ"))
				}
			}
		}
	}
	return list
}

// checkSecrets holds that a service takes secrets of its own team only, under names
// that are free, and that the files beside it are encrypted.
func (e *entry) checkSecrets() diag.List {
	s := e.said()
	list := e.checkSecretsOf("", s, s.Config)
	for _, env := range sortedKeys(s.Environments) {
		config := s.Environments[env].Config
		list = append(list, e.checkSecretsOf("environments."+env+".", s.Environments[env], s.Config, config)...)
	}
	for _, name := range sortedKeys(e.result.Sealed) {
		file := path.Join(e.place.dir, name)
		if _, err := secret.Parse(file, []byte(e.result.Sealed[name])); err != nil {
			list = append(list, diag.Diag{
				Code: "sealed", Severity: diag.Error, Pos: diag.Position{File: file, Line: 1, Column: 1}, Subject: e.place.subject(),
				Message: err.Error(), Hint: "write it with: sops edit " + file, Secret: true,
			})
		}
		env, ok := SealedFor(name)
		if ok && env != "" {
			continue
		}
		list = append(list, diag.Diag{
			Code: "sealed", Severity: diag.Error, Pos: diag.Position{File: file, Line: 1, Column: 1}, Subject: e.place.subject(),
			Message: "it is not clear which environment this file is for", Hint: "call it secrets.<environment>.sops.yaml",
		})
	}
	return list
}

func (e *entry) checkSecretsOf(prefix string, s said, configs ...map[string]string) diag.List {
	var list diag.List
	for _, name := range sortedKeys(s.Secrets) {
		field, from := prefix+"secrets."+name, s.Secrets[name].From
		if from != "" && !strings.HasPrefix(from, e.place.team+"/") {
			list = append(list, e.mistake("secret", field+".from", fmt.Sprintf("%q is not the team's own", from),
				fmt.Sprintf("secrets of team %s stand under %s/ in the store", e.place.team, e.place.team)))
		}
		for _, config := range configs {
			if _, taken := config[name]; taken {
				list = append(list, e.mistake("secret", field, "config sets a variable of this name as well", "take it out of one of the two"))
				break
			}
		}
	}
	return list
}

// SealedFor tells the environment that a file of secrets is for, by its name.
// Example: "prod" of "secrets.prod.sops.yaml".
func SealedFor(name string) (environment string, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 || parts[0] != "secrets" || parts[2] != "sops" || !slices.Contains([]string{"yaml", "json"}, parts[3]) {
		return "", false
	}
	return parts[1], true
}

// checkPlain finds secrets that were written where everybody reads them. What they
// are is not said again.
func (e *entry) checkPlain(found secret.Finder) diag.List {
	s := e.said()
	list := e.plainIn("", s, found)
	for _, env := range sortedKeys(s.Environments) {
		list = append(list, e.plainIn("environments."+env+".", s.Environments[env], found)...)
	}
	return list
}

// hushed is a mistake whose line is not for showing.
func hushed(d diag.Diag) diag.Diag {
	d.Secret = true
	return d
}

func (e *entry) plainIn(prefix string, s said, found secret.Finder) diag.List {
	const code, known = "plaintext-secret", "; Git has seen it, so have it changed where it came from"
	var list diag.List
	for _, name := range sortedKeys(s.Config) {
		if what := found.Variable(name, s.Config[name]); what != "" {
			list = append(list, hushed(e.mistake(code, prefix+"config."+name, "the value is "+what+", and everybody who reads the repository reads it",
				fmt.Sprintf("write %ssecrets: %s: {from: \"TEAM/...\", key: \"...\"}, or keep it in secrets.<environment>.sops.yaml%s", prefix, name, known))))
		}
	}
	for i, arg := range s.Args {
		if what := found.In(arg); what != "" {
			list = append(list, hushed(e.mistake(code, fmt.Sprintf("%sargs.%d", prefix, i), "it has "+what+", and everybody who reads the repository reads it",
				"have the process read it from a variable that secrets fills"+known)))
		}
	}
	return list
}

// regionsOf are the regions that a service names, by environment; nil for none.
func regionsOf(everywhere []string, overlays map[string]json.RawMessage) map[string][]string {
	out := map[string][]string{}
	if len(everywhere) > 0 {
		out[""] = everywhere
	}
	for environment, overlay := range overlays {
		var said struct {
			Regions []string `json:"regions"`
		}
		if _ = json.Unmarshal(overlay, &said); len(said.Regions) > 0 { // typed by the schema
			out[environment] = said.Regions
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
