package eval

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/health"
	"github.com/fairway-dev/fairway/pkg/secret"
	"github.com/fairway-dev/fairway/pkg/signature"
)

// check turns a result's faults into diagnostics and adds what CUE cannot see:
// that the declaration calls itself as its folder does.
func (e *entry) check(found secret.Finder) diag.List {
	var list diag.List
	for _, f := range e.result.Faults {
		list = append(list, f.Diag(e.place.source(), e.place.subject()))
	}
	switch {
	case len(list) > 0:
		return list
	case e.place.kind == protocol.Signing:
		return e.checkKeys()
	case e.place.kind == protocol.Health:
		return e.checkHealth()
	case e.place.field != "":
		return list
	}
	var named struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(e.result.Data, &named) // the schema says it is a text
	if want := e.place.name(); named.Name != want {
		list = append(list, diag.Diag{
			Code: "name", Severity: diag.Error, Pos: e.at("name"), Subject: e.place.subject(),
			Message: fmt.Sprintf("name: %q stands in the folder %q", named.Name, path.Base(e.place.dir)),
			Hint:    fmt.Sprintf("write name: %q, or rename the folder", want),
		})
	}
	if _, taken := catalog.PreviewOf(e.place.environment); taken && e.place.kind == protocol.Environment && !e.place.inPreviews() {
		list = append(list, diag.Diag{
			Code: "name", Severity: diag.Error, Pos: e.at("name"), Subject: e.place.subject(),
			Message: fmt.Sprintf("name: environments called as %q are made of pull requests", named.Name),
			Hint:    "give it another name",
		})
	}
	if e.place.kind == protocol.Service {
		list = append(list, e.checkNeeds()...)
		list = append(list, e.checkSecrets()...)
	}
	return append(list, e.checkPlain(found)...)
}

// release is the service of the place in its environment.
func (p place) release() catalog.ReleaseKey {
	return catalog.ReleaseKey{Environment: p.environment, Service: p.service}
}

func (p place) subject() diag.Subject {
	return diag.Subject{Team: p.team, Service: p.service, Environment: p.environment, Cluster: p.cluster}
}

// checkKeys reads the keys of a signing policy, which CUE sees as text only.
func (e *entry) checkKeys() diag.List {
	_, err := signature.Parse(e.result.Data)
	if err == nil {
		return nil
	}
	return diag.List{{
		Code: "signing", Severity: diag.Error, Pos: e.at("signers"), Message: err.Error(),
		Hint: "keys are written as gpg --export --armor and .pub files have them, each with one signer",
	}}
}

// checkHealth compiles the rules of a kind, which CUE sees as text only, and holds
// the kind to its file, so that no kind has rules in two.
func (e *entry) checkHealth() diag.List {
	rules, err := health.Parse(e.result.Data)
	var wrong *health.FieldError
	if errors.As(err, &wrong) {
		return diag.List{{
			Code: "health", Severity: diag.Error, Pos: e.at(wrong.Field), Message: err.Error(),
			Hint: "write an expression in CEL over object; https://cel.dev tells the language",
		}}
	}
	if err != nil {
		return diag.List{{Code: "health", Severity: diag.Error, Pos: e.at("rules"), Message: err.Error()}}
	}
	if want := strings.ToLower(rules.Kind.Kind) + "." + rules.Kind.Group; want != e.place.health {
		return diag.List{{
			Code: "name", Severity: diag.Error, Pos: e.at("kind"), Message: fmt.Sprintf("the health of %s stands in %s", rules.Kind.Kind, e.place.source()),
			Hint: fmt.Sprintf("rename the file to %s.cue", want),
		}}
	}
	e.rules = rules
	return nil
}

// commit puts one evaluated declaration into the state; nil takes it out.
func (st *State) commit(source string, ent *entry, delta *Delta) {
	if old := st.entries[source]; old != nil {
		delta.add(old.place)
		delete(st.entries, source)
		delete(st.broken, source)
		st.settle(old.place.identity(), source, nil)
	}
	if ent != nil {
		delta.add(ent.place)
		st.entries[source] = ent
		if len(ent.diags) > 0 {
			st.broken[source] = true
		}
		st.settle(ent.place.identity(), source, ent)
	}
}

// identity is what only one declaration may be. Example: "service checkout".
func (p place) identity() string {
	return string(p.kind) + " " + p.environment + " " + p.name()
}

// settle keeps the sources that declare one identity, and puts into the
// catalog the first of them, whatever order they came in.
func (st *State) settle(identity, source string, ent *entry) {
	sources := slices.DeleteFunc(st.sources[identity], func(s string) bool { return s == source })
	if ent != nil {
		sources = append(sources, source)
		slices.Sort(sources)
	}
	st.sources[identity] = sources
	delete(st.twins, identity)
	if len(sources) > 1 {
		st.twins[identity] = true
	}
	if len(sources) == 0 {
		delete(st.sources, identity)
	}
	st.forget(placeFrom(source))
	if len(sources) > 0 {
		st.entries[sources[0]].put(st.Catalog)
	}
}

func placeFrom(source string) place {
	p, _ := placeOf(source)
	return p
}

// twinDiags says where two declarations are one thing, and names both places.
func (st *State) twinDiags() diag.List {
	var list diag.List
	for _, identity := range sortedKeys(st.twins) {
		list = append(list, st.twinsOf(identity)...)
	}
	return list
}

func (st *State) twinsOf(identity string) diag.List {
	var list diag.List
	sources := st.sources[identity]
	for i, source := range sources {
		e, other := st.entries[source], st.entries[sources[(i+1)%len(sources)]]
		list = append(list, diag.Diag{
			Code: "declared-twice", Severity: diag.Error, Pos: e.at("name"), Subject: e.place.subject(),
			Message: fmt.Sprintf("%s %q is declared twice", e.place.kind, e.place.name()),
			Hint:    "rename one of them: units are spelled environment/cluster/service",
			Related: []diag.Related{{Pos: other.at("name"), Note: "the other declaration"}},
		})
	}
	return list
}

// TwinsOf says where else the thing is declared that a source declares; nothing
// where it is declared once.
func (st *State) TwinsOf(source string) diag.List {
	e := st.entries[source]
	if e == nil || !st.twins[e.place.identity()] {
		return nil
	}
	return st.twinsOf(e.place.identity())
}

func (e *entry) at(field string) diag.Position {
	if pos, ok := e.result.Positions.Find(field); ok {
		return pos
	}
	return diag.Position{File: e.place.source(), Line: 1, Column: 1}
}

func (d *Delta) add(p place) {
	switch p.kind {
	case protocol.Team:
		d.Teams = append(d.Teams, p.team)
	case protocol.Service:
		d.Services = append(d.Services, p.service)
	case protocol.Environment:
		d.Environments = append(d.Environments, p.environment)
	case protocol.Cluster:
		d.Clusters = append(d.Clusters, p.cluster)
	case protocol.Release:
		d.Releases = append(d.Releases, p.release())
	case protocol.Policy, protocol.Exception:
		d.Guardrails = true
	}
}

func (d *Delta) sort() {
	for _, names := range []*[]string{&d.Teams, &d.Services, &d.Environments, &d.Clusters} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	slices.SortFunc(d.Releases, func(a, b catalog.ReleaseKey) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Service, b.Service))
	})
	d.Releases = slices.Compact(d.Releases)
}

// forget takes a declaration out of the catalog.
func (st *State) forget(p place) {
	c := st.Catalog
	switch p.kind {
	case protocol.Team:
		delete(c.Teams, p.team)
	case protocol.Service:
		if delete(c.Variants, p.release()); p.environment == "" {
			delete(c.Services, p.service)
		}
	case protocol.Environment:
		delete(c.Environments, p.environment)
	case protocol.Cluster:
		delete(c.Clusters, p.cluster)
	case protocol.Release:
		delete(c.Releases, p.release())
	case protocol.Signing:
		c.Signing = nil
	case protocol.Policy:
		delete(c.Policies, p.guardrail)
	case protocol.Exception:
		delete(c.Exceptions, p.guardrail)
	case protocol.Approval:
		delete(c.Approvals, p.guardrail)
	case protocol.Health:
		delete(c.Health, p.health)
	case protocol.Previews:
		c.Previews = nil
	}
}

// put decodes what the engine itself looks at and adds the declaration.
func (e *entry) put(c *catalog.Catalog) {
	p, d := e.place, e.declared()
	switch p.kind {
	case protocol.Team:
		c.Teams[p.team] = teamOf(d, e.standing(d))
	case protocol.Service:
		if p.environment != "" {
			c.Variants[p.release()] = e.asService()
			return
		}
		c.Services[p.service] = e.asService()
	case protocol.Environment:
		env := environmentOf(d, e.standing(d))
		env.Preview = p.inPreviews()
		c.Environments[p.environment] = env
	case protocol.Cluster:
		c.Clusters[p.cluster] = clusterOf(d, e.standing(d))
	case protocol.Release:
		c.Releases[p.release()] = &catalog.Release{Declared: d, Environment: p.environment, Team: p.team}
	case protocol.Signing:
		c.Signing = &d
	case protocol.Policy:
		policy := &catalog.Policy{Declared: d}
		_ = json.Unmarshal(d.Data, policy) // typed by the schema
		c.Policies[p.guardrail] = policy
	case protocol.Exception:
		exception := &catalog.Exception{Declared: d}
		_ = json.Unmarshal(d.Data, exception) // typed by the schema
		c.Exceptions[p.guardrail] = exception
	case protocol.Approval:
		approval := &catalog.Approval{Declared: d}
		_ = json.Unmarshal(d.Data, approval) // typed by the schema
		c.Approvals[p.guardrail] = approval
	case protocol.Health:
		if rules := e.standingRules(); rules != nil {
			c.Health[p.health] = rules
		}
	case protocol.Previews:
		c.Previews = previewsOf(d)
	}
}

// standing is the data of a declaration, or of its last good version.
func (e *entry) standing(d catalog.Declared) json.RawMessage {
	if e.good != nil {
		return e.good.result.Data
	}
	return d.Data
}

// standingRules are a kind's rules, or those of their last good version.
func (e *entry) standingRules() *health.Rules {
	if e.good != nil {
		return e.good.standingRules()
	}
	if len(e.diags) > 0 {
		return nil
	}
	if e.rules == nil { // it was kept, and is read for the first time
		e.rules, _ = health.Parse(e.result.Data)
	}
	return e.rules
}

func (e *entry) declared() catalog.Declared {
	d := catalog.Declared{Name: e.place.name(), Source: e.place.source(), Data: e.result.Data, Positions: e.result.Positions}
	if len(e.diags) > 0 {
		d.Data = nil
	}
	return d
}

// asService is the entry as a service; it is decoded once.
func (e *entry) asService() *catalog.Service {
	if e.service != nil {
		return e.service
	}
	d := e.declared()
	e.service = serviceOf(d, e.place.team)
	e.service.Sealed = e.result.Sealed
	if e.good != nil {
		e.service.LastGood = serviceOf(catalog.Declared{Name: d.Name, Source: d.Source, Data: e.good.result.Data}, e.place.team)
	}
	return e.service
}

// DiagsOf lists what is wrong with one declaration, by its source.
func (st *State) DiagsOf(source string) diag.List {
	if e := st.entries[source]; e != nil {
		return e.diags
	}
	return nil
}

// Diags lists everything wrong with declarations as such. What is wrong
// between declarations is catalog.Check's to say.
func (st *State) Diags() diag.List {
	var list diag.List
	for _, source := range sortedKeys(st.broken) {
		list = append(list, st.entries[source].diags...)
	}
	list = append(list, st.twinDiags()...)
	for _, file := range slices.Sorted(maps.Keys(st.strays)) {
		list = append(list, diag.Diag{
			Code: "stray-file", Severity: diag.Error, Pos: diag.Position{File: file, Line: 1, Column: 1},
			Message: "nothing reads this file where it stands",
			Hint:    "services are teams/TEAM/SERVICE/*.cue, teams are teams/TEAM/team.cue, releases are environments/ENVIRONMENT/releases/TEAM/SERVICE.cue",
		})
	}
	for _, f := range st.platform.faults {
		list = append(list, f.Diag(f.Pos.File, diag.Subject{}))
	}
	return list
}
