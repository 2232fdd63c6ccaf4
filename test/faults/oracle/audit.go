// Package oracle judges what the daemon did, and believes none of its words:
// it reads the API servers' audit logs, where every request is written down
// before it is answered, and the objects that are there in the end.
package oracle

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one request as an API server wrote it down.
type Request struct {
	Cluster string    `json:"-"`
	Verb    string    `json:"verb"`
	URI     string    `json:"requestURI"`
	Time    time.Time `json:"requestReceivedTimestamp"`
	User    struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Body   json.RawMessage `json:"requestObject"`
	Answer struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// Mutates reports whether the request asks for a change that is meant. Renewing a
// Lease, which says who acts, changes nothing.
func (r Request) Mutates() bool {
	return r.Object.Resource != "leases" && !slices.Contains([]string{"get", "list", "watch"}, r.Verb) && !strings.Contains(r.URI, "dryRun=") &&
		!strings.HasPrefix(r.Object.Resource, "selfsubject") && !strings.HasSuffix(r.Object.Resource, "reviews")
}

// Done reports whether the server did it.
func (r Request) Done() bool { return r.Answer.Code >= 200 && r.Answer.Code < 300 }

// String is how failures show a request. Example: "prod-eu patch deployments shop-prod/cart (200)".
func (r Request) String() string {
	name := r.Object.Name
	if r.Object.Namespace != "" {
		name = r.Object.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %s %s %s (%d)", r.Cluster, r.Verb, r.Object.Resource, name, r.Answer.Code)
}

// Audit follows the audit log of one API server. It keeps the requests of one
// user, sorted by the marks that Mark finds in them.
type Audit struct {
	// Cluster is what the requests have as their cluster.
	Cluster string
	// Path is the log's file.
	Path string
	// User is whose requests are kept.
	User string
	// Mark gives the mark of a request, such as the company it belongs to; ""
	// for one that is kept under no mark.
	Mark func(line []byte, r Request) string

	mu     sync.Mutex
	offset int64
	kept   map[string][]Request
}

// read takes in what was written since it last did.
func (a *Audit) read() error {
	f, err := os.Open(a.Path)
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(a.offset, io.SeekStart); err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil // the last line may be half written
		}
		a.offset += int64(len(line))
		if err := a.take(line); err != nil {
			return err
		}
	}
}

func (a *Audit) take(line []byte) error {
	if !bytes.Contains(line, []byte(`"username":"`+a.User+`"`)) {
		return nil
	}
	r := Request{Cluster: a.Cluster}
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("read audit log %s: %w", a.Path, err)
	}
	if r.User.Username != a.User {
		return nil
	}
	mark := a.Mark(line, r)
	if a.kept == nil {
		a.kept = map[string][]Request{}
	}
	a.kept[mark] = append(a.kept[mark], r)
	return nil
}

// Since gives the requests of a mark after the first n.
func (a *Audit) Since(mark string, n int) ([]Request, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.read(); err != nil {
		return nil, err
	}
	all := a.kept[mark]
	return slices.Clone(all[min(n, len(all)):]), nil
}

// Forget drops the requests of a mark.
func (a *Audit) Forget(mark string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.kept, mark)
}
