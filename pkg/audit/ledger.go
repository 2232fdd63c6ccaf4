// Package audit ties what clusters were asked for to why: it has the journal
// take down every change before it is sent, and matches the journal with the
// API servers' own audit logs, both ways.
//
// In go plans and deeds; out come causes, whose ids the requests carry. The
// one thing to know: an id alone names the plan's digest, and the object the
// unit and the commit, so a lost journal loses reasons and nothing else.
package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/journal"
)

// Prefix is what the audit id of every request begins with.
const Prefix = "fw-"

// Journal takes records; *journal.Journal is one.
type Journal interface {
	Append(ctx context.Context, records ...journal.Record)
	// Secure waits a moment until they are on disk, and reports whether they are.
	Secure(ctx context.Context) bool
}

// Ledger takes down changes before they are made. A nil Ledger takes down
// nothing. It is safe for concurrent use.
type Ledger struct {
	journal Journal
	now     func() time.Time
	run     string // tells this process's causes from all others'
	count   atomic.Int64
}

// New makes a ledger on a journal; the clock is time.Now if nil.
func New(j Journal, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	var run [4]byte
	_, _ = rand.Read(run[:]) // it never fails
	return &Ledger{journal: j, now: now, run: hex.EncodeToString(run[:])}
}

// Plan takes down a plan that is about to be carried out: its Unit, Revision,
// PlanDigest and Steps. It returns once that is on disk, or cannot be soon.
func (l *Ledger) Plan(ctx context.Context, r journal.Record) *cluster.Cause {
	if l == nil {
		return nil
	}
	r.Kind = journal.Planned
	return l.ahead(ctx, r, r.PlanDigest)
}

// Deed takes down a change that no plan asks for.
func (l *Ledger) Deed(ctx context.Context, d cluster.Deed) *cluster.Cause {
	if l == nil {
		return nil
	}
	r := journal.Record{
		Kind: journal.Bookkeeping, Cluster: d.Cluster, Object: d.Object, Action: d.Action, Reason: d.Reason,
		Units: d.Units, Revisions: d.Revisions,
	}
	if len(d.Units) == 1 {
		r.Unit = d.Units[0]
	}
	if len(d.Revisions) == 1 {
		r.Revision = d.Revisions[0]
	}
	return l.ahead(ctx, r, "deed")
}

// ahead writes a record before what it speaks of is done.
func (l *Ledger) ahead(ctx context.Context, r journal.Record, name string) *cluster.Cause {
	r.Time = l.now()
	r.Cause = fmt.Sprintf("%s%s-%s-%d", Prefix, name, l.run, l.count.Add(1))
	l.journal.Append(context.WithoutCancel(ctx), r)
	l.journal.Secure(ctx)
	return cluster.NewCause(r.Cause)
}
