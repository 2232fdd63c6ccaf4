package object

import "strings"

// Masked stands where a secret value was.
const Masked = "(secret)"

// Redact hides the values of field changes on objects that hold secrets. It
// goes by the kind the object was parsed as, never by a caller's word. Whether
// a value changed stays visible; what it is does not.
func Redact(id ID, changes []FieldChange) []FieldChange {
	if id.Group != "" || id.Kind != "Secret" {
		return changes
	}
	out := make([]FieldChange, len(changes))
	for i, c := range changes {
		if secretField(c.Path) {
			c.Before, c.After = mask(c.Before), mask(c.After)
		}
		out[i] = c
	}
	return out
}

func secretField(path string) bool {
	return path == ".data" || path == ".stringData" ||
		strings.HasPrefix(path, ".data.") || strings.HasPrefix(path, ".stringData.") ||
		strings.Contains(path, "last-applied-configuration")
}

func mask(v any) any {
	if v == nil {
		return nil
	}
	return Masked
}
