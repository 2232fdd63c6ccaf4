package proxy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Match says which requests a rule is for. Empty fields match everything.
type Match struct {
	// Servers are names of proxies.
	Servers []string `json:"servers,omitempty"`
	// Verbs as in Call; "read" stands for get, list and watch, "write" for the others.
	Verbs     []string `json:"verbs,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	Resources []string `json:"resources,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name,omitempty"`
	User      string   `json:"user,omitempty"`
	// Path is a part of the path and query.
	Path string `json:"path,omitempty"`

	// Nth is the only match that counts, from 1; Every lets each so-many-th count;
	// Chance lets each count with a probability; Times is how many may count at
	// most. Zero values restrict nothing.
	Nth    int     `json:"nth,omitempty"`
	Every  int     `json:"every,omitempty"`
	Chance float64 `json:"chance,omitempty"`
	Times  int     `json:"times,omitempty"`
}

func (m Match) fits(c Call) bool {
	of := func(list []string, what string) bool { return len(list) == 0 || slices.Contains(list, what) }
	is := func(want, what string) bool { return want == "" || want == what }
	return of(m.Servers, c.Server) && m.verb(c) && of(m.Groups, c.Group) && of(m.Resources, c.Resource) &&
		is(m.Namespace, c.Namespace) && is(m.Name, c.Name) && is(m.User, c.User) && strings.Contains(c.Path, m.Path)
}

func (m Match) verb(c Call) bool {
	if len(m.Verbs) == 0 || slices.Contains(m.Verbs, c.Verb) {
		return true
	}
	read := slices.Contains([]string{"get", "list", "watch"}, c.Verb)
	return read && slices.Contains(m.Verbs, "read") || c.Mutates() && slices.Contains(m.Verbs, "write")
}

// Kind is what is done to a request.
type Kind string

// The kinds of actions.
const (
	// Pass forwards as usual, after Delay.
	Pass Kind = "pass"
	// DropBefore closes the connection and forwards nothing.
	DropBefore Kind = "drop-before"
	// DropAfter forwards and throws the answer away.
	DropAfter Kind = "drop-after"
	// Reset forwards, throws the answer away and resets the connection.
	Reset Kind = "reset"
	// Answer answers with Status in the server's place, and Retry-After if RetryAfter is set.
	Answer Kind = "answer"
	// AnswerAfter forwards, and answers with Status all the same.
	AnswerAfter Kind = "answer-after"
	// NotServed answers 404 as a server does that has no such kind.
	NotServed Kind = "not-served"
	// HTML answers 200 with a page of a middlebox.
	HTML Kind = "html"
	// Truncate cuts the answer's body in half.
	Truncate Kind = "truncate"
	// Slow sends the answer's body in drips over Delay.
	Slow Kind = "slow"
	// EmptyList takes all items out of a list.
	EmptyList Kind = "empty-list"
	// LosePages makes pages short and loses the token of the next one.
	LosePages Kind = "lose-pages"
	// Freeze leaves a watch open and passes nothing on any more.
	Freeze Kind = "freeze"
	// DropEvents loses events of a watch: those that Events names.
	DropEvents Kind = "drop-events"
	// DupEvents sends those events twice.
	DupEvents Kind = "dup-events"
	// Gone ends a watch with 410 Gone.
	Gone Kind = "gone"
	// Stale answers a read from the snapshot of an earlier moment.
	Stale Kind = "stale"
	// Kill has the daemon killed at Phase.
	Kill Kind = "kill"
)

// Phase is when the daemon dies, seen from one request.
type Phase string

// The phases of a request.
const (
	// BeforeSend: the request never reaches the server.
	BeforeSend Phase = "before-send"
	// NoResponse: the server has done it, and the daemon never hears of it.
	NoResponse Phase = "committed-no-response"
	// AfterResponse: the daemon has the answer, and nothing more.
	AfterResponse Phase = "after-response"
	// ResetNoKill: the server has done it, the connection is reset, and the daemon lives on.
	ResetNoKill Phase = "rst-no-kill"
)

// Phases are all of them.
func Phases() []Phase { return []Phase{BeforeSend, NoResponse, AfterResponse, ResetNoKill} }

// Action is what a rule does.
type Action struct {
	Kind   Kind  `json:"kind"`
	Phase  Phase `json:"phase,omitempty"`
	Status int   `json:"status,omitempty"`
	// RetryAfter is the header's value in seconds; none if zero.
	RetryAfter int           `json:"retryAfter,omitempty"`
	Delay      time.Duration `json:"delay,omitempty"`
	// Events are the numbers, from 1, of the events of a watch that are meant;
	// all if empty.
	Events []int `json:"events,omitempty"`
	// Types restricts Events to some event types, such as DELETED.
	Types []string `json:"types,omitempty"`
}

// Rule does its action to the requests it matches.
type Rule struct {
	ID    string `json:"id"`
	Match Match  `json:"match"`
	Do    Action `json:"do"`
}

// Rules is a set of rules that is used by proxies while it is changed.
type Rules struct {
	mu      sync.Mutex
	rules   []Rule
	matched map[string]int
	fired   map[string][]Call
	random  *rand.Rand
}

// NewRules makes an empty set. Chance is decided by the seed.
func NewRules(seed uint64) *Rules {
	return &Rules{matched: map[string]int{}, fired: map[string][]Call{}, random: rand.New(rand.NewPCG(seed, 0))}
}

// Set puts rules in the place of all others and forgets what was counted.
func (r *Rules) Set(rules ...Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules, r.matched, r.fired = rules, map[string]int{}, map[string][]Call{}
}

// Clear takes the rules away; what was counted stays until the next Set.
func (r *Rules) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rules = nil
}

// Fired gives the requests that a rule acted on.
func (r *Rules) Fired(id string) []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.fired[id])
}

// decide gives the first rule that acts on a request, if any.
func (r *Rules) decide(c Call) *Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.rules {
		rule := &r.rules[i]
		if !rule.Match.fits(c) {
			continue
		}
		r.matched[rule.ID]++
		if r.counts(rule) {
			r.fired[rule.ID] = append(r.fired[rule.ID], c)
			out := *rule
			return &out
		}
	}
	return nil
}

func (r *Rules) counts(rule *Rule) bool {
	m, n := rule.Match, r.matched[rule.ID]
	switch {
	case m.Nth > 0 && n != m.Nth:
		return false
	case m.Every > 0 && n%m.Every != 0:
		return false
	case m.Chance > 0 && r.random.Float64() >= m.Chance:
		return false
	case m.Times > 0 && len(r.fired[rule.ID]) >= m.Times:
		return false
	}
	return true
}
