package eval

import (
	"encoding/json"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/cache/record"
	"github.com/fairway-dev/fairway/pkg/catalog"
)

// A result is kept as a record: imports, data, positions, and its faults in JSON.

func (e *Evaluator) saveResult(key cache.Key, res result) {
	if e.Cache == nil {
		return
	}
	var faults []byte
	if len(res.Faults) > 0 {
		var err error
		if faults, err = json.Marshal(res.Faults); err != nil {
			return
		}
	}
	var w record.Writer
	w.Texts(res.Imports)
	w.Bytes(res.Data)
	w.Bytes(res.Positions)
	w.Bytes(faults)
	writeFiles(&w, res.Sealed)
	_ = e.Cache.Put(key, w.Result()) // a cache that cannot be written costs time only
}

func (e *Evaluator) loadResult(key cache.Key) (result, bool) {
	if e.Cache == nil {
		return result{}, false
	}
	raw, ok := e.Cache.Get(key)
	if !ok {
		return result{}, false
	}
	r := record.NewReader(raw)
	res := result{Imports: r.Texts(), Data: some(r.Bytes()), Positions: catalog.Positions(r.Bytes())}
	faults := r.Bytes()
	res.Sealed = readFilesOf(r)
	if !r.Done() || len(faults) > 0 && json.Unmarshal(faults, &res.Faults) != nil {
		return result{}, false
	}
	return res, true
}

// some is nil for no bytes: no data are another thing than empty data.
func some(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func writeFiles(w *record.Writer, files map[string]string) {
	w.Number(len(files))
	for _, name := range sortedKeys(files) {
		w.Text(name)
		w.Text(files[name])
	}
}

func readFilesOf(r *record.Reader) map[string]string {
	n := r.Count(2)
	if n == 0 {
		return nil
	}
	files := make(map[string]string, n)
	for range n {
		files[r.Text()] = r.Text()
	}
	return files
}
