package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutantsFit: the text that each mutant takes out stands where it says,
// once. A guard that was rewritten takes its mutant along.
func TestMutantsFit(t *testing.T) {
	raw, err := os.ReadFile("mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < 20 {
		t.Errorf("only %d mutants were read", len(mutants))
	}
	for _, m := range mutants {
		file, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.rule, err)
			continue
		}
		if n := strings.Count(string(file), m.from); n != 1 {
			t.Errorf("%s: %q stands %d times in %s, want once", m.rule, m.from, n, m.file)
		}
		if _, err := os.Stat(filepath.Join("../..", m.pkg)); err != nil {
			t.Errorf("%s: %v", m.rule, err)
		}
	}
}

// TestPattern: cases are told to go test level by level.
func TestPattern(t *testing.T) {
	for names, want := range map[string]string{
		"TestA": "^TestA$", "TestA/b/c": "^TestA$/^b$/^c$", "TestA|TestB": "^(TestA|TestB)$", "TestA/b|TestC": "^(TestA|TestC)$",
	} {
		if got := pattern(names); got != want {
			t.Errorf("%s: %s, want %s", names, got, want)
		}
	}
}

// TestRecall: a run that goes on keeps what the table says of the mutants before it, and
// does not begin where the table says nothing.
func TestRecall(t *testing.T) {
	mutants := []mutant{
		{rule: "A", guard: "one", file: "a.go", test: "TestA", killed: true},
		{rule: "A", guard: "two", file: "a.go", test: "TestB"},
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+tableBegins+"\n"+tableEnds+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(page, table(mutants, 3)); err != nil {
		t.Fatal(err)
	}
	again := []mutant{mutants[0], mutants[1]}
	again[0].killed, again[1].killed = false, true
	if err := recall(page, again); err != nil || !again[0].killed || again[1].killed {
		t.Errorf("recalled %v, %v", again, err)
	}
	if err := recall(page, []mutant{{rule: "A", guard: "three", file: "a.go"}}); err == nil || !strings.Contains(err.Error(), "-from 1") {
		t.Errorf("a mutant that the table does not have: %v", err)
	}
}
