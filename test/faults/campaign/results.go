package campaign

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Results are the outcomes of a campaign, a line of JSON each in a file, so
// that one that was interrupted goes on where it was.
type Results struct {
	mu       sync.Mutex
	file     *os.File
	engine   string
	outcomes map[string]Outcome // by fault and case
}

// stored is an outcome with the build it is about.
type stored struct {
	Engine string `json:"engine"`
	Outcome
}

// OpenResults opens a file of results, or makes it. Outcomes of other builds
// than the engine's stay in the file and count for nothing.
func OpenResults(path, engine string) (*Results, error) {
	r := &Results{engine: engine, outcomes: map[string]Outcome{}}
	old, err := os.Open(path)
	if err == nil {
		defer old.Close()
		lines := bufio.NewScanner(old)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var s stored
			if json.Unmarshal(lines.Bytes(), &s) == nil && s.Engine == engine { // a torn last line counts for nothing
				r.outcomes[s.Fault+" "+s.Name] = s.Outcome
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open results: %w", err)
	}
	if r.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	return r, nil
}

// Add keeps an outcome.
func (r *Results) Add(o Outcome) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	line, err := json.Marshal(stored{r.engine, o})
	if err != nil {
		return err
	}
	r.outcomes[o.Fault+" "+o.Name] = o
	if _, err := r.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("keep outcome: %w", err)
	}
	return nil
}

// Left are the cases that have no outcome yet. Those that diverged are tried
// again, when again is set.
func (r *Results) Left(cases []Case, again bool) []Case {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(cases), func(c Case) bool {
		o, done := r.outcomes[c.Fault+" "+c.Name]
		return done && !(again && len(o.Diverged) > 0)
	})
}

// Row is what came of one fault.
type Row struct {
	ID, What string
	// Cases is how many there are; Tried how many happened; NoMoment how many did
	// not because the moment for them never came.
	Cases, Tried, NoMoment, Survived int
	Diverged                         []Outcome
	Slowest                          time.Duration
	Kills, Deletes                   int
}

// Rows are the table, filled in.
func (r *Results) Rows(table []Fault) []Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Row
	for _, f := range table {
		row := Row{ID: f.ID, What: f.What, Cases: len(f.Cases)}
		for _, c := range f.Cases {
			o, done := r.outcomes[c.Fault+" "+c.Name]
			switch {
			case !done:
				continue
			case !o.Tried:
				row.NoMoment++
			default:
				row.Tried++
				row.Kills, row.Deletes = row.Kills+o.Kills, row.Deletes+o.Deletes
				row.Slowest = max(row.Slowest, o.Converged)
			}
			if len(o.Diverged) > 0 {
				row.Diverged = append(row.Diverged, o)
			} else if o.Tried {
				row.Survived++
			}
		}
		out = append(out, row)
	}
	return out
}

// Percentile is how long so many per cent of the cases took at most from the
// end of their fault until everything was as it should be.
func (r *Results) Percentile(p int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for _, o := range r.outcomes {
		if o.Tried {
			all = append(all, o.Converged)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}

// Markdown writes rows as a table, with the bound that they allow.
func (r *Results) Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("| fault | | cases | tried | survived | divergences | kills | deletions seen | slowest to converge |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	var sum Row
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d | %s |\n", row.ID, row.What, row.Cases, row.Tried, row.Survived, len(row.Diverged), row.Kills, row.Deletes,
			row.Slowest.Round(100*time.Millisecond))
		sum.Cases, sum.Tried, sum.Survived = sum.Cases+row.Cases, sum.Tried+row.Tried, sum.Survived+row.Survived
		sum.Kills, sum.Deletes, sum.Slowest = sum.Kills+row.Kills, sum.Deletes+row.Deletes, max(sum.Slowest, row.Slowest)
		sum.Diverged = append(sum.Diverged, row.Diverged...)
	}
	fmt.Fprintf(&b, "| **all** | | %d | %d | %d | %d | %d | %d | %s |\n\n", sum.Cases, sum.Tried, sum.Survived, len(sum.Diverged), sum.Kills, sum.Deletes, sum.Slowest.Round(100*time.Millisecond))
	fmt.Fprintf(&b, "Half of the cases converged within %s after their fault ended, 99 of 100 within %s.\n", r.Percentile(50).Round(10*time.Millisecond), r.Percentile(99).Round(10*time.Millisecond))
	if sum.Tried > 0 && len(sum.Diverged) == 0 {
		fmt.Fprintf(&b, "With no divergence in %d trials, the rate of divergences is below 3/n = %.2f %% with 95 %% confidence.\n", sum.Tried, 300/float64(sum.Tried))
	}
	if sum.Tried < sum.Cases {
		fmt.Fprintf(&b, "Cases that were not tried had no moment to happen in (writes that were combined in that run), or are still to be run.\n")
	}
	for _, o := range sum.Diverged {
		fmt.Fprintf(&b, "\n- **%s** %s: %s\n", o.Fault, o.Name, strings.ReplaceAll(o.Diverged[0], "\n", " "))
	}
	return b.String()
}

// The lines between which a document has the table.
const (
	Begin = "<!-- campaign: begin, written by make faults-full -->"
	End   = "<!-- campaign: end -->"
)

// Insert puts a text between the markers of a document.
func Insert(document, text string) (string, error) {
	head, rest, ok := strings.Cut(document, Begin)
	_, tail, ok2 := strings.Cut(rest, End)
	if !ok || !ok2 {
		return "", fmt.Errorf("the document has no lines %q and %q", Begin, End)
	}
	return head + Begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + End + tail, nil
}
