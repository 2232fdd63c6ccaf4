package eval

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// module is the import path of the repository's root.
const module = "fairway.dev"

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
}

func newSession(files map[string]string) *session {
	s := &session{
		ctx: cuecontext.New(), files: files,
		packages: map[string]*build.Instance{}, values: map[string]cue.Value{}, units: map[string]cue.Value{},
		data: map[string]cue.Value{},
	}
	s.builder = build.NewContext()
	return s
}

// dirOf maps an import path of this module to its folder. Example:
// "fairway.dev/platform/paths/web" is "platform/paths/web".
func dirOf(importPath string) (string, bool) {
	importPath, _, _ = strings.Cut(importPath, ":")
	importPath = strings.Replace(importPath, module+"@v0", module, 1)
	dir, ok := strings.CutPrefix(importPath, module+"/")
	return dir, ok
}

// importable reports whether declarations may import a folder: the schema and
// the platform, and no team's or environment's.
func importable(dir string) bool {
	return dir == "schema" || strings.HasPrefix(dir, "platform/")
}

// load is CUE's hook for imports. Nil means a package of CUE's own.
func (s *session) load(pos token.Pos, importPath string) *build.Instance {
	dir, ours := dirOf(importPath)
	if !ours {
		if strings.Contains(strings.SplitN(importPath, "/", 2)[0], ".") {
			return s.refuse(pos, importPath, "import of %q: only packages of this repository and of CUE itself can be imported", importPath)
		}
		return nil
	}
	if !importable(dir) {
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
	inst.Err = positioned(pos, format, args...)
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
	inst.ImportPath = module + "/" + dir
	inst.Module = module + "@v0"
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		file, err := parser.ParseFile(path.Join(dir, name), files[name], parser.ParseComments)
		if err == nil {
			err = checkFile(file, pkg)
		}
		if err != nil {
			inst.ReportError(asErrors(err))
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

// checkFile refuses what would make a file mean something else here than in
// cue vet, or reach outside its folder: other packages' clauses, and the
// attributes that select, inject or embed.
func checkFile(file *ast.File, pkg string) error {
	if file.PackageName() == "" {
		return positioned(file.Pos(), "the file has no package clause; write \"package %s\" in its first line", cmp.Or(pkg, "name"))
	}
	if pkg != "" && file.PackageName() != pkg {
		return positioned(file.Pos(), "package %s: the other files of this folder are in package %s", file.PackageName(), pkg)
	}
	var bad error
	ast.Walk(file, func(n ast.Node) bool {
		if a, ok := n.(*ast.Attribute); ok && bad == nil {
			switch name, _ := a.Split(); name {
			case "if", "ignore", "tag", "embed", "extern":
				bad = positioned(a.Pos(), "attribute @%s is not allowed: what is declared may depend on nothing but the files themselves", name)
			}
		}
		return bad == nil
	}, nil)
	return bad
}

// value builds a package of the platform, once.
func (s *session) value(dir string) (cue.Value, error) {
	if v, ok := s.values[dir]; ok {
		return v, v.Err()
	}
	inst := s.load(token.NoPos, module+"/"+dir)
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
