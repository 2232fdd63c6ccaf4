package worker

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
)

// session is the CUE side of a worker: the platform compiled once, against
// which declarations and units are evaluated one after the other.
type session struct {
	ctx      *cue.Context
	builder  *build.Context
	files    map[string]string
	packages map[string]*build.Instance
	values   map[string]cue.Value
	units    map[string]cue.Value
	loading  []string
	// data are encoded inputs that many units share, by their JSON.
	data map[string]cue.Value
	// policies are compiled policies, by where they stand and their text.
	policies map[string]*policy
	// verdicts are what came of rules, by what they looked at.
	verdicts map[string]verdict
}

func newSession(files map[string]string) *session {
	s := &session{
		ctx: cuecontext.New(), files: files,
		packages: map[string]*build.Instance{}, values: map[string]cue.Value{}, units: map[string]cue.Value{},
		data: map[string]cue.Value{}, policies: map[string]*policy{}, verdicts: map[string]verdict{},
	}
	s.builder = build.NewContext()
	return s
}

// load is CUE's hook for imports. Nil means a package of CUE's own.
func (s *session) load(pos token.Pos, importPath string) *build.Instance {
	dir, ours := syntax.DirOf(importPath)
	if !ours {
		if importPath == "tool" || strings.HasPrefix(importPath, "tool/") {
			return s.refuse(pos, importPath, "import of %q: declarations run nothing, so there are no tools", importPath)
		}
		if strings.Contains(strings.SplitN(importPath, "/", 2)[0], ".") {
			return s.refuse(pos, importPath, "import of %q: only packages of this repository and of CUE itself can be imported", importPath)
		}
		return nil
	}
	if !protocol.Importable(dir) {
		return s.refuse(pos, importPath, "import of %q: only schema and platform packages can be imported", importPath)
	}
	if inst, ok := s.packages[dir]; ok {
		return inst
	}
	if slices.Contains(s.loading, dir) {
		return s.refuse(pos, importPath, "import cycle: %s", strings.Join(append(s.loading, dir), " -> "))
	}
	s.loading = append(s.loading, dir)
	defer func() { s.loading = s.loading[:len(s.loading)-1] }()
	inst := s.instance(dir, s.filesIn(dir), path.Base(dir))
	if len(inst.Files) == 0 && inst.Err == nil {
		return s.refuse(pos, importPath, "import of %q: there is no such package", importPath)
	}
	s.packages[dir] = inst
	return inst
}

func (s *session) refuse(pos token.Pos, importPath, format string, args ...any) *build.Instance {
	inst := s.builder.NewInstance(importPath, s.load)
	inst.Err = syntax.Errorf(pos, format, args...)
	return inst
}

func (s *session) filesIn(dir string) map[string]string {
	out := map[string]string{}
	for name, text := range s.files {
		if path.Dir(name) == dir && strings.HasSuffix(name, ".cue") {
			out[path.Base(name)] = text
		}
	}
	return out
}

// instance parses files into one CUE instance. Mistakes in them are in its Err.
func (s *session) instance(dir string, files map[string]string, pkg string) *build.Instance {
	inst := s.builder.NewInstance(dir, s.load)
	inst.ImportPath = syntax.Module + "/" + dir
	inst.Module = syntax.Module + "@v0"
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		file, err := parser.ParseFile(path.Join(dir, name), files[name], parser.ParseComments)
		if err == nil {
			err = syntax.Check(file, pkg)
		}
		if err != nil {
			inst.ReportError(errors.Promote(err, ""))
			continue
		}
		if pkg == "" {
			pkg = file.PackageName()
		}
		if err := inst.AddSyntax(file); err != nil {
			inst.ReportError(err)
		}
	}
	inst.PkgName = pkg
	if inst.Err == nil {
		_ = inst.Complete() // the error is kept in inst.Err
	}
	return inst
}

// value builds a package of the platform, once.
func (s *session) value(dir string) (cue.Value, error) {
	if v, ok := s.values[dir]; ok {
		return v, v.Err()
	}
	inst := s.load(token.NoPos, syntax.Module+"/"+dir)
	if inst.Err != nil {
		return cue.Value{}, inst.Err
	}
	v := s.ctx.BuildInstance(inst)
	s.values[dir] = v
	return v, v.Err()
}

// unit returns the #Unit definition of a package.
func (s *session) unit(dir string) (cue.Value, error) {
	if v, ok := s.units[dir]; ok {
		return v, nil
	}
	pkg, err := s.value(dir)
	if err != nil {
		return cue.Value{}, err
	}
	def := pkg.LookupPath(cue.MakePath(cue.Def("#Unit")))
	if !def.Exists() {
		return cue.Value{}, fmt.Errorf("package %s has no #Unit", dir)
	}
	s.units[dir] = def
	return def, nil
}
