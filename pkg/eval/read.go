package eval

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// listPlace finds a declaration's files. id identifies their content; faults are
// names that must not be read at all.
func listPlace(tree *git.Tree, pl place) (names []git.Entry, id string, faults []protocol.Fault, err error) {
	entries, err := entriesOf(tree, pl)
	if errors.Is(err, git.ErrNotFound) || errors.Is(err, git.ErrNotFile) {
		return nil, "", nil, nil // or a link or file stands where its folder was
	}
	if err != nil {
		return nil, "", nil, err
	}
	var ids strings.Builder
	for _, e := range entries {
		if !strings.HasSuffix(e.Name, ".cue") && !(pl.kind == protocol.Service && sealedFile(e.Name)) {
			continue
		}
		if fault := notAFile(path.Join(pl.dir, e.Name), e); fault != nil {
			faults = append(faults, *fault)
			continue
		}
		names = append(names, e)
		ids.WriteString(e.Name + "\x00" + e.Hash.String() + "\n")
	}
	if pl.kind == protocol.Service && len(names) > 0 {
		more, wrong, err := listBeside(tree, pl, entries)
		if err != nil {
			return nil, "", nil, err
		}
		for _, e := range more {
			ids.WriteString(e.Name + "\x00" + e.Hash.String() + "\n")
		}
		names, faults = append(names, more...), append(faults, wrong...)
	}
	return names, ids.String(), faults, nil
}

func entriesOf(tree *git.Tree, pl place) ([]git.Entry, error) {
	if pl.whole {
		return tree.ReadDir(pl.dir)
	}
	hash, kind, err := tree.Hash(pl.source())
	if err != nil {
		return nil, err
	}
	return []git.Entry{{Name: pl.file, Kind: kind, Hash: hash}}, nil
}

// readFiles reads a declaration's files by name, and those of encrypted secrets.
func readFiles(tree *git.Tree, pl place, names []git.Entry) (files, sealed map[string]string, faults []protocol.Fault, err error) {
	files, sealed = map[string]string{}, map[string]string{}
	size := 0
	for _, e := range names {
		text, fault, err := readFile(tree, path.Join(pl.dir, e.Name), e)
		switch {
		case err != nil:
			return nil, nil, nil, err
		case fault != nil:
			faults = append(faults, *fault)
		case sealedFile(e.Name) && !strings.Contains(e.Name, "/"):
			sealed[e.Name] = text
		default:
			size += len(text)
			files[e.Name] = text
		}
	}
	if size > protocol.MaxSource {
		faults = append(faults, Fault{
			Code: "too-large", Message: fmt.Sprintf("the files of the declaration are larger than %d KiB together", protocol.MaxSource>>10),
			Hint: "declare less, or let it be several services",
		})
	}
	return files, sealed, faults, nil
}

func isCUE(e git.Entry) bool { return strings.HasSuffix(e.Name, ".cue") }

func notAFile(name string, e git.Entry) *protocol.Fault {
	if e.Kind == git.File {
		return nil
	}
	return &protocol.Fault{
		Code: "not-a-file", Pos: diag.Position{File: name}, Message: fmt.Sprintf("%s is a %s", path.Base(name), e.Kind),
		Hint: "write an ordinary file: links and submodules are never followed",
	}
}

// readFile reads one file; what is no ordinary text of ordinary size is a Fault.
func readFile(tree *git.Tree, name string, e git.Entry) (string, *protocol.Fault, error) {
	at := diag.Position{File: name}
	if fault := notAFile(name, e); fault != nil {
		return "", fault, nil
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
	closures *closures
}

// closures remembers the closures that were asked for: thousands of declarations
// import the same few packages.
type closures struct {
	mu sync.Mutex
	by map[string]cache.Key
}

type packageInfo struct {
	content string
	imports []string
}

// loadPlatform reads schema/ and platform/ and hands them to the workers.
func (e *Evaluator) loadPlatform(ctx context.Context, tree *git.Tree) (platform, error) {
	files, p := map[string]string{}, platform{packages: map[string]packageInfo{}, closures: &closures{by: map[string]cache.Key{}}}
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
func (p platform) closure(k protocol.Kind, imports []string) cache.Key {
	if k != protocol.Service {
		imports = append(slices.Clone(imports), "schema")
	}
	if p.closures == nil {
		return p.digestOf(imports) // the platform of an empty tree
	}
	p.closures.mu.Lock()
	defer p.closures.mu.Unlock()
	name := strings.Join(imports, "\n")
	key, ok := p.closures.by[name]
	if !ok {
		key = p.digestOf(imports)
		p.closures.by[name] = key
	}
	return key
}

// digestOf digests packages and all they import.
func (p platform) digestOf(packages []string) cache.Key {
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
	for _, dir := range packages {
		visit(dir)
	}
	var parts []string
	for _, dir := range sortedKeys(seen) {
		parts = append(parts, dir, p.packages[dir].content)
	}
	return cache.KeyOf(parts...)
}

// closureOf identifies everything a package's #Unit reads.
func (p platform) closureOf(dir string) cache.Key { return p.closure(protocol.Service, []string{dir}) }
