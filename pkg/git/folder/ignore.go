package folder

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// ignore decides which files of a working directory are left out.
type ignore struct {
	dir   string
	base  []ignoreRule // of .git/info/exclude
	index func() map[string]bool
}

func newIgnore(dir string) *ignore {
	i := &ignore{dir: dir}
	if raw, err := os.ReadFile(filepath.Join(dir, ".git", "info", "exclude")); err == nil {
		i.base = parseIgnore(raw, nil)
	}
	i.index = sync.OnceValue(i.readIndex)
	return i
}

// below adds the rules of a directory's own .gitignore.
func (i *ignore) below(dir string, names []nameRecord, rules []ignoreRule) ([]ignoreRule, error) {
	at, ok := slices.BinarySearchFunc(names, nameRecord{name: ".gitignore"}, nameRecord.compare)
	if !ok || !names[at].kind.IsRegular() {
		return rules, nil
	}
	raw, err := os.ReadFile(filepath.Join(i.dir, filepath.FromSlash(dir), ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return rules, nil
	}
	if err != nil {
		return nil, err
	}
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	return append(rules[:len(rules):len(rules)], parseIgnore(raw, domain)...), nil
}

// ignoreRule is one line of a .gitignore file.
type ignoreRule struct {
	pattern gitignore.Pattern
	// nameOnly: the line has no inner slash and speaks of names anywhere below its
	// file. Parents were asked before, so the last name is all that matters.
	nameOnly bool
	suffix   string // that every matching name has
}

func parseIgnore(raw []byte, domain []string) []ignoreRule {
	var rules []ignoreRule
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text := strings.TrimSuffix(strings.TrimRight(line, " "), "/")
		rule := ignoreRule{nameOnly: !strings.Contains(text, "/")}
		if rule.nameOnly {
			rule.pattern = gitignore.ParsePattern(line, nil)
			if !strings.Contains(text, "\\") {
				text = strings.TrimPrefix(text, "!")
				rule.suffix = text[strings.LastIndexAny(text, "*?[]")+1:]
			}
		} else {
			rule.pattern = gitignore.ParsePattern(line, domain)
		}
		rules = append(rules, rule)
	}
	return rules
}

// matches reports whether the last rule that speaks of the path excludes it.
func (i *ignore) matches(rules []ignoreRule, name string, isDir bool) bool {
	base := path.Base(name)
	var parts []string
	for _, rule := range slices.Backward(rules) {
		match := gitignore.NoMatch
		switch {
		case rule.nameOnly && strings.HasSuffix(base, rule.suffix):
			match = rule.pattern.Match([]string{base}, isDir)
		case !rule.nameOnly:
			if parts == nil {
				parts = strings.Split(name, "/")
			}
			match = rule.pattern.Match(parts, isDir)
		}
		if match != gitignore.NoMatch {
			return match == gitignore.Exclude
		}
	}
	return false
}

// tracked reports whether Git has the path, or something below it, all the same.
func (i *ignore) tracked(name string) bool { return i.index()[name] }

// readIndex lists the paths of the repository's index and the directories above them.
// It is needed only once an ignored file turns up.
func (i *ignore) readIndex() map[string]bool {
	tracked := map[string]bool{}
	repo, err := gogit.PlainOpenWithOptions(i.dir, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return tracked // no repository: nothing is tracked
	}
	index, err := repo.Storer.Index()
	if err != nil {
		return tracked
	}
	for _, e := range index.Entries {
		for name := e.Name; name != "." && !tracked[name]; name = parentOf(name) {
			tracked[name] = true
		}
	}
	return tracked
}

func parentOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return "."
}
