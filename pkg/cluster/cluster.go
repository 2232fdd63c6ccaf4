// Package cluster is the words for the live side: what is seen on a cluster,
// what is asked of it, and how it refuses. The one implementation that speaks
// to Kubernetes is cluster/kube.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// What callers branch on. Every refusal of a cluster matches one of these or
// none; none means "try again later".
var (
	// ErrNotFound: the object is not there. A consistent read said so.
	ErrNotFound = errors.New("not found")
	// ErrPrecondition: the object is not the one that was looked at (UID or
	// resourceVersion differ). Look again, then decide again.
	ErrPrecondition = errors.New("object changed since it was read")
	// ErrNoKind: the cluster does not serve this kind (yet).
	ErrNoKind = errors.New("kind is not served")
	// ErrNoNamespace: the namespace of the object is not there (yet) or is going away.
	ErrNoNamespace = errors.New("namespace is not there")
	// ErrInvalid: the cluster refuses the object for what it says; only a
	// change in Git helps.
	ErrInvalid = errors.New("refused as invalid")
	// ErrForbidden: the daemon's identity may not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrUnreachable: no answer could be had.
	ErrUnreachable = errors.New("cluster is unreachable")
)

// ConflictError says that a server-side apply met fields that others own.
type ConflictError struct {
	ID     object.ID
	Owners []FieldOwner
}

// FieldOwner is one field and who owns it.
type FieldOwner struct {
	// Field is spelled as in object.FieldChange. Example: ".spec.replicas".
	Field   string    `json:"field"`
	Manager string    `json:"manager"`
	Time    time.Time `json:"time,omitzero"`
}

func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: fields are owned by others:", e.ID)
	for _, o := range e.Owners {
		fmt.Fprintf(&b, " %s by %q", o.Field, o.Manager)
	}
	return b.String()
}

// HealthStatus is how an object is doing, in gitops-engine's words.
type HealthStatus string

// The health of an object, from good to bad. HealthUnknown is for objects that
// have no notion of health; they count as healthy.
const (
	HealthUnknown HealthStatus = ""
	Healthy       HealthStatus = "Healthy"
	Suspended     HealthStatus = "Suspended"
	Progressing   HealthStatus = "Progressing"
	Missing       HealthStatus = "Missing"
	Degraded      HealthStatus = "Degraded"
)

// Entry is what is kept of each live object of ours: enough to know whether
// it is as we left it, never its content.
type Entry struct {
	UID             string
	ResourceVersion string
	// Unit is the owner the object itself names (object.AnnotationUnit).
	Unit string
	// Commit is the commit of the last apply, as the object names it.
	Commit string
	// Applied is the digest of the desired bytes last applied, as the object
	// names it; zero if it names none.
	Applied object.Digest
	// Clean reports that the fields we own are as the server returned them
	// when Applied was written, or as a plan has since found equal to it.
	Clean bool
	// Managed reports that the unit's own field manager applied the object: what
	// a copied annotation cannot show.
	Managed  bool
	Deleting bool
	// Locked reports that the object itself asks never to be deleted without
	// consent (object.AnnotationLock).
	Locked bool
	Health HealthStatus
	// Message says why the object is not healthy; empty for a healthy one.
	Message string
}

// Owned is what the inventory says of one object of a unit.
type Owned struct {
	// UID is empty where the creation was intended and never confirmed.
	UID string
	// Adopted tells that the object was there before us and was taken over on
	// purpose: it is released one day, and never deleted.
	Adopted bool
	// Condemned tells that the deletion of this very UID was decided, with consent
	// where that was needed, so that it goes on after a crash without asking again.
	Condemned bool
}

// Intent is an object that a unit is about to have. UID is empty for one that
// will be created, and that of the object which will be taken over otherwise.
type Intent struct {
	ID      object.ID
	UID     string
	Adopted bool
	// Anew tells that it is not there and is going to be made: a UID that is
	// recorded is of another object, which is gone.
	Anew bool
}

// Ratchet is what a cluster itself remembers of the revisions it was brought to.
// It only ever moves forward, so that no daemon takes the cluster back, whatever
// its disk and its copy of Git say.
type Ratchet struct {
	// Revision is the newest commit the cluster was brought to; "" if none is recorded.
	Revision string
	// Root is the first commit of that history and Branch what was followed, for people.
	Root, Branch string
	// Superseded are commits of histories that were replaced on purpose, newest
	// first: what they and those before them wrote may be written over.
	Superseded []string
	// Unapproved are units, by the commit that changed them and was not approved for what
	// it does: they stay as they were before it until it is.
	Unapproved map[string]Unapproved
	// Version is what the next write is bound to; "" if nothing is recorded yet.
	Version string
}

// Unapproved are the units that wait for the approval of a commit.
type Unapproved struct {
	// Pull is the number of the pull request that was merged as it.
	Pull int
	// Before is the commit at which the branch was before; empty for the first parent.
	Before string
	Units  []string
}

// Live is one object freshly read from the cluster.
type Live struct {
	ID              object.ID
	UID             string
	ResourceVersion string
	// Fields is the whole object without managedFields.
	Fields map[string]any
	// Owned is Fields restricted to what the unit's own field manager owns.
	Owned map[string]any
	// Others is who else owns fields, leaf by leaf, newest first.
	Others []FieldOwner
	// Mark identifies the owned content, to be handed back when it was found clean.
	Mark Mark
}

// Mark is a 128-bit hash over the values of the fields our manager owns.
type Mark [16]byte

// Applied is the answer to a write.
type Applied struct {
	UID             string
	ResourceVersion string
	Created         bool
	// Shared tells that others wrote fields of the object as well.
	Shared bool
}

// ApplyRequest asks for one object to be written.
type ApplyRequest struct {
	Object object.Object
	// Unit is who owns the object, and so the field manager.
	Unit string
	// Commit is noted on the object as the one that last wrote it.
	Commit string
	// UID, where it is set, is the one object that may be written; another of its
	// name is ErrPrecondition.
	UID string
	// Force takes fields from other managers: for healing what was ours, and for
	// taking over what was given up or is adopted.
	Force bool
	// DryRun asks the cluster what it would do.
	DryRun bool
	// As is the user in whose name the object is written, with that user's rights
	// and no others; empty for the daemon itself.
	// Example: "system:serviceaccount:shop-prod:fairway-deployer".
	As string
}

// Writer is what changes objects on a cluster; see the methods of kube.Cluster.
type Writer interface {
	Apply(ctx context.Context, r ApplyRequest) (Applied, error)
	Delete(ctx context.Context, id object.ID, uid, resourceVersion string) error
	Yield(ctx context.Context, id object.ID, uid, unit string) error
	Release(ctx context.Context, id object.ID, uid, unit string) error
}
