package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"go.yaml.in/yaml/v3"
)

// node is a value with its fields in the order in which they were written, which
// the checksum goes by. It is a group of fields, a list, or a leaf: a text, a
// whole number, a number, true or false, or nil.
type node struct {
	fields []field
	items  []node
	leaf   any
}

type field struct {
	name  string
	value node
}

// get finds a field of a group.
func (n node) get(name string) (node, bool) {
	for _, f := range n.fields {
		if f.name == name {
			return f.value, true
		}
	}
	return node{}, false
}

// text is a leaf that is a text; "" for anything else.
func (n node) text() string {
	s, _ := n.leaf.(string)
	return s
}

// walk visits the leaves in order. What is in a list has the path of the list.
func (n node) walk(path []string, visit func(path []string, leaf any) error) error {
	for _, f := range n.fields {
		if err := f.value.walk(append(path[:len(path):len(path)], f.name), visit); err != nil {
			return err
		}
	}
	for _, item := range n.items {
		if err := item.walk(path, visit); err != nil {
			return err
		}
	}
	if n.fields != nil || n.items != nil {
		return nil
	}
	return visit(path, n.leaf)
}

// reader bounds what is read.
type reader struct{ values int }

func (r *reader) enter(depth int) error {
	if r.values++; r.values > maxValues {
		return fmt.Errorf("it has more than %d values", maxValues)
	}
	if depth > maxDepth {
		return fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	return nil
}

func readYAML(text []byte) (node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return node{}, errors.New("it is no YAML") // the library's words quote the text
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return node{}, errors.New("it is more than one document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return node{}, errors.New("it is no group of fields")
	}
	return new(reader).yaml(doc.Content[0], 0)
}

func (r *reader) yaml(y *yaml.Node, depth int) (node, error) {
	if err := r.enter(depth); err != nil {
		return node{}, err
	}
	if y.Anchor != "" || y.Kind == yaml.AliasNode {
		return node{}, fmt.Errorf("line %d: anchors and aliases are not read", y.Line)
	}
	switch y.Kind {
	case yaml.MappingNode:
		out := node{fields: []field{}}
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
				return node{}, fmt.Errorf("line %d: a key must be a text", key.Line)
			}
			if _, twice := out.get(key.Value); twice {
				return node{}, fmt.Errorf("line %d: the key is there twice", key.Line)
			}
			value, err := r.yaml(y.Content[i+1], depth+1)
			if err != nil {
				return node{}, err
			}
			out.fields = append(out.fields, field{key.Value, value})
		}
		return out, nil
	case yaml.SequenceNode:
		out := node{items: []node{}}
		for _, item := range y.Content {
			value, err := r.yaml(item, depth+1)
			if err != nil {
				return node{}, err
			}
			out.items = append(out.items, value)
		}
		return out, nil
	}
	return scalar(y)
}

// scalar reads a YAML leaf of a type that JSON has as well.
func scalar(y *yaml.Node) (node, error) {
	var err error
	var out node
	switch y.ShortTag() {
	case "!!null":
	case "!!str":
		out.leaf = y.Value
	case "!!int":
		var v int
		err = y.Decode(&v)
		out.leaf = v
	case "!!float":
		var v float64
		err = y.Decode(&v)
		out.leaf = v
	case "!!bool":
		var v bool
		err = y.Decode(&v)
		out.leaf = v
	default:
		err = errors.New("its type")
	}
	if err != nil {
		return node{}, fmt.Errorf("line %d: the value is of a kind that is not read; write it as a text", y.Line)
	}
	return out, nil
}

func readJSON(text []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	out, err := new(reader).json(dec, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("something stands after it")
	}
	if out.fields == nil {
		return node{}, errors.New("it is no group of fields")
	}
	return out, nil
}

func (r *reader) json(dec *json.Decoder, depth int) (node, error) {
	if err := r.enter(depth); err != nil {
		return node{}, err
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, errors.New("it is no JSON") // the library's words quote the text
	}
	switch token {
	case json.Delim('{'):
		return r.jsonFields(dec, depth)
	case json.Delim('['):
		out := node{items: []node{}}
		for dec.More() {
			item, err := r.json(dec, depth+1)
			if err != nil {
				return node{}, err
			}
			out.items = append(out.items, item)
		}
		return out, closed(dec)
	}
	if v, ok := token.(float64); ok && math.IsInf(v, 0) {
		return node{}, errors.New("it has a number that is none")
	}
	return node{leaf: token}, nil
}

func (r *reader) jsonFields(dec *json.Decoder, depth int) (node, error) {
	out := node{fields: []field{}}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return node{}, errors.New("it is no JSON")
		}
		if _, twice := out.get(name); twice {
			return node{}, errors.New("a key is there twice")
		}
		value, err := r.json(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		out.fields = append(out.fields, field{name, value})
	}
	return out, closed(dec)
}

func closed(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return errors.New("it is no JSON")
	}
	return nil
}
