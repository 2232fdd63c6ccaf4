package e2e_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// TestBadInput pushes, in one commit, everything that should not be pushed, and
// one honest change. Each bad service is held with words that say why; the
// honest one goes live; the daemon lives and stays small.
func TestBadInput(t *testing.T) {
	w := newAlone(t, shopAndPay)
	w.run()
	bad := map[string]string{ // service: a part of its message
		"broken": "expected", "link": "link", "huge": "larger than 1 MiB", "garbled": "UTF-8", "panicky": "",
	}
	edits := w.web("money", "pay", `config: MODE: "honest"`).and(files{
		w.servicePath("shop", "broken"):  "package service\n\nimport \"fairway.dev/platform/paths/web\"\n\nweb.#Service & {\n",
		w.servicePath("shop", "huge"):    "package service\n" + strings.Repeat("// "+strings.Repeat("x", 97)+"\n", 100_000),
		w.servicePath("shop", "garbled"): "package service\n\nname: \"\xff\xfe\"\n",
		w.servicePath("shop", "panicky"): strings.Repeat("{", 100_000),
	})
	hazards, err := filepath.Glob("testdata/hazards/*.cue")
	if err != nil || len(hazards) < 5 {
		t.Fatalf("hazards: %v, %v; want 5 at least", hazards, err)
	}
	for _, file := range hazards {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".cue")
		edits[w.servicePath("shop", name)] = string(raw)
		bad[name] = ""
	}
	for name := range bad {
		edits.and(w.release(w.dev(), "shop", name, "1.0.0"))
	}
	link := filepath.Join(w.clone, w.servicePath("shop", "link"))
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../../../../../../../etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	commit := w.push("all that is bad", edits)
	eventually(t, 2*patience, "the honest change is live", func() string {
		if got := w.mode("prod-eu", w.prod()); got != "honest" {
			return "pay runs with " + got
		}
		return ""
	})
	var held []string
	for name, part := range bad {
		u := w.waitSync(w.inDev(name), status.Held)
		held = append(held, w.inDev(name))
		t.Log(u.Message)
		if u.Reason != plan.HoldInvalid || !strings.HasPrefix(u.Message, "teams/"+w.team("shop")+"/"+name+"/service.cue") || !strings.Contains(u.Message, part) {
			t.Errorf("%s, want held for %s in its own file, saying %q", describe(u), plan.HoldInvalid, part)
		}
		if strings.Contains(u.Message, "root:") {
			t.Errorf("%s tells of a file that is not in the repository", u.Message)
		}
	}
	w.settled(commit, held...)
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the daemon grew by %d MiB, want 64 at most", grown>>20)
	}
}
