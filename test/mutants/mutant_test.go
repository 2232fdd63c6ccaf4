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
