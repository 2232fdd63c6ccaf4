package syntax_test

import (
	"strings"
	"testing"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/parser"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
)

// FuzzFile reads any text as a team's file: what stands in it is found without a
// panic, and every place that is told of is a place in the file.
func FuzzFile(f *testing.F) {
	f.Add("package a\n\nimport \"fairway.dev/platform/paths/web\"\n\nweb.#Service & {name: \"a\", http: port: 80}\n")
	f.Add("package a\n\nx: {y: [1, {z: 2}]} & ({a: 1})\n\"q.r\": 1\n_h: 2\n#D: {...}\n")
	f.Add("package a\n@if(x)\n\na: 1 @tag(b)\n")
	f.Add("a: [for x in [1, 2] if x > 1 {x}]\n\"\\(b)\": 3\n(c): 4\n[string]: 5\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parser.ParseFile("a.cue", text, parser.ParseComments)
		if err != nil {
			return
		}
		_ = syntax.Check(file, "a")
		files := []*ast.File{file}
		syntax.OnlyField(files, "x")
		syntax.PathOf(files)
		inst := build.NewContext().NewInstance("a", nil)
		inst.Files = files
		syntax.Imports(inst)
		lines := strings.Count(text, "\n") + 1
		positions := syntax.Positions(files, "")
		if len(positions) > protocol.MaxPositions+1 {
			t.Errorf("%d positions", len(positions))
		}
		for field, pos := range positions {
			if strings.Count(field, ".") > protocol.MaxPath {
				t.Errorf("a path of %d bytes", len(field))
			}
			if pos.Line > lines {
				t.Errorf("%s stands at line %d of %d", field, pos.Line, lines)
			}
		}
	})
}
