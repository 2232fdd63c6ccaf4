// Package webhook takes what forges send when something happened: it decides
// whether a request comes from one who knows a secret, and makes a Hint of it.
//
// A request is judged from its headers first, and its body is read only where
// these could be right; the signature is over the bytes as they came, before
// anything looks into them. A hint says where something may have changed, and
// is trusted for no more than that: whoever gets it asks the forge or Git. So a
// forged hint would cost a look, and a lost one is made up for by the next.
package webhook

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// Forge is who sends, which decides how requests are signed and what is in them.
type Forge string

// The forges there are.
const (
	GitHub Forge = "github"
	GitLab Forge = "gitlab"
	// Gitea is Forgejo as well.
	Gitea Forge = "gitea"
	// Standard is whoever keeps to Standard Webhooks, see https://www.standardwebhooks.com.
	Standard Forge = "standard"
	// Generic is anything that can send a header.
	Generic Forge = "generic"
	// Any is all of them at one address: each request says by its headers whose it is.
	Any Forge = "git"
)

// Forges are all of them.
func Forges() []Forge { return []Forge{Any, GitHub, GitLab, Gitea, Standard, Generic} }

// Hint says what may have changed. Its texts are what somebody wrote who knows
// the secret, cut to what such names look like; each may be empty, and an empty
// hint says only that something happened.
type Hint struct {
	// Forge is never Any.
	Forge Forge
	// Event is what the forge calls it. Example: "pull_request".
	Event string
	// Repository is spelled with its owner. Example: "acme/platform".
	Repository string
	// Branch is without "refs/heads/". Example: "main".
	Branch string
	// PullRequest is its number in the repository, from 1; 0 for none.
	PullRequest int
}

// Verdict is what came of a request; it is the label of a metric as well.
type Verdict string

// The verdicts.
const (
	// Accepted: it is signed, and was not seen before.
	Accepted Verdict = "accepted"
	// Repeated: it is signed, and nothing is to be done about it again.
	Repeated Verdict = "repeated"
	// Absent: there are no secrets, so that nobody can sign.
	Absent Verdict = "absent"
	// Unsigned: its headers prove nothing, whatever the body is.
	Unsigned Verdict = "unsigned"
	// Forged: it is signed with none of the secrets, or another body was.
	Forged Verdict = "forged"
	// Stale: what it is signed with names a time too far from now.
	Stale Verdict = "stale"
	// Encoded: its body is compressed.
	Encoded Verdict = "encoded"
	// Large: its body is too large.
	Large Verdict = "large"
	// Unreadable: its body did not come whole, or not in time.
	Unreadable Verdict = "unreadable"
	// Busy: too many bodies are read at this moment.
	Busy Verdict = "busy"
)

// Verdicts are all of them.
func Verdicts() []Verdict {
	return []Verdict{Accepted, Repeated, Absent, Unsigned, Forged, Stale, Encoded, Large, Unreadable, Busy}
}

// Status is the HTTP status that a verdict is answered with. What is wrong with
// a signature is not told: all of that is 401.
func (v Verdict) Status() int {
	switch v {
	case Accepted, Repeated:
		return http.StatusAccepted
	case Absent:
		return http.StatusNotFound
	case Encoded:
		return http.StatusUnsupportedMediaType
	case Large:
		return http.StatusRequestEntityTooLarge
	case Unreadable:
		return http.StatusBadRequest
	case Busy:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// The bounds of what a request may cost.
const (
	// MaxBody bounds a body, in bytes. GitHub sends at most 25 MiB and for a push
	// far less.
	MaxBody = 5 << 20
	// Window is how far the time in a signature may be from now, either way; the
	// five minutes are Standard Webhooks'.
	Window = 5 * time.Minute
	// maxReading is how many bodies are held at a time; others wait for patience.
	maxReading = 8
	patience   = time.Second
	// readTime is how long a body may take to come.
	readTime = 5 * time.Second
)

// Options are what a Receiver is made of.
type Options struct {
	// Secrets: any of them may sign, so that one can be changed for another while
	// both are in use. Without any, nothing is taken.
	Secrets []Secret
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Receiver judges requests. It may be used by many at once.
type Receiver struct {
	o Options
	// reading holds a place for each body that is being read.
	reading chan struct{}
	seen    map[Forge]*memory
}

// New makes a receiver.
func New(o Options) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Receiver{o: o, reading: make(chan struct{}, maxReading), seen: map[Forge]*memory{}}
	for _, forge := range Forges() {
		r.seen[forge] = &memory{}
	}
	return r
}

// Receive judges a request to the address of a forge. The hint counts only where
// the verdict is Accepted. The response is touched only to close the connection
// of one who sends too much.
func (v *Receiver) Receive(w http.ResponseWriter, r *http.Request, at Forge) (Hint, Verdict) {
	if len(v.o.Secrets) == 0 {
		return Hint{}, Absent
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return Hint{}, Encoded
	}
	if r.ContentLength > MaxBody {
		return Hint{}, Large
	}
	forge := at
	if at == Any {
		forge = sender(r.Header)
	}
	proof, verdict := v.proofOf(at, r.Header)
	if verdict != "" {
		return Hint{}, verdict
	}
	body, verdict := v.read(w, r)
	if verdict != "" {
		return Hint{}, verdict
	}
	if !proof.holds(v.o.Secrets, body) {
		return Hint{}, Forged
	}
	if id := deliveryOf(forge, r.Header); id != "" && !v.seen[forge].add(id, body) {
		return Hint{}, Repeated
	}
	return hintOf(forge, r.Header, body), Accepted
}

// read gives the whole body. The time it may take is the connection's, where
// there is one.
func (v *Receiver) read(w http.ResponseWriter, r *http.Request) ([]byte, Verdict) {
	if !v.enter(r) {
		return nil, Busy
	}
	defer func() { <-v.reading }()
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime)) // the server has a limit of its own
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, Large
	}
	if err != nil {
		return nil, Unreadable
	}
	return body, ""
}

// enter takes a place among those whose bodies are read, if one is free soon.
func (v *Receiver) enter(r *http.Request) bool {
	select {
	case v.reading <- struct{}{}:
		return true
	default:
	}
	soon := time.NewTimer(patience)
	defer soon.Stop()
	select {
	case v.reading <- struct{}{}:
		return true
	case <-soon.C:
	case <-r.Context().Done():
	}
	return false
}
