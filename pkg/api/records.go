package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/journal"
)

const (
	recordsLimit = 100
	recordsMost  = 1000
)

// records gives a page of the journal, oldest first, or newest first with
// ?order=newest. The next page begins at metadata.next, given as ?since or,
// newest first, as ?before.
func (s *Server) records() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		filter, err := recordFilter(r.URL.Query())
		if err != nil {
			fail(w, http.StatusBadRequest, "bad-request", err.Error())
			return
		}
		records, err := s.o.Journal.Read(r.Context(), filter)
		if err != nil {
			s.o.Logger.Error("cannot read journal", "err", err)
			fail(w, http.StatusServiceUnavailable, "unavailable", "the journal cannot be read")
			return
		}
		if records == nil {
			records = []journal.Record{}
		}
		metadata := map[string]int64{"head": s.o.Journal.Head().Seq}
		if len(records) == filter.Limit {
			metadata["next"] = records[len(records)-1].Seq
		}
		answer(w, http.StatusOK, object{apiVersion, "RecordList", metadata, records})
	}
}

func recordFilter(query url.Values) (journal.Filter, error) {
	f := journal.Filter{Unit: query.Get("unit"), Object: query.Get("object"), Limit: recordsLimit}
	if f.Unit != "" {
		if _, err := catalog.ParseUnitKey(f.Unit); err != nil {
			return f, err
		}
	}
	if len(f.Object) > 1000 {
		return f, fmt.Errorf("object is no name of an object")
	}
	if len(query["kind"]) > 20 {
		return f, fmt.Errorf("kind is given more than 20 times")
	}
	for _, k := range query["kind"] {
		f.Kinds = append(f.Kinds, journal.Kind(k))
	}
	limit := int64(recordsLimit)
	for name, to := range map[string]*int64{"since": &f.Since, "before": &f.Before, "limit": &limit} {
		if err := number(query, name, to); err != nil {
			return f, err
		}
	}
	if limit < 1 || limit > recordsMost {
		return f, fmt.Errorf("limit is not between 1 and %d", recordsMost)
	}
	f.Limit = int(limit)
	switch query.Get("order") {
	case "", "oldest":
	case "newest":
		f.Newest = true
	default:
		return f, fmt.Errorf("order is neither oldest nor newest")
	}
	return f, nil
}

// number reads a parameter that is not negative, if it is there.
func number(query url.Values, name string, to *int64) error {
	if !query.Has(name) {
		return nil
	}
	n, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%s is no number", name)
	}
	*to = n
	return nil
}
