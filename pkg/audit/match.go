package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Sources are what is matched.
type Sources struct {
	// Journal is the journal's file.
	Journal string
	// Logs are the API servers' audit logs, by the name of the cluster.
	Logs map[string]string
	// Users are names that the engine has at the API servers. Whatever they
	// change must be in the journal, even without an id of ours.
	Users []string
}

// Problem is something that one side has and the other has not, or has otherwise.
type Problem struct {
	Cluster string `json:"cluster,omitempty"`
	// ID is the audit id.
	ID string `json:"id,omitempty"`
	// Request is what was asked, or the object for what is only in the journal.
	Request string `json:"request"`
	What    string `json:"what"`
}

// Report says how the two sides match.
type Report struct {
	// Records of the journal hold in their chain.
	Records int64 `json:"records"`
	// Requests changed something and are ours; Deletes are those that delete.
	Requests int `json:"requests"`
	Deletes  int `json:"deletes"`
	// Plans and Deeds were taken down ahead; Told are requests named by outcomes.
	Plans int `json:"plans"`
	Deeds int `json:"deeds"`
	Told  int `json:"told"`
	// Before are requests from before the journal begins, of which it cannot know.
	Before int `json:"before"`
	// Unheard are requests that got no answer and did not reach the server.
	Unheard  int       `json:"unheard"`
	Problems []Problem `json:"problems"`
}

// matcher holds the journal's side while the logs are read.
type matcher struct {
	report  Report
	users   []string
	begins  time.Time
	causes  map[string]journal.Record
	told    map[string]journal.Record // by audit id
	heard   map[string]bool
	present map[string]time.Time // when the logs begin, by cluster
}

// Match verifies the journal's chain and matches the journal with the logs,
// both ways. A broken chain is a *journal.BrokenError.
func Match(ctx context.Context, s Sources) (Report, error) {
	m := matcher{
		users: s.Users, causes: map[string]journal.Record{}, told: map[string]journal.Record{},
		heard: map[string]bool{}, present: map[string]time.Time{},
	}
	m.report.Problems = []Problem{}
	var err error
	if m.report.Records, err = journal.Walk(ctx, s.Journal, m.record); err != nil {
		return m.report, err
	}
	for cluster, file := range s.Logs {
		if err := events(file, func(e Event) { m.event(cluster, e) }); err != nil {
			return m.report, err
		}
	}
	m.missing()
	return m.report, nil
}

// record takes in one record.
func (m *matcher) record(r journal.Record) error {
	if m.begins.IsZero() {
		m.begins = r.Time
	}
	r.Fields = nil // they are many and not looked at
	switch {
	case r.Kind == journal.Planned:
		m.report.Plans++
		m.causes[r.Cause] = r
	case r.Kind == journal.Bookkeeping:
		m.report.Deeds++
		m.causes[r.Cause] = r
	}
	for _, id := range r.Requests {
		m.report.Told++
		m.told[id] = r
	}
	return nil
}

// event matches one request with the record it was taken down in.
func (m *matcher) event(cluster string, e Event) {
	if at, seen := m.present[cluster]; !seen || e.Received.Before(at) {
		m.present[cluster] = e.Received
	}
	if !e.changes() || !e.ours(m.users) {
		return
	}
	m.report.Requests++
	if strings.HasPrefix(e.Verb, "delete") {
		m.report.Deletes++
	}
	what := m.explain(cluster, e)
	m.heard[e.ID] = true
	switch {
	case what == "":
	case e.Received.Before(m.begins):
		m.report.Before++
	default:
		m.report.Problems = append(m.report.Problems, Problem{cluster, e.ID, e.String(), what})
	}
}

// explain says what is wrong with a request; "" if the journal explains it.
func (m *matcher) explain(cluster string, e Event) string {
	id, rest, _ := strings.Cut(e.ID, ".")
	cause, known := m.causes[id]
	switch {
	case !strings.HasPrefix(e.ID, Prefix):
		return "it carries no id of the journal's"
	case m.heard[e.ID]:
		return "another request has the same id"
	case !known:
		return "the journal has no record of it"
	case cause.Cluster != cluster:
		return "the journal has it for cluster " + cause.Cluster
	case e.Verb == "deletecollection" || e.Verb == "delete" && !e.preconditioned():
		return "it deletes without saying which version of which object"
	case cause.Kind == journal.Bookkeeping:
		return bookkeeping(cause, e)
	}
	return planned(cause, e, rest)
}

// bookkeeping says what is wrong with a request that no plan asked for.
func bookkeeping(cause journal.Record, e Event) string {
	path, _, _ := strings.Cut(e.URI, "?")
	if path == cause.Object || strings.HasPrefix(cause.Object, path+"/") || strings.HasPrefix(path, cause.Object+"/") {
		return ""
	}
	return "the journal says it was for " + cause.Object
}

// planned says what is wrong with a request for a step of a plan.
func planned(cause journal.Record, e Event, rest string) string {
	place, _, stepped := strings.Cut(rest, ".") // what is cleaned up after all steps is for none
	n, err := strconv.Atoi(place)
	if stepped && (err != nil || n < 0 || n >= len(cause.Steps)) {
		return "the plan has no such step"
	}
	if e.Verb == "patch" && !(stepped && cause.Steps[n].Action == "release") { // what is let go of bears no marks
		marks := e.annotations()
		if unit := marks[object.AnnotationUnit]; unit != cause.Unit {
			return fmt.Sprintf("its object is of unit %q and the plan of %s", unit, cause.Unit)
		}
		if commit := marks[object.AnnotationCommit]; commit != cause.Revision {
			return fmt.Sprintf("its object is of commit %q and the plan of %s", commit, cause.Revision)
		}
	}
	if !stepped {
		for _, s := range cause.Steps {
			if concerns(s, e) {
				return ""
			}
		}
		return "the plan has no such step"
	}
	if s := cause.Steps[n]; !concerns(s, e) {
		return fmt.Sprintf("the plan's step is to %s %s", s.Action, s.Object)
	}
	return ""
}

// concerns reports whether a request is what a step asks for.
func concerns(s journal.Step, e Event) bool {
	allowed := map[string]string{"create": "patch", "update": "patch", "heal": "patch", "run": "patch delete", "prune": "delete", "release": "patch"}
	if !strings.Contains(allowed[s.Action], e.Verb) {
		return false
	}
	kind, name, _ := strings.Cut(s.Object, " ")
	kind, _, _ = strings.Cut(kind, ".")
	full := e.Object.Name
	if e.Object.Namespace != "" && e.Object.Resource != "namespaces" {
		full = e.Object.Namespace + "/" + full
	}
	stem := strings.TrimSuffix(strings.ToLower(kind), "y") // policy, policies
	return name == full && strings.HasPrefix(e.Object.Resource, stem)
}

// missing finds requests that outcomes name and no log has.
func (m *matcher) missing() {
	for id, r := range m.told {
		begin, given := m.present[r.Cluster]
		switch {
		case m.heard[id] || !given || r.Time.Before(begin):
		case r.Kind == journal.Failed:
			m.report.Unheard++
		default:
			m.report.Problems = append(m.report.Problems, Problem{r.Cluster, id, r.Action + " " + r.Object, "the API server has no record of it"})
		}
	}
}
