package worker

import (
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"

	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// reference walks the definitions people declare against.
func (s *session) reference() protocol.Answer {
	var docs []protocol.FieldDoc
	schema, err := s.value("schema")
	if err != nil {
		return protocol.Answer{Faults: explain.Reading{Dir: "schema"}.Faults(err)}
	}
	for _, name := range []string{"Team", "Service", "Environment", "Cluster", "Release", "Signing", "Signer", "Policy", "Exception", "Approval", "Approvers", "Health"} {
		docs = s.document(docs, name, schema.LookupPath(cue.MakePath(cue.Def("#"+name))))
	}
	for _, dir := range s.paths() {
		pkg, err := s.value(dir)
		if err != nil {
			return protocol.Answer{Faults: explain.Reading{Dir: dir}.Faults(err)}
		}
		docs = s.document(docs, path.Base(dir), pkg.LookupPath(cue.MakePath(cue.Def("#Service"))))
	}
	return protocol.Answer{Reference: docs}
}

// paths lists the golden paths' packages.
func (s *session) paths() []string {
	var dirs []string
	for name := range s.files {
		if dir := path.Dir(name); path.Dir(dir) == "platform/paths" {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// maxDocDepth bounds how far definitions are followed into each other.
const maxDocDepth = 8

func (s *session) document(docs []protocol.FieldDoc, at string, v cue.Value) []protocol.FieldDoc {
	if !v.Exists() || strings.Count(at, ".") > maxDocDepth {
		return docs
	}
	docs = append(docs, s.fieldDoc(at, v, false))
	return s.below(docs, at, v)
}

func (s *session) below(docs []protocol.FieldDoc, at string, v cue.Value) []protocol.FieldDoc {
	if v.IncompleteKind() != cue.StructKind || strings.Count(at, ".") > maxDocDepth {
		return docs
	}
	fields, err := v.Fields(cue.Optional(true), cue.Patterns(true))
	if err != nil {
		return docs
	}
	var each []cue.Value
	for fields.Next() {
		if fields.Selector().ConstraintType() == cue.PatternConstraint {
			each = append(each, fields.Value())
			continue
		}
		name := strings.Trim(fields.Selector().String(), `?!"`)
		p := at + "." + name
		docs = append(docs, s.fieldDoc(p, fields.Value(), fields.FieldType().ConstraintType() == cue.RequiredConstraint))
		docs = s.below(docs, p, fields.Value())
	}
	for _, value := range each {
		docs = s.below(docs, at+".<name>", value)
	}
	return docs
}

func (s *session) fieldDoc(at string, v cue.Value, required bool) protocol.FieldDoc {
	d := protocol.FieldDoc{Path: at, Kind: v.IncompleteKind().String(), Required: required}
	var paragraphs []string
	for _, group := range v.Doc() {
		if text := strings.TrimSpace(group.Text()); text != "" && !slices.Contains(paragraphs, text) {
			paragraphs = append(paragraphs, text)
		}
	}
	d.Doc = strings.Join(paragraphs, "\n\n")
	if v.IncompleteKind() != cue.StructKind {
		if def, ok := v.Default(); ok && def.IsConcrete() && !required {
			if text, err := def.MarshalJSON(); err == nil {
				d.Default = string(text)
			}
		}
		d.Rule = ruleText(v)
	}
	return d
}

// ruleText is the constraint as the definition's author wrote it.
func ruleText(v cue.Value) string {
	field, ok := v.Source().(*ast.Field)
	if !ok {
		return ""
	}
	text, err := format.Node(field.Value)
	if err != nil || strings.Contains(string(text), "\n") {
		return ""
	}
	return string(text)
}
