package eval

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// bomb is a text of a team that cannot be evaluated, or could not be.
type bomb struct {
	name, imports, body string
	heavy               bool // it uses its budget up
}

// bombs are small texts of every kind that is known to make CUE work for long,
// to fill memory, or to go deep.
func bombs() []bomb {
	return []bomb{
		{name: "product of disjunctions", body: "x: " + strings.Join(times(14, func(i int) string { return fmt.Sprintf("({a%d: 1} | {a%d: 2, b%d: 3})", i, i, i) }), " & "), heavy: true},
		{name: "lists of lists", body: "_a0: [\"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\"]\n" + strings.Join(times(8, func(i int) string {
			return fmt.Sprintf("_a%d: [%s]", i+1, strings.Join(times(10, func(int) string { return fmt.Sprintf("_a%d", i) }), ", "))
		}), "\n") + "\nx: _a8", heavy: true},
		{name: "three loops", body: "_l: list.Range(0, 300, 1)\nx: {for a in _l for b in _l for c in _l {\"\\(a)-\\(b)-\\(c)\": 1}}", heavy: true},
		{name: "loops without a result", body: "_l: list.Range(0, 3000, 1)\nx: [for a in _l for b in _l for c in _l if a+b+c < 0 {a}]", heavy: true},
		{name: "long list", body: "x: list.Range(0, 100000000, 1)", heavy: true},
		{name: "doubled text", body: doubling(30), heavy: true},
		{name: "shifted number", imports: "\"math/bits\"", body: "x: bits.Lsh(1, 4000000000)"},
		{name: "repeated text", body: "x: strings.Repeat(\"ha\", 2000000000)"},
		{name: "repeated list", body: "x: list.Repeat([1, 2, 3], 300000000)", heavy: true},
		{name: "power", imports: "\"math\"", body: "x: math.Pow(10, 100000000)"},
		{name: "long exponent", body: "x: 1e999999999"},
		{name: "power of a power", imports: "\"math\"", body: "x: math.Pow(math.Pow(9, 9999), 9999)"},
		{name: "aliases of YAML", imports: "\"encoding/yaml\"", body: "x: yaml.Unmarshal(\"\"\"\n\ta: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + strings.Join(times(8, func(i int) string {
			return fmt.Sprintf("\t%c: &%c [%s]", 'b'+i, 'b'+i, strings.Join(times(9, func(int) string { return fmt.Sprintf("*%c", 'a'+i) }), ", "))
		}), "\n") + "\n\t\"\"\")"},
		{name: "nested JSON", imports: "\"encoding/json\"", body: "x: json.Unmarshal(strings.Repeat(\"[\", 200000))"},
		{name: "endless template", imports: "\"text/template\"", body: "x: template.Execute(\"{{define \\\"a\\\"}}{{template \\\"a\\\"}}{{end}}{{template \\\"a\\\"}}\", {})", heavy: true},
		{name: "expression that backtracks elsewhere", body: "x: strings.Repeat(\"a\", 100000) & =~\"^(a+)+$\""},
		{name: "nested parentheses", body: "x: " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000)},
		{name: "nested lists", body: "x: " + strings.Repeat("[", 100000) + strings.Repeat("]", 100000)},
		{name: "nested groups", body: "x: " + strings.Repeat("{a: ", 100000) + "1" + strings.Repeat("}", 100000)},
		{name: "nested below what is refused", body: "x: " + strings.Repeat("{a: ", 5000) + "1" + strings.Repeat("}", 5000)},
		{name: "long sum", body: "x: 1" + strings.Repeat("+1", 200000)},
		{name: "many signs", body: "x: " + strings.Repeat("!", 100000) + "true"},
		{name: "group in itself", body: "x: a: x"},
		{name: "definition in itself", body: "#L: {next: #L}\nx: #L"},
		{name: "list of itself", body: "x: [for i in x {i}, 1]"},
		{name: "growing in itself", body: "#G: {n: int, next: #G & {n: 2}}\nx: #G & {n: 1}"},
		{name: "many fields", body: strings.Join(times(60000, func(i int) string { return fmt.Sprintf("_f%d: %d", i, i) }), "\n") + "\nx: 1", heavy: true},
		{name: "chain of references", body: "_c0: 1\n" + strings.Join(times(20000, func(i int) string { return fmt.Sprintf("_c%d: _c%d + 1", i+1, i) }), "\n") + "\nx: _c20000", heavy: true},
		{name: "pattern of everything", body: "x: {[=~\".*\"]: {[=~\".*\"]: {[string]: {...}}}} & {a: b: c: d: 1}"},
	}
}

func times(n int, f func(i int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

// TestBombCorpus sets off one bomb after the other. Each ends within the budget,
// by an answer or by the kernel; the engine's own memory does not grow with what
// its workers do; and the next question is answered.
func TestBombCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as evaluations may")
	}
	p := pool(t, 1)
	good(t, p)
	before := resident(t)
	for _, b := range bombs() {
		if b.heavy && os.Getenv("FAIRWAY_BOMBS") == "" && b.name != "product of disjunctions" && b.name != "repeated list" {
			continue // each takes 8 s of processor time; TestBombs has two of them
		}
		t.Run(b.name, func(t *testing.T) {
			start, used := time.Now(), children()
			imports := "import \"list\"\nimport \"strings\"\n"
			if b.imports != "" {
				imports += "import " + b.imports + "\n"
			}
			text := "package team\n\n" + imports + "\nname: \"a\"\n_use: [list.Max, strings.ToLower]\n" + b.body + "\n"
			a := ask(t, p, protocol.Question{Declare: &protocol.Declare{Kind: protocol.Team, Dir: "teams/a", Files: map[string]string{"team.cue": text}}})
			said := fmt.Sprintf("%d bytes", len(a.Data))
			if len(a.Faults) > 0 {
				said = a.Faults[0].Message
			}
			spent := children() - used
			t.Logf("%s, processor %s: %.120s", time.Since(start).Round(time.Millisecond), spent.Round(time.Millisecond), said)
			if spent > protocol.CPULimit*11/10+time.Second { // beside the bomb, what the worker did before
				t.Errorf("it used %s of processor time", spent)
			}
			good(t, p)
		})
	}
	if peak := peakOfChildren(); peak > protocol.MemoryLimit*11/10 {
		t.Errorf("a worker had %d MiB", peak>>20)
	}
	if grown := resident(t) - before; grown > 32<<20 {
		t.Errorf("the engine's process grew by %d MiB", grown>>20)
	}
}

// children is the processor time of the workers that have ended.
func children() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func peakOfChildren() int64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r)
	return r.Maxrss << 10
}

// resident is how much memory this process has.
func resident(t *testing.T) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
