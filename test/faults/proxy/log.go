package proxy

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Entry is what is written down of a request.
type Entry struct {
	Time time.Time `json:"time"`
	Call
	// Rule and Action are of the rule that acted on it, if any.
	Rule   string `json:"rule,omitempty"`
	Action Kind   `json:"action,omitempty"`
	// Status is what the server answered; 0 if it was not asked, or did not answer.
	Status int           `json:"status,omitempty"`
	Took   time.Duration `json:"took"`
	Error  string        `json:"error,omitempty"`
}

// Log takes down requests, in memory and in a file if there is one. The zero
// value works.
type Log struct {
	// File gets a line of JSON a request; none if nil.
	File io.Writer

	mu      sync.Mutex
	entries []Entry
}

func (l *Log) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	if l.File != nil {
		if line, err := json.Marshal(e); err == nil {
			_, _ = l.File.Write(append(line, '\n')) // a log that cannot be written stops no test
		}
	}
}

// Len is how many requests were taken down so far.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// Since gives the requests after the first n.
func (l *Log) Since(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Entry(nil), l.entries[min(n, len(l.entries)):]...)
}
