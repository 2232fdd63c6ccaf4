package eval_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

// TestHostile shows what becomes of what teams might try: to read what is not
// theirs, to weaken what is written against, to depend on anything but their
// files, to leave open what they mean. Each is refused at a place in a file of
// theirs, or is harmless, and then it is shown what is taken of it.
func TestHostile(t *testing.T) {
	const file = "testdata/hostile.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	e := &eval.Evaluator{Pool: pool, Engine: "test"}
	plain := taken(t, evaluated(t, e, map[string]string{"teams/shop/basket/service.cue": service + "}\n"}))
	files := map[string]string{}
	for i := range archive.Files {
		f := &archive.Files[i]
		name, path, _ := strings.Cut(f.Name, "/")
		if path != "want" {
			files[path] = string(f.Data)
			continue
		}
		given := files
		files = map[string]string{}
		t.Run(name, func(t *testing.T) {
			got := judged(t, e, given, plain)
			if *update {
				f.Data = []byte(got)
				return
			}
			if diff := cmp.Diff(string(f.Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// judged is what a team is told, or what its service is taken for beside the plain one.
func judged(t *testing.T, e *eval.Evaluator, files map[string]string, plain map[string]any) string {
	t.Helper()
	st := evaluated(t, e, files)
	if told := told(t, st, files); told != "" {
		return told
	}
	got := taken(t, st)
	var differs []string
	for _, field := range slices.Sorted(maps.Keys(got)) {
		if field != "description" && !cmp.Equal(got[field], plain[field]) {
			text, err := json.Marshal(got[field])
			if err != nil {
				t.Fatal(err)
			}
			differs = append(differs, fmt.Sprintf("%s: %s", field, text))
		}
	}
	if len(differs) == 0 {
		return "taken as if it were not there\n"
	}
	return "taken, with " + strings.Join(differs, ", ") + "\n"
}

// taken is what the service is taken for.
func taken(t *testing.T, st *eval.State) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(st.Catalog.Services["basket"].Data, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// TestOddEntries: what is no ordinary file of ordinary size is not read, whatever
// it leads to.
func TestOddEntries(t *testing.T) {
	pool := eval.NewPool("", 1)
	defer pool.Close()
	e := &eval.Evaluator{Pool: pool, Engine: "test"}
	const service = "teams/shop/basket/service.cue"
	for name, test := range map[string]struct {
		put  func(t *testing.T, dir string)
		want string
	}{
		"link to a file": {func(t *testing.T, dir string) { symlink(t, "/etc/hostname", filepath.Join(dir, service)) }, "is a symlink"},
		"link to another team": {func(t *testing.T, dir string) {
			symlink(t, "../../pay/ledger/service.cue", filepath.Join(dir, service))
		}, "is a symlink"},
		"link to a device": {func(t *testing.T, dir string) { symlink(t, "/dev/zero", filepath.Join(dir, service)) }, "is a symlink"},
		"large": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, service), strings.Repeat("// x\n", 300_000))
		}, "larger than 1 MiB"},
		"large together": {func(t *testing.T, dir string) {
			for i := range 3 {
				write(t, filepath.Join(dir, fmt.Sprintf("teams/shop/basket/%d.cue", i)), "package basket\n"+strings.Repeat("// x\n", 100_000))
			}
		}, "larger than 1024 KiB together"},
		"not UTF-8":      {func(t *testing.T, dir string) { write(t, filepath.Join(dir, service), "package basket\n// \xff\xfe\n") }, "not valid UTF-8"},
		"large as data":  {func(t *testing.T, dir string) { write(t, filepath.Join(dir, service), swelling()) }, "comes to more than 1024 KiB"},
		"many mistakes":  {func(t *testing.T, dir string) { write(t, filepath.Join(dir, service), mistakes(500)) }, "more mistakes"},
		"a long mistake": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, service), longMistake()) }, " ... "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyPlatform(t, dir)
			write(t, filepath.Join(dir, "teams/pay/ledger/service.cue"), "package ledger\n")
			test.put(t, dir)
			tree, err := folder.Open(dir, folder.Options{Roots: eval.Roots()})
			if err != nil {
				t.Fatal(err)
			}
			st := eval.NewState()
			if _, err := e.Advance(context.Background(), st, tree, nil); err != nil {
				t.Fatal(err)
			}
			size, found := 0, false
			for _, d := range st.Diags() {
				size += len(d.Message)
				found = found || strings.Contains(d.Message, test.want) && strings.HasPrefix(d.Pos.File, "teams/shop/basket")
			}
			if !found || size > 200_000 {
				t.Errorf("%d bytes of diagnostics, and none says %q: %.600v", size, test.want, st.Diags())
			}
		})
	}
}

const service = "package basket\n\nimport \"fairway.dev/platform/paths/web\"\n\nweb.#Service & {\n\tname: \"basket\"\n\tdescription: \"Keeps what is bought.\"\n\timage: \"registry.example.com/shop/basket\"\n\thttp: port: 8080\n"

// swelling is a small text of large data.
func swelling() string {
	return strings.Replace(service, "web\"\n", "web\"\nimport \"strings\"\n", 1) + "\tconfig: {for i in [1, 2, 3, 4, 5, 6, 7, 8, 9] {\"V\\(i)\": strings.Repeat(\"x\", 200000)}}\n}\n"
}

func mistakes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\tno%d: 1\n", i)
	}
	return service + b.String() + "}\n"
}

func longMistake() string { return service + "\tscale: \"" + strings.Repeat("x", 500_000) + "\"\n}\n" }

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}
