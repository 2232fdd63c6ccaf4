// Package test holds the tests that look at the house as a whole.
package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fairway-dev/fairway/"

// bands is the layering of ARCHITECTURE.md: a package imports packages of lower
// bands only. A package that is not in the table fails the test.
func bands() map[string]int {
	return map[string]int{
		"pkg/diag": 0, "pkg/object": 0, "pkg/git": 0, "pkg/cache": 0, "pkg/cache/record": 0, "pkg/eval/sandbox": 0, "pkg/signature": 0, "pkg/health": 0, "pkg/schedule": 0,
		"pkg/secret": 1, "pkg/diag/format": 1, "pkg/catalog": 1, "pkg/cluster": 1, "pkg/tenancy": 1, "pkg/wave": 1, "pkg/git/githttp": 1, "pkg/git/folder": 1, "pkg/git/compose": 1, "pkg/webhook": 1,
		"pkg/eval/protocol": 1, "pkg/forge": 1, "pkg/forge/rest": 1, "pkg/forge/gitea": 2, "pkg/forge/github": 2, "pkg/forge/gitlab": 2, "pkg/forge/connect": 3,
		"pkg/eval": 2, "pkg/eval/syntax": 2, "pkg/eval/explain": 3, "pkg/eval/manifest": 3, "pkg/eval/worker": 4,
		"pkg/capacity": 2, "pkg/policy": 2, "pkg/status": 2, "pkg/journal": 2, "pkg/owners": 2,
		"pkg/cluster/kube/internal/owned": 2, "pkg/cluster/kube/internal/inventory": 2, "pkg/cluster/kube": 3, "pkg/cluster/lease": 3,
		"pkg/audit": 3, "pkg/metrics": 3, "pkg/render": 3, "pkg/plan": 3, "pkg/preview": 3,
		"pkg/apply":      4,
		"pkg/review":     4,
		"pkg/fleet":      4,
		"pkg/reconcile":  5,
		"pkg/pulls":      6,
		"pkg/api":        7,
		"cmd/reconciler": 8,
	}
}

// only says which packages alone may import something from outside.
func only() map[string][]string {
	return map[string][]string{
		"cuelang.org/go":                            {"pkg/eval/syntax", "pkg/eval/explain", "pkg/eval/worker", "cmd/reconciler"},
		"k8s.io/client-go":                          {"pkg/cluster/kube", "pkg/cluster/kube/internal/owned", "pkg/cluster/kube/internal/inventory", "pkg/cluster/lease", "cmd/reconciler"},
		"github.com/go-git":                         {"pkg/git", "pkg/git/folder"},
		"github.com/argoproj/argo-cd/gitops-engine": {"pkg/wave", "pkg/cluster/kube"},
		"github.com/ProtonMail/go-crypto":           {"pkg/signature"},
		"filippo.io/age":                            {"pkg/secret"},
		"modernc.org/sqlite":                        {"pkg/journal"},
		"github.com/spf13/cobra":                    {"cmd/reconciler"},
		"github.com/google/cel-go":                  {"pkg/health"},
		"helm.sh/helm":                              {"pkg/eval/manifest"},
		"sigs.k8s.io/kustomize":                     {"pkg/eval/manifest"},
	}
}

func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./pkg/...", "./cmd/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		found[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	return found
}

func TestImportsGoDownOnly(t *testing.T) {
	table := bands()
	for pkg, imported := range imports(t) {
		band, ok := table[pkg]
		if !ok {
			t.Errorf("package %s is in no band: give it one here and in ARCHITECTURE.md", pkg)
			continue
		}
		for _, i := range imported {
			i, ours := strings.CutPrefix(i, module)
			if ours && table[i] >= band {
				t.Errorf("%s (band %d) imports %s (band %d)", pkg, band, i, table[i])
			}
		}
	}
}

func TestOutsideIsWrapped(t *testing.T) {
	for pkg, imported := range imports(t) {
		for _, i := range imported {
			for outside, may := range only() {
				if (i == outside || strings.HasPrefix(i, outside+"/")) && !slices.Contains(may, pkg) {
					t.Errorf("%s imports %s, which only %v may", pkg, i, may)
				}
			}
		}
	}
}

// TestOnlyWorkersEvaluate holds that the asking side of evaluation does not link
// CUE, so that nothing of the engine can evaluate within its own process.
func TestOnlyWorkersEvaluate(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./pkg/reconcile", "./pkg/api")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.HasPrefix(pkg, "cuelang.org/go/") {
			t.Errorf("the engine links %s", strings.TrimSpace(pkg))
		}
	}
}

// TestOneDeleteGate holds that one function asks a cluster to delete: the gate
// in apply. Everything else that deletes is a map, a file or a cache.
func TestOneDeleteGate(t *testing.T) {
	var callers []string
	walkGo(t, func(file string, f *ast.File) {
		if strings.HasPrefix(file, "pkg/cluster/kube/") || !strings.HasPrefix(file, "pkg/") && !strings.HasPrefix(file, "cmd/") {
			return
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Delete" && len(call.Args) == 4 {
					callers = append(callers, file+" "+fn.Name.Name)
				}
				return true
			})
		}
	})
	// The second hands on what the first asked for, in the name of the unit's team.
	if want := []string{"pkg/apply/gate.go deleteGate", "pkg/reconcile/acting.go Delete"}; !slices.Equal(callers, want) {
		t.Errorf("a cluster's Delete is called from %v; want %v alone", callers, want)
	}
}

// TestNoGlobals holds that packages have no init and no variables that could change.
func TestNoGlobals(t *testing.T) {
	walkGo(t, func(file string, f *ast.File) {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					t.Errorf("%s has an init", file)
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						if name.Name != "_" && !strings.HasPrefix(strings.ToLower(name.Name), "err") {
							t.Errorf("%s has the package variable %s", file, name.Name)
						}
					}
				}
			}
		}
	})
}

// TestNamesSaySomething refuses packages that could hold anything.
func TestNamesSaySomething(t *testing.T) {
	for pkg := range imports(t) {
		if slices.Contains([]string{"util", "utils", "common", "types", "errors", "helpers", "misc"}, filepath.Base(pkg)) {
			t.Errorf("package %s: the name does not say what it is for", pkg)
		}
	}
}

func walkGo(t *testing.T, visit func(file string, f *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	for _, root := range []string{"pkg", "cmd"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			visit(strings.TrimPrefix(filepath.ToSlash(p), "../"), f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
