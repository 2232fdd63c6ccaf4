// Package journal is the record of what happened: append-only, hash-chained,
// in one SQLite file. Status history, the portal's timelines, notifications
// and delivery figures are all read from it; no decision ever is.
//
// It is a history and not an authority, so nothing that befalls it may stop
// the daemon: an append is handed to a writer and forgotten, a full disk is
// waited out, a damaged file is put aside and a new one begun. What is lost
// that way is said, in the error callback and by a Gap record in the journal.
package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Kind says what happened.
type Kind string

// The kinds of record.
const (
	// RevisionSeen: Git has a new commit. Evaluated: it was read, with this verdict.
	RevisionSeen Kind = "revision-seen"
	Evaluated    Kind = "evaluated"
	// Planned: a plan is about to be carried out; Steps says what it will do. It
	// is on disk before the first request is sent.
	Planned Kind = "planned"
	// Bookkeeping: the daemon is about to write something of its own, such as the
	// inventory. It is on disk before the request is sent.
	Bookkeeping Kind = "bookkeeping"
	// Withheld: the branch has a commit that is not followed. Followed: the branch is
	// followed again.
	Withheld Kind = "withheld"
	Followed Kind = "followed"
	// Phase: an environment fell asleep or woke up.
	Phase Kind = "phase"
	// Reviewed: a pull request was told what it would do.
	Reviewed Kind = "reviewed"
	// Preview: an environment was made of a pull request, or ended.
	Preview Kind = "preview"
	// Applied: one object was written. Action says how, Reason why.
	Applied Kind = "applied"
	// Held and Unheld: a unit stays as it is, or no longer does.
	Held   Kind = "held"
	Unheld Kind = "unheld"
	// Failed: a cluster refused or did not answer.
	Failed Kind = "failed"
	// Drift: a live object was changed by hand.
	Drift Kind = "drift"
	// ClusterLost and ClusterBack: a cluster is not reachable, or is again.
	ClusterLost Kind = "cluster-lost"
	ClusterBack Kind = "cluster-back"
	// Started and Stopped: the daemon itself.
	Started Kind = "started"
	Stopped Kind = "stopped"
	// Gap: records are missing here, for the reason in Message.
	Gap Kind = "gap"
)

// Record is one thing that happened. Only Kind must be given; Seq is set by
// the journal, and Time as well where it is zero.
type Record struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	// Unit is spelled as catalog.UnitKey does. Example: "prod/prod-eu/checkout".
	Unit       string `json:"unit,omitempty"`
	Cluster    string `json:"cluster,omitempty"`
	Revision   string `json:"revision,omitempty"`
	PlanDigest string `json:"planDigest,omitempty"`
	// Reason is stable and in CamelCase or the plan's own sentence; Message is for people.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Object is spelled as object.ID does. Example: "Deployment shop-prod/checkout".
	Object string `json:"object,omitempty"`
	// Action is what was done to Object: create, update, heal, prune or run.
	Action string `json:"action,omitempty"`
	// Fields are the differences, with secret values masked.
	Fields []object.FieldChange `json:"fields,omitempty"`
	// Actor is who is behind it: the commit's author, or the manager that drifted.
	Actor string `json:"actor,omitempty"`
	// Cause is what the audit ids of all requests begin with that this record was
	// written ahead of. Example: "fw-4d0a1c9e77b2-91f3c07a-12".
	Cause string `json:"cause,omitempty"`
	// Steps are what a plan will do; the audit ids of a step go on with its place.
	Steps []Step `json:"steps,omitempty"`
	// Units and Revisions are those that bookkeeping is for.
	Units     []string `json:"units,omitempty"`
	Revisions []string `json:"revisions,omitempty"`
	// Requests are the audit ids of the requests that were sent for an object.
	// Example: "fw-4d0a1c9e77b2-91f3c07a-12.0.3".
	Requests []string `json:"requests,omitempty"`
}

// Step is one step of a plan that is about to be carried out.
type Step struct {
	Object string `json:"object"`
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
}

// maxBody bounds what one record takes on disk. Field changes that do not fit
// are left out: they can be computed again from Git.
const maxBody = 256 << 10

// encode gives the canonical bytes of a record: what is stored, and what the
// chain is over.
func (r Record) encode() ([]byte, error) {
	r.Time = r.Time.UTC().Round(0)
	body, err := object.Encode(r)
	if err != nil || len(body) <= maxBody {
		return body, err
	}
	r.Message = truncate(r.Message, maxBody/4) + fmt.Sprintf(" (%d field changes left out)", len(r.Fields))
	r.Reason, r.Fields = truncate(r.Reason, maxBody/16), nil
	for i := range r.Steps {
		r.Steps[i].Reason = "" // told again when the step is done
	}
	return object.Encode(r)
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

func decode(body []byte) (Record, error) {
	var r Record
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // field values keep every digit
	err := dec.Decode(&r)
	return r, err
}

// masked hides secret values once more. Plans mask them already; the journal
// outlives everything else, so it does not rely on that.
func (r Record) masked() Record {
	if kind, _, _ := bytes.Cut([]byte(r.Object), []byte(" ")); string(kind) == "Secret" {
		r.Fields = object.Redact(object.ID{Kind: "Secret"}, r.Fields)
	}
	return r
}

// Link is the hash that ties a record to all before it.
type Link = object.Digest

// follow gives the link of a record, from the link before it.
func follow(prev Link, body []byte) Link {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(body)
	return Link(h.Sum(nil))
}

// Head is the newest record of a chain. Kept elsewhere, it proves later that
// nothing up to it was taken away or changed.
type Head struct {
	Seq  int64 `json:"seq"`
	Link Link  `json:"link"`
}
