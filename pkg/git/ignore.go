package git

import (
	"errors"
	"io/fs"
	"os"
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
	base  []gitignore.Pattern // of .git/info/exclude
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

// below adds the patterns of a directory's own .gitignore.
func (i *ignore) below(dir string, names []nameRecord, patterns []gitignore.Pattern) ([]gitignore.Pattern, error) {
	at, ok := slices.BinarySearchFunc(names, nameRecord{name: ".gitignore"}, nameRecord.compare)
	if !ok || !names[at].kind.IsRegular() {
		return patterns, nil
	}
	raw, err := os.ReadFile(filepath.Join(i.dir, filepath.FromSlash(dir), ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return patterns, nil
	}
	if err != nil {
		return nil, err
	}
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	return append(patterns[:len(patterns):len(patterns)], parseIgnore(raw, domain)...), nil
}

func parseIgnore(raw []byte, domain []string) []gitignore.Pattern {
	var patterns []gitignore.Pattern
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, gitignore.ParsePattern(line, domain))
		}
	}
	return patterns
}

// matches reports whether the last pattern that speaks of the path excludes it.
func (i *ignore) matches(patterns []gitignore.Pattern, name string, isDir bool) bool {
	if len(patterns) == 0 {
		return false
	}
	return gitignore.NewMatcher(patterns).Match(strings.Split(name, "/"), isDir)
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
