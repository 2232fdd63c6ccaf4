// Package forge is what the daemon asks of the place where pull requests live,
// the same for Gitea and Forgejo, GitHub and GitLab.
//
// What a forge lists is known as a whole or not at all: an error, a page that is
// missing, a total that does not fit, an answer that is no JSON or was cut make it
// unknown, and never an empty list. Nothing here decides what follows.
package forge

import (
	"context"
	"errors"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// What a forge refused and a caller can act on. They are wrapped with what was asked.
var (
	// ErrMoved is a branch or pull request that is not at the commit it was expected at.
	ErrMoved = errors.New("it is at another commit than expected")
	// ErrExists is a branch or pull request that is there already, and different.
	ErrExists = errors.New("it is there already")
	// ErrNotFound is what the forge does not have, or does not show to our token.
	ErrNotFound = errors.New("not found")
	// ErrNotMergeable is a pull request that the forge does not merge now: conflicts,
	// its own rules, or a check of its own that is not done.
	ErrNotMergeable = errors.New("the forge does not merge it now")
)

// State is where a pull request is in its life.
type State string

// The states of a pull request.
const (
	Open   State = "open"
	Closed State = "closed" // and not merged
	Merged State = "merged"
)

// Mergeable is what the forge thinks of merging a head into its base.
type Mergeable string

// What a forge says of conflicts. Gitea does not tell a conflict from a check that
// is not done or a draft: where it does not say yes, it is unknown.
const (
	MergeYes     Mergeable = "yes"
	MergeNo      Mergeable = "no"
	MergeUnknown Mergeable = "unknown"
)

// PullRequest is a pull request, or merge request, as the forge shows it.
type PullRequest struct {
	Number      int
	Title       string
	Author      string // login
	State       State
	Draft       bool
	Labels      []string
	Head        Head
	Base        Base
	URL         string // its page
	Created     time.Time
	Updated     time.Time
	Mergeable   Mergeable
	MergeCommit string // what merging made; empty unless merged
	Files       int    // how many files it touches; below 0 where the forge does not say
}

// Head is what a pull request would bring.
type Head struct {
	Branch     string // empty where there is none: gone, or pushed for review
	Commit     string // hex; empty where the forge cannot say
	Repository string // OWNER/NAME; for GitLab the number of the project
	// Fork is true unless the head is a branch of the base repository: a fork, one that
	// is gone, a push to refs/for. Whoever made it needed no right to write there.
	Fork bool
}

// Base is what a pull request would change.
type Base struct {
	Branch string
	Commit string // where the branch was when the forge compared the two last, or the head left it
}

// Happened is what a pull request does to a file.
type Happened string

// What happens to files. What a forge calls otherwise (a mode, a type) is a change.
const (
	Added   Happened = "added"
	Changed Happened = "changed"
	Removed Happened = "removed"
	Renamed Happened = "renamed"
)

// File is a file that a pull request touches.
type File struct {
	Path     string
	Old      string // where it was; empty unless renamed
	Happened Happened
}

// Verdict is what a review says.
type Verdict string

// The verdicts of reviews. One that was dismissed or taken back says nothing any more.
const (
	Approved  Verdict = "approved"
	Rejected  Verdict = "rejected" // changes were requested
	Commented Verdict = "commented"
	Dismissed Verdict = "dismissed"
)

// Review is one verdict of one person, in the order they were given. A later one of
// the same person need not take an earlier one back: a comment does not.
type Review struct {
	Author  string
	Verdict Verdict
	Commit  string    // the head it was given for; empty where the forge does not say
	Time    time.Time // zero where the forge does not say
}

// StatusState is the state of a status on a commit.
type StatusState string

// The states of statuses.
const (
	Pending StatusState = "pending"
	Success StatusState = "success"
	Failure StatusState = "failure"
	Errored StatusState = "error" // it could not be found out
)

// Status is what somebody says of a commit, newest of its context. GitHub's check
// runs are no statuses.
type Status struct {
	Context     string // for example fairway/plan
	State       StatusState
	Description string // one line; cut to what the forge takes
	URL         string
}

// LabelEvent is a label put on a pull request or taken off, in order of time.
type LabelEvent struct {
	Label string // empty where the label itself was deleted since
	Actor string
	Added bool // else removed
	Time  time.Time
}

// Access is what a user may do with the repository.
type Access int

// From less to more, so that they can be compared.
const (
	AccessNone Access = iota
	AccessRead
	AccessWrite
	AccessAdmin
)

// String says it as people do.
func (a Access) String() string {
	return [...]string{"none", "read", "write", "admin"}[min(max(a, AccessNone), AccessAdmin)]
}

// Change is a commit to be made.
type Change struct {
	Branch  string
	Onto    string            // the commit the branch has to be at
	Message string            // first line, blank line, rest
	Write   map[string][]byte // path to content, whole
	Remove  []string
}

// Proposal is a pull request to be opened between two branches of the repository.
type Proposal struct {
	Title, Body string
	Head, Base  string // branches
}

// Merge is how a pull request is to be merged.
type Merge struct {
	Head    string // the commit its head has to be at
	Method  Method
	Message string // first line, blank line, rest; the forge's own if empty
}

// Method is how the commits of a head come into the base.
type Method string

// The methods that the forges have in common.
const (
	MergeCommit Method = "merge"
	Squash      Method = "squash"
)

// Forge is one repository on a forge. It may be used by many at once. A call that
// would change nothing sends nothing; where an error leaves open whether something
// was done, asking again finds it.
type Forge interface {
	// Pulls lists the open pull requests into a branch, by number.
	Pulls(ctx context.Context, base string) object.Set[int, PullRequest]
	// Pull gives a pull request in any state; ErrNotFound if there is none.
	Pull(ctx context.Context, number int) (PullRequest, error)
	// MergedAs gives the pull request that a commit was made by merging; where its commits
	// were rebased, or the branch was moved forward, that is the last of them. ErrNotFound
	// if the forge knows none.
	MergedAs(ctx context.Context, commit string) (PullRequest, error)
	// Files lists what the head touches since it left its base, by path. They are
	// those of the head given: if the pull request moved, they are unknown with ErrMoved.
	Files(ctx context.Context, pull PullRequest) object.Set[string, File]
	// Reviews lists the reviews, by their place in the order they were given.
	Reviews(ctx context.Context, number int) object.Set[int, Review]
	// Statuses lists the newest status of each context.
	Statuses(ctx context.Context, commit string) object.Set[string, Status]
	// LabelEvents lists what happened to labels, by its place in time.
	LabelEvents(ctx context.Context, number int) object.Set[int, LabelEvent]
	// Access says what a user may do. A user that the forge does not know is ErrNotFound.
	Access(ctx context.Context, user string) (Access, error)
	// Member reports whether a user is in a group, spelled as handles spell it: ORG/TEAM
	// on GitHub and Gitea, GROUP or GROUP/SUBGROUP on GitLab, where members of a group
	// above count. A group that is not there, or is not shown to us, has no members.
	Member(ctx context.Context, group, user string) (bool, error)

	// SetStatus says something of a commit.
	SetStatus(ctx context.Context, commit string, status Status) error
	// Comment keeps one comment of ours on a pull request as it is given.
	Comment(ctx context.Context, number int, comment Comment) error
	// AddLabel puts a label on, which the repository gets if it has none of that name.
	// One that is on is on.
	AddLabel(ctx context.Context, number int, label string) error
	// RemoveLabel takes a label off. One that is not on is off.
	RemoveLabel(ctx context.Context, number int, label string) error
	// CreateBranch makes a branch at a commit; one that is there at that commit is made.
	CreateBranch(ctx context.Context, name, commit string) error
	// DeleteBranch removes a branch that is at a commit; ErrMoved where it is at another. One
	// that is not there is removed. No forge has a request for both, so it is for branches
	// that are ours.
	DeleteBranch(ctx context.Context, name, commit string) error
	// Commit writes files on top of the expected commit and gives the new one. GitHub
	// does so or not at all. Gitea and GitLab have no such request: the branch is looked
	// at before and after, and what got between is ErrMoved with the commit that was
	// made. So it is for branches that are ours.
	Commit(ctx context.Context, change Change) (string, error)
	// CreatePull opens a pull request; ErrExists if those branches have an open one.
	CreatePull(ctx context.Context, proposal Proposal) (PullRequest, error)
	// Merge merges at the expected head, or not, and gives the commit that came of it.
	Merge(ctx context.Context, number int, merge Merge) (string, error)
	// ClosePull closes a pull request without merging. One that is closed or merged stays so.
	ClosePull(ctx context.Context, number int) error

	// Clock is the forge's clock as its answers told it, and the time that went since; zero
	// before the first. It never goes back.
	Clock() time.Time
}

// Deployment is a version in an environment, as the forge shows it.
type Deployment struct {
	Environment string // for example pr-12
	Commit      string
	Ref         string // the branch of the commit; GitLab wants one
	State       StatusState
	URL         string // where it can be seen
	Transient   bool   // it will go, like a preview
}

// Deployer is a Forge that shows what runs where: GitHub and GitLab.
type Deployer interface {
	// Deploy says how a deployment is doing.
	Deploy(ctx context.Context, deployment Deployment) error
	// Retire says that nothing runs in an environment any more.
	Retire(ctx context.Context, environment string) error
}
