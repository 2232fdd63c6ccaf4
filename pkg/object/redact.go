package object

import (
	"slices"
	"strings"
)

// Masked stands where a secret value was.
const Masked = "(secret)"

// lastApplied is where kubectl keeps a copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Secretive reports whether the values in an object are not for showing: it is
// a Secret, or one of its versions carries the annotation
// [AnnotationSensitive]. It goes by the kind the object was parsed as, never by
// a caller's word.
func Secretive(id ID, versions ...map[string]any) bool {
	if id.Group == "" && id.Kind == "Secret" {
		return true
	}
	return slices.ContainsFunc(versions, func(v map[string]any) bool { return Annotation(v, AnnotationSensitive) == "true" })
}

// Redact hides the values of field changes on secretive objects; versions are
// what the changes lie between. Whether a value changed stays visible; what it
// is does not.
func Redact(id ID, changes []FieldChange, versions ...map[string]any) []FieldChange {
	if !Secretive(id, versions...) {
		return changes
	}
	out := make([]FieldChange, len(changes))
	for i, c := range changes {
		if !showable(c.Path, c.Before) {
			c.Before = mask(c.Before)
		}
		if !showable(c.Path, c.After) {
			c.After = mask(c.After)
		}
		out[i] = c
	}
	return out
}

// RedactObject gives an object's fields with secret values masked. The argument
// is not changed.
func RedactObject(id ID, fields map[string]any) map[string]any {
	if !Secretive(id, fields) {
		return fields
	}
	return redactMap("", fields)
}

func redactMap(path string, fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for key, value := range fields {
		at := path + "." + quoteKey(key)
		if m, ok := value.(map[string]any); ok {
			out[key] = redactMap(at, m)
		} else if showable(at, value) {
			out[key] = value
		} else {
			out[key] = mask(value)
		}
	}
	return out
}

// showable reports whether a field of a secretive object may be shown. What a
// Secret should not have at all, such as a misspelt stringData, is hidden with
// the rest; of metadata only kubectl's copy of the object is.
func showable(path string, value any) bool {
	switch path {
	case ".apiVersion", ".kind", ".type", ".immutable":
		return scalar(value)
	}
	return strings.HasPrefix(path, ".metadata.") && !strings.Contains(path, lastApplied) &&
		(strings.HasPrefix(path, ".metadata.annotations.") && scalar(value) || !strings.HasPrefix(path, ".metadata.annotations"))
}

func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func mask(v any) any {
	if v == nil {
		return nil
	}
	return Masked
}
