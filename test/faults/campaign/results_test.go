package campaign_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/test/faults/campaign"
)

func table() []campaign.Fault {
	f := campaign.Fault{ID: "F1", What: "killed", Sample: 6}
	for step := range 3 {
		for i := range 5 {
			f.Cases = append(f.Cases, campaign.Case{Fault: "F1", Name: fmt.Sprintf("step %d case %d", step, i), Step: step})
		}
	}
	return []campaign.Fault{f}
}

// A campaign that is interrupted goes on with what is left, also when the last
// line was torn; outcomes of another build count for nothing.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	first, err := campaign.OpenResults(path, "build")
	if err != nil {
		t.Fatal(err)
	}
	cases := table()[0].Cases
	for i, o := range []campaign.Outcome{{Tried: true, Converged: time.Second}, {Tried: false}, {Tried: true, Diverged: []string{"it is gone"}, Converged: 2 * time.Second}} {
		o.Fault, o.Name = "F1", cases[i].Name
		if err := first.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"engine":"build","fault":"F1","case":"` + cases[4].Name); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for engine, want := range map[string]int{"build": 12, "another": 15} {
		again, err := campaign.OpenResults(path, engine)
		if err != nil {
			t.Fatal(err)
		}
		if left := again.Left(cases, false); len(left) != want {
			t.Errorf("%d cases are left for the build %q, want %d", len(left), engine, want)
		}
	}
	if left := first.Left(cases, true); len(left) != 13 {
		t.Errorf("%d cases are left with those that diverged, want 13", len(left))
	}
	text := first.Markdown(first.Rows(table()))
	for _, want := range []string{"| F1 | killed | 15 | 2 | 1 | 1 |", "- **F1** step 0 case 2: it is gone", "99 of 100 within 2s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "3/n") {
		t.Errorf("a bound is claimed though something diverged:\n%s", text)
	}
}

// The sample is spread over the steps, and the same for a seed.
func TestPick(t *testing.T) {
	name := func(cases []campaign.Case) (out []string) {
		for _, c := range cases {
			out = append(out, c.Name)
		}
		return out
	}
	a, b := campaign.Pick(table(), 7, 1), campaign.Pick(table(), 7, 1)
	if fmt.Sprint(name(a)) != fmt.Sprint(name(b)) {
		t.Errorf("one seed gave %v and %v", name(a), name(b))
	}
	if fmt.Sprint(name(a)) == fmt.Sprint(name(campaign.Pick(table(), 8, 1))) {
		t.Error("two seeds gave the same sample")
	}
	steps, seen := map[int]int{}, map[string]bool{}
	for _, c := range a {
		steps[c.Step]++
		seen[c.Name] = true
	}
	if len(a) != 6 || len(seen) != 6 || steps[0] != 2 || steps[1] != 2 || steps[2] != 2 {
		t.Errorf("picked %v, want two of each step", name(a))
	}
	if all := campaign.Pick(table(), 7, 100); len(all) != 15 {
		t.Errorf("a large part picks %d cases, want all 15", len(all))
	}
	if _, err := campaign.Cases(table(), "F9"); err == nil {
		t.Error("a fault that is not in the table was found")
	}
}

func TestInsert(t *testing.T) {
	doc := "a\n" + campaign.Begin + "\nold\n" + campaign.End + "\nb\n"
	got, err := campaign.Insert(doc, "new\n")
	if want := "a\n" + campaign.Begin + "\n\nnew\n\n" + campaign.End + "\nb\n"; err != nil || got != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	if _, err := campaign.Insert("nothing", "new"); err == nil {
		t.Error("a document without markers was written")
	}
}
