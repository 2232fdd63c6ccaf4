package format

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// JSON prints a list as one versioned list object, every diag an item of its
// own, sorted as people read them. An empty list has an empty array of items.
func JSON(w io.Writer, list diag.List) error {
	doc := struct {
		APIVersion string    `json:"apiVersion"`
		Kind       string    `json:"kind"`
		Items      diag.List `json:"items"`
	}{"fairway.dev/v1", "DiagList", list.Sorted()}
	if doc.Items == nil {
		doc.Items = diag.List{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("print diags as JSON: %w", err)
	}
	return nil
}
