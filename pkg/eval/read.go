package eval

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// readPlace reads a declaration's files. id identifies their content; faults
// are files that must not be read at all.
func readPlace(tree *git.Tree, pl place) (files map[string]string, id string, faults []protocol.Fault, err error) {
	entries, err := tree.ReadDir(pl.dir)
	if errors.Is(err, git.ErrNotFound) {
		return nil, "", nil, nil
	}
	if err != nil {
		return nil, "", nil, err
	}
	files = map[string]string{}
	var ids strings.Builder
	for _, e := range entries {
		if !strings.HasSuffix(e.Name, ".cue") || !pl.whole && e.Name != pl.file {
			continue
		}
		name := path.Join(pl.dir, e.Name)
		text, fault, err := readFile(tree, name, e)
		switch {
		case err != nil:
			return nil, "", nil, err
		case fault != nil:
			faults = append(faults, *fault)
		default:
			files[e.Name] = text
			ids.WriteString(e.Name + "\x00" + e.Hash.String() + "\n")
		}
	}
	return files, ids.String(), faults, nil
}

// readFile reads one file; what is no ordinary text of ordinary size is a Fault.
func readFile(tree *git.Tree, name string, e git.Entry) (string, *protocol.Fault, error) {
	at := diag.Position{File: name}
	if e.Kind != git.File {
		return "", &protocol.Fault{
			Code: "not-a-file", Pos: at, Message: fmt.Sprintf("%s is a %s", path.Base(name), e.Kind),
			Hint: "write an ordinary file: links and submodules are never followed",
		}, nil
	}
	raw, err := tree.ReadFile(name)
	switch {
	case errors.Is(err, git.ErrTooLarge):
		return "", &protocol.Fault{Code: "too-large", Pos: at, Message: "the file is larger than 1 MiB", Hint: "declare less in one file"}, nil
	case err != nil:
		return "", nil, err
	case !utf8.Valid(raw):
		return "", &protocol.Fault{Code: "encoding", Pos: at, Message: "the file is not valid UTF-8", Hint: "save it as UTF-8"}, nil
	}
	return string(raw), nil, nil
}

// platform is what declarations import, and who imports what.
type platform struct {
	digest cache.Key
	files  map[string]string
	// packages gives each package's own content and its imports, by folder.
	packages map[string]packageInfo
	faults   []protocol.Fault
}

type packageInfo struct {
	content string
	imports []string
}

// loadPlatform reads schema/ and platform/ and hands them to the workers.
func (e *Evaluator) loadPlatform(ctx context.Context, tree *git.Tree) (platform, error) {
	files, p := map[string]string{}, platform{packages: map[string]packageInfo{}}
	for _, root := range []string{"schema", "platform"} {
		if err := p.gather(tree, root, files); err != nil {
			return platform{}, fmt.Errorf("read the platform: %w", err)
		}
	}
	var parts []string
	for _, name := range sortedKeys(files) {
		parts = append(parts, name, files[name])
	}
	p.digest, p.files = cache.KeyOf(parts...), files
	e.Pool.SetPlatform(files)
	var imports map[string][]string
	key := cache.KeyOf("platform", e.Engine, string(p.digest[:]))
	if !e.load(key, &imports) {
		a, err := e.Pool.ask(ctx, protocol.Question{Platform: &protocol.Platform{Files: files}})
		if err != nil {
			return platform{}, fmt.Errorf("compile the platform: %w", err)
		}
		imports = a.Packages
		if len(a.Faults) > 0 {
			return platform{}, fmt.Errorf("compile the platform: %s", a.Faults[0].Message)
		}
		e.save(key, imports)
	}
	for dir, info := range p.packages {
		info.imports = imports[dir]
		p.packages[dir] = info
	}
	return p, nil
}

func (p *platform) gather(tree *git.Tree, dir string, files map[string]string) error {
	entries, err := tree.ReadDir(dir)
	if errors.Is(err, git.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var content strings.Builder
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		if e.Kind == git.Dir {
			if err := p.gather(tree, name, files); err != nil {
				return err
			}
			continue
		}
		if !platformFile(name) {
			continue
		}
		text, fault, err := readFile(tree, name, e)
		if err != nil {
			return err
		}
		if fault != nil {
			p.faults = append(p.faults, *fault)
			continue
		}
		files[name] = text
		content.WriteString(name + "\x00" + e.Hash.String() + "\n")
	}
	if content.Len() > 0 {
		p.packages[dir] = packageInfo{content: content.String()}
	}
	return nil
}

// closure identifies everything a declaration reads beside its own files: the
// packages it imports, and theirs.
func (p platform) closure(k protocol.Kind, imports []string) string {
	seen := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, next := range p.packages[dir].imports {
			visit(next)
		}
	}
	for _, dir := range imports {
		visit(dir)
	}
	if k != protocol.Service {
		visit("schema")
	}
	var b strings.Builder
	for _, dir := range sortedKeys(seen) {
		b.WriteString(dir + "\n" + p.packages[dir].content)
	}
	return b.String()
}

// closureOf identifies everything a package's #Unit reads.
func (p platform) closureOf(dir string) string { return p.closure(protocol.Service, []string{dir}) }
