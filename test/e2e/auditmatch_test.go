package e2e_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/journal"
)

// logsSince copies what the API servers wrote after an instant, each into a
// file of its own.
func (w *world) logsSince(from instant) map[string]string {
	w.t.Helper()
	out, dir := map[string]string{}, w.t.TempDir()
	for name, p := range w.lab.planes {
		f, err := os.Open(p.AuditLog)
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Seek(from[name], io.SeekStart); err != nil {
			w.t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if err != nil {
			w.t.Fatal(err)
		}
		out[name] = filepath.Join(dir, name+".log")
		if err := os.WriteFile(out[name], data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// matched matches a journal with the API servers' logs since an instant, and
// fails for whatever does not match.
func (w *world) matched(data string, from instant) audit.Report {
	w.t.Helper()
	report, err := audit.Match(w.t.Context(), audit.Sources{
		Journal: filepath.Join(data, "journal.db"), Logs: w.logsSince(from), Users: []string{"fairway"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range report.Problems {
		w.t.Errorf("%s: %s: %s (%s)", p.Cluster, p.Request, p.What, p.ID)
	}
	w.t.Logf("%d records, %d plans, %d deeds; %d requests of which %d delete; %d told, %d unheard",
		report.Records, report.Plans, report.Deeds, report.Requests, report.Deletes, report.Told, report.Unheard)
	return report
}

// TestAuditMatches: whatever the daemon asked a cluster to change is in the
// journal with its reason, and whatever the journal tells is in the API
// server's log: through a first sync cut short by kills, an update, a change by
// hand and a removal. Nothing is deleted but by version, and each deletion's
// reason can be asked for.
func TestAuditMatches(t *testing.T) {
	w := newAlone(t, twenty)
	data, from := filepath.Join(t.TempDir(), "data"), w.lab.now(t)
	for range 6 {
		p := w.spawn(data)
		time.Sleep(time.Duration(rand.Int64N(int64(1200 * time.Millisecond)))) // the random moment is the test
		p.end(t, syscall.SIGKILL)
	}
	p := w.spawn(data)
	w.settled(w.head())
	if r := w.matched(data, from); r.Requests == 0 || r.Plans == 0 || r.Deeds == 0 {
		t.Errorf("nothing was matched: %+v", r)
	}

	space := w.space("team0", w.dev())
	w.alter("local", "Deployment", space, "svc00", "kubectl-scale", scaleTo(7))
	eventually(t, patience, "the change by hand is healed", func() string {
		if replicas(w.live("local", "Deployment", space, "svc00")) != 1 {
			return "it is as it was made by hand"
		}
		return ""
	})
	commit := w.push("svc13 changes, svc03 goes", w.web("team1", "svc13", `config: MODE: "strict"`).and(files{
		w.servicePath("team0", "svc03"): gone, w.releasePath(w.dev(), "team0", "svc03"): gone,
	}))
	w.hook(w.secret)
	w.settled(commit)
	w.quiet()
	object := "Deployment " + space + "/svc03"
	w.mustHaveReason(object, commit)
	p.end(t, syscall.SIGKILL)
	report := w.matched(data, from)
	if report.Deletes == 0 {
		t.Error("the removal deleted nothing")
	}
	w.mustNoticeForgery(data, from)
}

// mustHaveReason asks the API why an object was deleted.
func (w *world) mustHaveReason(object, commit string) {
	w.t.Helper()
	var list struct{ Items []journal.Record }
	if err := w.ask("/api/v1/records?"+url.Values{"object": {object}, "order": {"newest"}}.Encode(), &list); err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(list.Items, func(r journal.Record) bool { return r.Action == "prune" })
	if i < 0 {
		w.t.Fatalf("%s: no record of its deletion among %d", object, len(list.Items))
	}
	if r := list.Items[i]; !strings.Contains(r.Reason, "was removed from Git") || r.Revision != commit || r.PlanDigest == "" || len(r.Requests) != 1 {
		w.t.Errorf("%s was deleted for %q at %s, plan %s, by %v", object, r.Reason, r.Revision, r.PlanDigest, r.Requests)
	}
}

// mustNoticeForgery takes one line out of the log and one id out of it, and
// wants both noticed, by the command as well.
func (w *world) mustNoticeForgery(data string, from instant) {
	w.t.Helper()
	logs := w.logsSince(from)
	file := logs["local"]
	content, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	lines := slices.Collect(bytes.Lines(content))
	var ours []int
	for i, line := range lines {
		if bytes.Contains(line, []byte(`"verb":"patch"`)) && bytes.Contains(line, []byte(`"auditID":"`+audit.Prefix)) && bytes.Contains(line, []byte(`/svc13?`)) {
			ours = append(ours, i)
		}
	}
	last := ours[len(ours)-1]
	forged := bytes.Replace(lines[last], []byte(`"auditID":"`+audit.Prefix), []byte(`"auditID":"xx-`), 1)
	lines[last] = forged
	if err := os.WriteFile(file, bytes.Join(lines, nil), 0o600); err != nil {
		w.t.Fatal(err)
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		args = append(args, "--audit-log", name+"="+logs[name])
	}
	cmd := exec.CommandContext(context.Background(), reconciler(w.t), append([]string{"audit", "verify", "--journal", filepath.Join(data, "journal.db"), "--user", "fairway"}, args...)...)
	out, err := cmd.Output()
	text := string(out)
	if err == nil || !strings.Contains(text, "it carries no id of the journal's") || !strings.Contains(text, "the API server has no record of it") {
		w.t.Errorf("a forged log: %v, %s", err, text)
	}
}

// TestLeaseIsTakenDown: a daemon that holds a Lease explains each renewal by the
// one record it made when it took it.
func TestLeaseIsTakenDown(t *testing.T) {
	w := newAlone(t, inDevOnly)
	data, from := filepath.Join(t.TempDir(), "data"), w.lab.now(t)
	p := w.spawn(data, "--lease")
	w.synced(t)
	renewals := func() int {
		return len(slices.DeleteFunc(w.writes(from), func(r request) bool { return r.Object.Resource != "leases" }))
	}
	eventually(t, patience, "the Lease is renewed", func() string {
		if renewals() < 4 { // two clusters, taken and renewed
			return "not yet"
		}
		return ""
	})
	p.end(t, syscall.SIGTERM)
	w.matched(data, from)
}
