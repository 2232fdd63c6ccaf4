package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Event is one request as an API server wrote it down.
type Event struct {
	ID    string `json:"auditID"`
	Stage string `json:"stage"`
	Verb  string `json:"verb"`
	URI   string `json:"requestURI"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	Agent  string `json:"userAgent"`
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
	Received time.Time `json:"requestReceivedTimestamp"`
}

// String is how the event is shown. Example: "patch deployments shop-prod/cart".
func (e Event) String() string {
	name := e.Object.Name
	if e.Object.Namespace != "" {
		name = e.Object.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %s %s", e.Verb, e.Object.Resource, name)
}

// changes reports whether the request asked for a change.
func (e Event) changes() bool {
	if slices.Contains([]string{"get", "list", "watch", "head", "options"}, e.Verb) {
		return false
	}
	u, err := url.Parse(e.URI)
	return err != nil || u.Query().Get("dryRun") != "All"
}

// ours reports whether the request is the engine's: by its id, by what it
// calls itself, or by one of the names that it is known to the server under.
func (e Event) ours(users []string) bool {
	return strings.HasPrefix(e.ID, Prefix) || strings.HasPrefix(e.Agent, "fairway/") || slices.Contains(users, e.User.Username)
}

// preconditioned reports whether a deletion is bound to one version of one object.
func (e Event) preconditioned() bool {
	var body struct {
		Preconditions struct{ UID, ResourceVersion string }
	}
	err := json.Unmarshal(e.Body, &body)
	return err == nil && body.Preconditions.UID != "" && body.Preconditions.ResourceVersion != ""
}

// annotations are those of the object that was sent.
func (e Event) annotations() map[string]string {
	var body struct {
		Metadata struct{ Annotations map[string]string }
	}
	_ = json.Unmarshal(e.Body, &body) // what is no object has none
	return body.Metadata.Annotations
}

// events shows each completed request in a file of an API server's audit log.
// The last line may be half written.
func events(file string, visit func(Event)) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("read audit log %s, line %d: %w", file, n, err)
		}
		if e.Stage == "ResponseComplete" || e.Stage == "Panic" {
			visit(e)
		}
	}
}
