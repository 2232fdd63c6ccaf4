package e2e_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
)

// request is one request as an API server wrote it down.
type request struct {
	Cluster string `json:"-"`
	at      int64  // where in the log
	Verb    string `json:"verb"`
	URI     string `json:"requestURI"`
	User    struct {
		Username string `json:"username"`
	} `json:"user"`
	As struct {
		Username string `json:"username"`
	} `json:"impersonatedUser"`
	Object struct {
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

// String is how failures show a request. Example: "prod-eu patch deployments shop-prod/cart".
func (r request) String() string {
	name := r.Object.Name
	if r.Object.Namespace != "" {
		name = r.Object.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %s %s %s", r.Cluster, r.Verb, r.Object.Resource, name)
}

func (r request) reads() bool { return slices.Contains([]string{"get", "list", "watch"}, r.Verb) }

// unit is the unit that the written object names as its owner.
func (r request) unit() string {
	var body struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(r.Body, &body) // what is no object names no unit
	return body.Metadata.Annotations["fairway.dev/unit"]
}

// instant is a moment in the audit logs: how long each was. A log is written
// before the answer, so what was answered before the instant is before it.
type instant map[string]int64

func (l *lab) now(t testing.TB) instant {
	t.Helper()
	at := instant{}
	for name, p := range l.planes {
		info, err := os.Stat(p.AuditLog)
		if err != nil {
			t.Fatal(err)
		}
		at[name] = info.Size()
	}
	return at
}

// auditLog is what was read of an API server's log so far. A test goes on where
// another stopped, so that each line is read once and not by every test that waits.
type auditLog struct {
	file, cluster string

	mu   sync.Mutex
	size int64     // how much was read
	list []request // of the user fairway, in the order of the log
}

// since lists the requests of the user fairway after an instant.
func (l *lab) since(t testing.TB, from instant) []request {
	t.Helper()
	var out []request
	for _, name := range clusters() {
		list, err := l.logs[name].since(from[name])
		if err != nil {
			t.Fatalf("audit log of %s: %v", name, err)
		}
		out = append(out, list...)
	}
	return out
}

// since lists what stands at a place of the log and after it. It is for the caller to keep.
func (a *auditLog) since(at int64) ([]request, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.readOn(); err != nil {
		return nil, err
	}
	first, _ := slices.BinarySearchFunc(a.list, at, func(r request, at int64) int { return cmp.Compare(r.at, at) })
	return slices.Clone(a.list[first:]), nil
}

// readOn reads what was written since.
func (a *auditLog) readOn() error {
	f, err := os.Open(a.file)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, a.size, 1<<40))
	if err != nil {
		return err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1] // the last line may be half written
	for line := range bytes.Lines(text) {
		at := a.size
		a.size += int64(len(line))
		if !bytes.Contains(line, []byte(`"username":"fairway"`)) {
			continue
		}
		r := request{Cluster: a.cluster, at: at}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if r.User.Username == "fairway" {
			a.list = append(a.list, r)
		}
	}
	return nil
}

// requests are those after an instant that are about this world: its
// namespaces, their objects, its inventory. The record of the revision is left out:
// it goes with no change, but comes a while after many.
func (w *world) requests(from instant) []request {
	w.t.Helper()
	return slices.DeleteFunc(w.all(from), func(r request) bool {
		return r.Object.Namespace == w.system && (r.Object.Name == kube.RatchetName || strings.Contains(string(r.Body), `"name":"`+kube.RatchetName+`"`))
	})
}

// all are requests, and those for the record of the revision.
func (w *world) all(from instant) []request {
	w.t.Helper()
	return slices.DeleteFunc(w.lab.since(w.t, from), func(r request) bool {
		return !strings.Contains(r.URI, w.id)
	})
}

// writes are the requests that ask for a change.
func (w *world) writes(from instant) []request {
	w.t.Helper()
	return slices.DeleteFunc(w.requests(from), request.reads)
}

// reads are the requests for single objects or listings of this world's namespaces.
func (w *world) reads(from instant) []request {
	w.t.Helper()
	return slices.DeleteFunc(w.requests(from), func(r request) bool { return !r.reads() })
}

func spelled(list []request) string {
	if len(list) == 0 {
		return "none"
	}
	var out []string
	for _, r := range list {
		out = append(out, r.String())
	}
	return strings.Join(out, "\n  ")
}
