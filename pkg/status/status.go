// Package status is what the daemon says of each unit: what it runs, whether
// that is what Git says, how it is doing, and what to do if not.
package status

import (
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Sync says how a unit stands to Git.
type Sync string

// The states of a unit, from good to bad.
const (
	// Synced: what is live is what the revision declares.
	Synced Sync = "Synced"
	// Applying: the unit is being brought to the revision.
	Applying Sync = "Applying"
	// Removing: the unit is gone from Git and its objects are being deleted.
	Removing Sync = "Removing"
	// Drifted: live objects were changed by hand and the environment only reports it.
	Drifted Sync = "Drifted"
	// Held: the unit stays at its last good state until Git changes.
	Held Sync = "Held"
	// Failed: the cluster refused or did not answer; it is tried again.
	Failed Sync = "Failed"
	// Unknown: nothing is known yet, or the cluster is unreachable.
	Unknown Sync = "Unknown"
)

// Unit is the status of one unit.
type Unit struct {
	Unit   catalog.UnitKey      `json:"unit"`
	Team   string               `json:"team,omitempty"`
	Source string               `json:"source,omitempty"`
	Sync   Sync                 `json:"sync"`
	Health cluster.HealthStatus `json:"health"`
	// Revision is the commit the unit was last brought to; Desired is the one it
	// should be at.
	Revision string        `json:"revision,omitempty"`
	Desired  string        `json:"desired,omitempty"`
	Digest   object.Digest `json:"digest,omitzero"`
	Objects  int           `json:"objects"`
	// Asleep tells that the unit is as it is while its environment sleeps.
	Asleep bool `json:"asleep,omitempty"`
	// Reason is stable and in CamelCase; Message and Hint are for people.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
	// Since is when Sync last changed; Tried and Attempts tell of failures.
	Since    time.Time `json:"since,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`
}

// Condition is one of kstatus' conditions.
type Condition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"` // True, False or Unknown
	Reason             string    `json:"reason"`
	Message            string    `json:"message,omitempty"`
	LastTransitionTime time.Time `json:"lastTransitionTime,omitzero"`
}

// Conditions spells the status as kstatus does: Ready is always there;
// Reconciling and Stalled only while they are true.
func (u Unit) Conditions() []Condition {
	cond := func(kind, status string) Condition {
		return Condition{Type: kind, Status: status, Reason: u.reason(), Message: u.Message, LastTransitionTime: u.Since}
	}
	switch {
	case u.Sync == Synced && (u.Health == cluster.Healthy || u.Health == cluster.HealthUnknown || u.Health == cluster.Suspended):
		return []Condition{cond("Ready", "True")}
	case u.Sync == Unknown:
		return []Condition{cond("Ready", "Unknown"), cond("Reconciling", "True")}
	case u.Sync == Held, u.Sync == Drifted, u.Health == cluster.Degraded:
		return []Condition{cond("Ready", "False"), cond("Stalled", "True")}
	}
	return []Condition{cond("Ready", "False"), cond("Reconciling", "True")}
}

func (u Unit) reason() string {
	if u.Reason != "" {
		return u.Reason
	}
	return string(u.Sync)
}

// Cluster is the status of one cluster.
type Cluster struct {
	Name      string    `json:"name"`
	Reachable bool      `json:"reachable"`
	Message   string    `json:"message,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	// Held says why nothing at all is written to it at the present revision.
	Held     string `json:"held,omitempty"`
	Units    int    `json:"units"`
	Objects  int    `json:"objects"`
	Requests int64  `json:"requests"`
}

// Source is the status of what is read from Git.
type Source struct {
	URL    string `json:"url"`
	Branch string `json:"branch"`
	// Revision is the commit evaluated last, Verdict what reconciler vet prints for it.
	Revision string `json:"revision,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Verdict  string `json:"verdict,omitempty"`
	Errors   int    `json:"errors"`
	// Phases says of each environment that has a schedule whether it sleeps. The
	// verdict is of the units as they are at that hour.
	// Example: "dev": "asleep until 2026-12-01T06:00:00Z".
	Phases  map[string]string `json:"phases,omitempty"`
	Fetched time.Time         `json:"fetched,omitzero"`
	// Withheld is the commit the branch has where that is not followed: it rewinds the
	// branch, or is not signed as it must be.
	Withheld string `json:"withheld,omitempty"`
	// Message says why Git cannot be read, or why a revision is refused.
	Message string `json:"message,omitempty"`
}
