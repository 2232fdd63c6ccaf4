// Package object is one Kubernetes object as the platform wants it, and sets
// of them: identity, canonical bytes, digest, field differences, redaction.
//
// It knows no kinds beyond what safety needs (which are protected, which hold
// secrets); what a service becomes is written in CUE.
package object

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ID is a Kubernetes identity on one cluster. It leaves the API version out:
// apps/v1 and apps/v1beta1 name the same object.
type ID struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String spells the identity as kubectl users expect it, with the group only
// where it is not obvious. Example: "Deployment shop-prod/checkout".
func (id ID) String() string {
	kind := id.Kind
	if id.Group != "" && strings.Contains(id.Group, ".") && !strings.HasSuffix(id.Group, ".k8s.io") {
		kind += "." + id.Group
	}
	if id.Namespace == "" {
		return kind + " " + id.Name
	}
	return kind + " " + id.Namespace + "/" + id.Name
}

// Compare orders identities by namespace, kind and name, so that lists read well.
func (id ID) Compare(other ID) int {
	return cmp.Or(
		cmp.Compare(id.Namespace, other.Namespace),
		cmp.Compare(id.Kind, other.Kind),
		cmp.Compare(id.Group, other.Group),
		cmp.Compare(id.Name, other.Name),
	)
}

// Digest is the SHA-256 of canonical bytes.
type Digest [32]byte

// String gives the digest in hex; IsZero reports whether it was never set.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short gives the first 12 hex digits, for people.
func (d Digest) Short() string { return d.String()[:12] }

// IsZero reports whether the digest was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes the digest as hex.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return fmt.Errorf("read digest %q: want %d hex digits", text, 2*len(d))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Sum is the digest of some bytes.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// Object is one desired object. Body is canonical JSON: sorted keys, no
// insignificant space; equal objects have equal bytes.
type Object struct {
	ID         ID              `json:"id"`
	APIVersion string          `json:"apiVersion"`
	Body       json.RawMessage `json:"body"`
	Digest     Digest          `json:"digest"`
}

// Parse reads one JSON object and brings it into canonical form.
func Parse(raw []byte) (Object, error) {
	fields, err := DecodeFields(raw)
	if err != nil {
		return Object{}, fmt.Errorf("read object: %w", err)
	}
	return FromFields(fields)
}

// FromFields makes an Object of decoded JSON fields. It refuses what has no
// apiVersion, kind or metadata.name, and every List wrapper.
func FromFields(fields map[string]any) (Object, error) {
	apiVersion, _ := fields["apiVersion"].(string)
	kind, _ := fields["kind"].(string)
	meta, _ := fields["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	namespace, _ := meta["namespace"].(string)
	switch {
	case apiVersion == "":
		return Object{}, fmt.Errorf("object %q has no apiVersion", name)
	case kind == "":
		return Object{}, fmt.Errorf("object %q has no kind", name)
	case strings.HasSuffix(kind, "List"):
		return Object{}, fmt.Errorf("%s: lists are not allowed, write one object each", kind)
	case name == "":
		return Object{}, fmt.Errorf("%s has no metadata.name", kind)
	}
	body, err := Encode(fields)
	if err != nil {
		return Object{}, fmt.Errorf("encode %s %s: %w", kind, name, err)
	}
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		group = ""
	}
	return Object{
		ID:         ID{Group: group, Kind: kind, Namespace: namespace, Name: name},
		APIVersion: apiVersion, Body: body, Digest: Sum(body),
	}, nil
}

// Fields decodes the body. Each call gives a fresh map.
func (o Object) Fields() map[string]any {
	fields, err := DecodeFields(o.Body)
	if err != nil {
		return nil // unreachable: Body was encoded by FromFields
	}
	return fields
}

// Version is the API version without its group. Example: "v1".
func (o Object) Version() string {
	if i := strings.IndexByte(o.APIVersion, '/'); i >= 0 {
		return o.APIVersion[i+1:]
	}
	return o.APIVersion
}

// Annotation returns one annotation of decoded fields, or "".
func Annotation(fields map[string]any, key string) string {
	return metaString(fields, "annotations", key)
}

// Label returns one label of decoded fields, or "".
func Label(fields map[string]any, key string) string { return metaString(fields, "labels", key) }

func metaString(fields map[string]any, part, key string) string {
	meta, _ := fields["metadata"].(map[string]any)
	m, _ := meta[part].(map[string]any)
	s, _ := m[key].(string)
	return s
}

// DecodeFields reads a JSON object with integers kept as int64, as
// Kubernetes' own unstructured decoder does.
func DecodeFields(raw []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("something stands after the object")
	}
	return numbers(fields).(map[string]any), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		if f == 0 {
			return int64(0) // -0.0 would be written as -0, and read back as 0
		}
		return f
	}
	return v
}

// Encode writes a value as canonical JSON: sorted keys, no escaping of HTML, no newline.
func Encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
