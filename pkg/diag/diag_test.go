package diag_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/diag"
)

func TestNearest(t *testing.T) {
	names := []string{"cart", "checkout", "orders", "payment-gateway"}
	for name, want := range map[string]string{
		"chekout": "checkout", "checkuot": "checkout", "carts": "cart", "order": "orders", "payment-gatway": "payment-gateway",
		"zebra": "", "": "", "ca": "", "checkout": "checkout",
	} {
		if got := diag.Nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := diag.Nearest("x", nil); got != "" {
		t.Errorf("among none: got %q", got)
	}
}

func TestSorted(t *testing.T) {
	at := func(file string, line, column int, message string) diag.Diag {
		return diag.Diag{Severity: diag.Error, Pos: diag.Position{File: file, Line: line, Column: column}, Message: message}
	}
	list := diag.List{at("b", 1, 1, "x"), at("a", 10, 1, "x"), at("a", 9, 2, "x"), at("a", 9, 1, "y"), at("a", 9, 1, "x"), at("a", 10, 1, "x")}
	first := list[0]
	want := diag.List{at("a", 9, 1, "x"), at("a", 9, 1, "y"), at("a", 9, 2, "x"), at("a", 10, 1, "x"), at("b", 1, 1, "x")}
	if diff := cmp.Diff(want, list.Sorted()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if list[0].Pos != first.Pos {
		t.Error("the receiver was changed")
	}
}

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"f.cue:3:9": diag.Position{File: "f.cue", Line: 3, Column: 9}.String(), "f.cue:3": diag.Position{File: "f.cue", Line: 3}.String(),
		"f.cue": diag.Position{File: "f.cue"}.String(), "the repository": diag.Subject{}.String(), "team shop": diag.Subject{Team: "shop"}.String(),
		"service checkout, environment prod": diag.Subject{Team: "shop", Service: "checkout", Environment: "prod"}.String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	list := diag.List{{Severity: diag.Warning}}
	if errors, warnings := list.Count(); errors != 0 || warnings != 1 || list.Errors() || (diag.List)(nil).Errors() {
		t.Errorf("a warning: got %d errors, %d warnings, %v", errors, warnings, list.Errors())
	}
}
