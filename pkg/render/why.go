package render

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
)

// Voice is one place that has a say in a field.
type Voice struct {
	// Who says it: "path", "part", "condition", "overlay", "service", "team",
	// "environment", "cluster", "release", "default", "rule", "needs", "file", "patch" or "engine".
	Who string `json:"who"`
	// Pos is the place; empty where there is none in a file.
	Pos diag.Position `json:"pos"`
	// Field is the field that is written there, of what is declared there.
	Field string `json:"field,omitempty"`
	// Text is what stands there, where that is the platform's CUE, and Value the value.
	Text  string          `json:"text,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Because is what set a field of an object.
type Because struct {
	Unit   string          `json:"unit"`
	Object string          `json:"object"`
	Field  string          `json:"field"`
	Value  json.RawMessage `json:"value"`
	Said   []Voice         `json:"said"`
	// Computed says that the value follows from several places, and is in none of
	// them as it is.
	Computed bool `json:"computed"`
	// Cut says that there is more than is told.
	Cut bool `json:"cut,omitempty"`
}

// Why says what set a field of an object of a unit: the platform's lines, what the
// team, the environment and others wrote that these look at, and who patched it.
func (r *Renderer) Why(ctx context.Context, st *State, es *eval.State, key catalog.UnitKey, kind, name string, field []string) (Because, diag.List, error) {
	a, err := r.ask(st, es, key)
	if err != nil || len(a.diags) > 0 {
		return Because{}, a.diags, err
	}
	p, faults, err := r.Evaluator.Why(ctx, a.question, kind, name, field)
	if err != nil {
		return Because{}, nil, err
	}
	for _, f := range faults {
		if f.Code == "no-object" || f.Code == "no-field" {
			return Because{}, nil, fmt.Errorf("%s: %s; %s", key, f.Message, f.Hint)
		}
		a.diags = append(a.diags, attribute(es.Catalog, key, a.question.Package, f))
	}
	if len(a.diags) > 0 {
		return Because{}, a.diags, nil
	}
	b := Because{Unit: key.String(), Object: kind + "/" + name, Field: "." + strings.Join(field, "."), Value: p.Value, Cut: p.Cut}
	b.platform(a.question.Package, p.Lines)
	for _, in := range p.Inputs {
		b.input(es.Catalog, key, in)
	}
	b.byHand(es.Catalog, key, p, field)
	b.Computed = b.computed(p)
	return b, nil, nil
}

func (b *Because) platform(pkg string, lines []eval.Line) {
	for _, l := range lines {
		who := "part"
		switch {
		case l.Condition:
			who = "condition"
		case strings.HasPrefix(l.Pos.File, pkg+"/"):
			who = "path"
		case strings.HasPrefix(l.Pos.File, "schema/"):
			who = "rule"
		}
		b.Said = append(b.Said, Voice{Who: who, Pos: l.Pos, Text: l.Text})
	}
}

// input finds who wrote a part of the unit's input, or that nobody did.
func (b *Because) input(cat *catalog.Catalog, key catalog.UnitKey, in eval.Input) {
	of, field, _ := strings.Cut(in.Path, ".")
	d, overlay := declaredAs(cat, key, of)
	said := Voice{Who: of, Field: field, Value: in.Value}
	switch {
	case of == "needs" || of == "callers":
		said.Who, said.Field = "needs", in.Path
		if d, _ := declaredAs(cat, key, "service"); of == "needs" {
			said.Pos = d.At("needs")
		}
	case d.Source == "":
		said.Who, said.Field = "engine", in.Path
	default:
		if pos, ok := d.Positions.Find(overlay + field); ok && overlay != "" {
			said.Who, said.Pos, said.Field = "overlay", pos, overlay+field
		} else if pos, ok := d.Positions.Find(field); ok {
			said.Pos = pos
		} else if in.Rule == nil {
			return // it is not there, and nothing says what it would be
		} else {
			said.Who, said.Pos, said.Field, said.Text = "default", in.Rule.Pos, in.Path, in.Rule.Text
		}
	}
	b.Said = append(b.Said, said)
	if in.Rule != nil && said.Who != "default" {
		b.Said = append(b.Said, Voice{Who: "rule", Pos: in.Rule.Pos, Field: in.Path, Text: in.Rule.Text})
	}
}

// declaredAs is the declaration that a part of the input is of, and what an overlay
// of the environment puts before its fields.
func declaredAs(cat *catalog.Catalog, key catalog.UnitKey, of string) (catalog.Declared, string) {
	s := cat.ServiceIn(key.Environment, key.Service)
	name, isTeam := key.Team()
	if s != nil {
		name = s.Team
	}
	switch {
	case of == "service" && s != nil:
		return s.Declared, "environments." + key.Environment + "."
	case of == "team" && (isTeam || s != nil):
		return declaredTeam(cat.Teams[name]), ""
	case of == "environment" && cat.Environments[key.Environment] != nil:
		return cat.Environments[key.Environment].Declared, ""
	case of == "cluster":
		return declaredCluster(cat.Clusters[key.Cluster]), ""
	case of == "release":
		if rel := cat.Releases[catalog.ReleaseKey{Environment: key.Environment, Service: key.Service}]; rel != nil {
			return rel.Declared, ""
		}
	}
	return catalog.Declared{}, ""
}

// byHand tells of files beside the service, of patches, and of the engine's own marks.
func (b *Because) byHand(cat *catalog.Catalog, key catalog.UnitKey, p *eval.Provenance, field []string) {
	s := cat.ServiceIn(key.Environment, key.Service)
	if p.Origin != "" && s != nil {
		b.Said = append(b.Said, Voice{Who: "file", Pos: origin(s, p.Origin, "."+strings.Join(field, "."))})
	}
	for _, patch := range p.Patches {
		pos := s.At(patch)
		for _, part := range []string{".merge." + strings.Join(field, "."), ".json"} {
			if at, ok := s.Positions.Find(patch + part); ok {
				pos = at
			}
		}
		b.Said = append(b.Said, Voice{Who: "patch", Pos: pos, Field: patch})
	}
	if p.Engine {
		b.Said = append(b.Said, Voice{Who: "engine", Field: "its own marks"})
	}
}

// computed reports whether nobody said the value as it is.
func (b *Because) computed(p *eval.Provenance) bool {
	if len(p.Patches) > 0 || p.Engine || p.Origin != "" {
		return false
	}
	for _, in := range p.Inputs {
		if len(in.Value) > 0 && !bytes.Equal(in.Value, p.Value) {
			return true
		}
	}
	return false
}
