package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
)

// request is one request as an API server wrote it down.
type request struct {
	Cluster string `json:"-"`
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

// since lists the requests of the user fairway after an instant.
func (l *lab) since(t testing.TB, from instant) []request {
	t.Helper()
	var out []request
	for _, name := range clusters() {
		f, err := os.Open(l.planes[name].AuditLog)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(from[name], io.SeekStart); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReaderSize(f, 1<<20)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break // the last line may be half written
			}
			if !bytes.Contains(line, []byte(`"username":"fairway"`)) {
				continue
			}
			r := request{Cluster: name}
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatalf("audit log of %s: %v", name, err)
			}
			if r.User.Username == "fairway" {
				out = append(out, r)
			}
		}
		f.Close()
	}
	return out
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
