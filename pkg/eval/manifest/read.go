// Package manifest makes Kubernetes objects of what is no CUE: folders of YAML,
// with or without a kustomization, and patches over what a golden path made. It
// works by kustomize's library, in a worker: that library keeps state for the
// whole process, and what it is given can make it run for long.
//
// Nothing is read but the files that were handed over. What kustomize could fetch,
// run or generate is refused before it is asked.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// The bounds of YAML that people write.
const (
	maxDocuments = 500
	maxNodes     = 100_000
	maxNesting   = 64
)

// Document is one YAML document of a file.
type Document struct {
	// File is the file it stands in, from the repository's root.
	File string
	node *yaml.Node
}

// isYAML reports whether a file is read as YAML.
func isYAML(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return path.Base(name) == "Kustomization"
}

// Read reads the documents of a file, divided as kustomize divides it. What is no YAML, or
// YAML that means more than it shows, is a Fault at its line: anchors and aliases, which
// a few lines of can stand for gigabytes; tags; keys that are there twice; a document
// within what kustomize takes for one.
func Read(file, text string) ([]Document, *protocol.Fault) {
	parts, f := divide(file, text)
	if f != nil {
		return nil, f
	}
	var docs []Document
	nodes := 0
	for _, p := range parts {
		n, f := p.read(file)
		if f == nil && n != nil && len(docs) == maxDocuments {
			f = fault(file, n, "too-large", "the file has more than %d documents", "let it be several files", maxDocuments)
		}
		if f == nil && n != nil {
			f = plain(file, n, 0, &nodes)
		}
		if f != nil {
			return nil, f
		}
		if n == nil || len(n.Content) == 0 || n.Content[0].Kind == yaml.ScalarNode && n.Content[0].Tag == "!!null" {
			continue // nothing stands between the marks
		}
		docs = append(docs, Document{File: file, node: n.Content[0]})
	}
	return docs, nil
}

// part is a part of a file that kustomize takes for one document, and the line before it.
type part struct {
	text string
	line int
}

// divide divides a file at lines that begin with three dashes, whatever YAML says of them.
func divide(file, text string) ([]part, *protocol.Fault) {
	var parts []part
	text = strings.ReplaceAll(text, "\r\n", "\n")
	begun, line := 0, 0
	for _, at := range regexp.MustCompile(`\n---.*\n`).FindAllStringIndex(text, -1) {
		parts = append(parts, part{text[begun : at[0]+1], line})
		line += strings.Count(text[begun:at[1]], "\n")
		begun = at[1]
		if rest := strings.TrimSpace(text[at[0]+4 : at[1]]); rest != "" && rest[0] != '#' {
			return nil, fault(file, &yaml.Node{Line: line, Column: 1}, "yaml", "a line begins with --- and goes on", "write --- alone between documents, and nowhere else")
		}
	}
	return append(parts, part{text[begun:], line}), nil
}

// read reads the one document of a part; nil if there is none.
func (p part) read(file string) (*yaml.Node, *protocol.Fault) {
	d := yaml.NewDecoder(strings.NewReader(p.text))
	var n, more yaml.Node
	switch err := d.Decode(&n); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		f := unreadable(file, err)
		f.Pos.Line += p.line
		return nil, f
	}
	switch err := d.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil && !strings.Contains(err.Error(), "<document start>"):
		f := unreadable(file, err)
		f.Pos.Line += p.line
		return nil, f
	default:
		at := more.Line
		if err != nil {
			at = unreadable(file, err).Pos.Line + 1 // of this the library counts lines from 0
		}
		return nil, fault(file, &yaml.Node{Line: p.line + at, Column: 1}, "yaml", "what stands here belongs to no document: the one before it ended", "indent it as what it belongs to, or write --- alone between documents")
	}
	move(&n, p.line)
	return &n, nil
}

// move puts a document so many lines down.
func move(n *yaml.Node, lines int) {
	n.Line += lines
	for _, c := range n.Content {
		move(c, lines)
	}
}

// unreadable says where YAML cannot be read. The library tells the line in its text.
func unreadable(file string, err error) *protocol.Fault {
	f := &protocol.Fault{Code: "yaml", Pos: diag.Position{File: file, Line: 1, Column: 1}, Hint: "write it as YAML"}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^(?:unmarshal errors:\s*)?line (\d+): (?s)(.*)$`).FindStringSubmatch(text); m != nil {
		f.Pos.Line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	f.Message = "the file is no YAML: " + text
	return f
}

// plain refuses what makes YAML mean more than it shows.
func plain(file string, n *yaml.Node, depth int, nodes *int) *protocol.Fault {
	*nodes++
	switch {
	case *nodes > maxNodes:
		return fault(file, n, "too-large", "the file holds more than %d values", "let it be several files", maxNodes)
	case depth > maxNesting:
		return fault(file, n, "too-deep", "values are nested more than %d deep", "write it flatter", maxNesting)
	case n.Kind == yaml.AliasNode:
		return fault(file, n, "alias", "the alias *%s is not allowed: a few of them can stand for more than any memory holds", "write out what it stands for", n.Value)
	case n.Anchor != "":
		return fault(file, n, "alias", "the anchor &%s is not allowed, as aliases are not", "leave it out, and write out what stands for it", n.Anchor)
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") || n.Style&yaml.TaggedStyle != 0:
		return fault(file, n, "tag", "the tag %s is not allowed", "leave it out", n.Tag)
	case n.Kind == yaml.MappingNode:
		if f := keys(file, n); f != nil {
			return f
		}
	}
	for _, c := range n.Content {
		if f := plain(file, c, depth+1, nodes); f != nil {
			return f
		}
	}
	return nil
}

// keys refuses keys that are no texts, that merge, or that are there twice.
func keys(file string, n *yaml.Node) *protocol.Fault {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode:
			return fault(file, k, "key", "a key is no text", "write a name")
		case k.Tag == "!!merge":
			return fault(file, k, "alias", "the merge key << is not allowed, as aliases are not", "write out what it stands for")
		case seen[k.Value]:
			return fault(file, k, "twice", "%s is written twice in one place", "keep one of them", k.Value)
		}
		seen[k.Value] = true
	}
	return nil
}

func fault(file string, n *yaml.Node, code, message, hint string, args ...any) *protocol.Fault {
	return &protocol.Fault{
		Code: code, Pos: diag.Position{File: file, Line: max(n.Line, 1), Column: max(n.Column, 1)},
		Message: fmt.Sprintf(message, args...), Hint: hint,
	}
}

// field finds a field of a mapping; nil if there is none.
func field(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// kind and name say which object a document is.
func (d Document) kind() string { return text(field(d.node, "kind")) }
func (d Document) name() string { return text(field(field(d.node, "metadata"), "name")) }

// Check reads all files beside a service that are YAML, and says what of them
// cannot be used, and where each object and each of its fields stands: the
// position of .spec.replicas is found as
// "manifests/maps.yaml#Deployment/maps.spec.replicas".
func Check(dir string, files map[string]string, positions map[string]diag.Position) []protocol.Fault {
	var faults []protocol.Fault
	for _, name := range sorted(files) {
		if !isYAML(name) || strings.HasPrefix(name, "chart/") && !strings.HasSuffix(name, "/Chart.yaml") {
			continue // templates are no YAML yet
		}
		docs, f := Read(path.Join(dir, name), files[name])
		if f != nil {
			faults = append(faults, *f)
			continue
		}
		if isKustomization(name) {
			faults = append(faults, checkKustomization(dir, name, docs, files)...)
			continue
		}
		positions[name] = diag.Position{File: path.Join(dir, name), Line: 1, Column: 1}
		for _, d := range docs {
			if d.kind() != "" && d.name() != "" {
				note(positions, name+"#"+d.kind()+"/"+d.name(), d.File, d.node, d.node)
			}
		}
	}
	return faults
}

// note notes where a value and all in it stand.
func note(positions map[string]diag.Position, at, file string, key, n *yaml.Node) {
	if len(positions) >= protocol.MaxPositions || len(at) > protocol.MaxPath {
		return // where so much is written, or so deep, what is around it must do
	}
	positions[at] = diag.Position{File: file, Line: key.Line, Column: key.Column}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			note(positions, at+"."+n.Content[i].Value, file, n.Content[i], n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			note(positions, at+"."+strconv.Itoa(i), file, c, c)
		}
	}
}
