package catalog

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/cache/record"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// Positions tells for each field a person wrote where it stands. Example:
// "scale.max" is at teams/shop/checkout/service.cue:14:9. They are looked at only
// where something is wrong, so they stay packed: a fleet has a million of them.
type Positions []byte

// PackPositions packs positions by field; nil for none.
func PackPositions(by map[string]diag.Position) Positions {
	if len(by) == 0 {
		return nil
	}
	var files []string
	var fields record.Writer
	for _, field := range slices.Sorted(maps.Keys(by)) {
		pos := by[field]
		at := slices.Index(files, pos.File)
		if at < 0 {
			at, files = len(files), append(files, pos.File)
		}
		fields.Text(field)
		fields.Number(at)
		fields.Number(pos.Line)
		fields.Number(pos.Column)
	}
	var w record.Writer
	w.Texts(files)
	w.Number(len(by))
	return append(w.Result(), fields.Result()...)
}

// Find returns where a field stands, if a person wrote it.
func (p Positions) Find(field string) (diag.Position, bool) {
	if len(p) == 0 {
		return diag.Position{}, false
	}
	r := record.NewReader(p)
	files := r.Texts()
	for range r.Count(4) {
		name, file, line, column := r.Bytes(), r.Number(), r.Number(), r.Number()
		if string(name) == field && r.Whole() && file < len(files) {
			return diag.Position{File: files[file], Line: line, Column: column}, true
		}
	}
	return diag.Position{}, false
}
