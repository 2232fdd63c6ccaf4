// Package preview makes environments of pull requests: the services that one touches, as
// merging it would have them, beside everything else as its base has it.
//
// What comes of it is files, put into the tree of the base branch under
// [eval.PreviewsRoot], so that all else (rendering, policies, quotas, sleep, applying,
// removing) is as for any environment. The schema, the platform, the teams, clusters and
// secrets are those of the base branch, whatever the pull request has.
package preview

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
)

// Preview is what a pull request is made into. The zero value is none.
type Preview struct {
	Number   int       `json:"number"`
	Head     string    `json:"head"`
	Services []Service `json:"services,omitempty"`
	// Left are the services that the pull request touches and the preview does not have,
	// and why.
	Left map[string]string `json:"left,omitempty"`
	// Files declare it, by path in the tree.
	Files map[string][]byte `json:"files,omitempty"`
}

// Service is one that a preview has.
type Service struct {
	Team string `json:"team"`
	Name string `json:"name"`
	// Changed tells that the pull request changes its declaration, and not only what is
	// released of it.
	Changed bool `json:"changed,omitempty"`
	// Release is the file that says what runs. Example:
	// "environments/dev/releases/shop/checkout.cue".
	Release string `json:"release"`
}

// Environment is the name of the preview.
func (p Preview) Environment() string { return catalog.PreviewName(p.Number) }

// Dir is the folder of all that declares it, with a slash at its end.
func (p Preview) Dir() string { return path.Join(eval.PreviewsRoot, p.Environment()) + "/" }

// ErrTooMuch is a pull request that touches more than a preview may have.
var ErrTooMuch = errors.New("more than a preview may have")

// What one service's folder may hold; workers bound what they read further.
const (
	maxFiles = 600
	maxBytes = 4 << 20
)

// Make makes a preview of what a pull request touches: merged is what merging it into
// base gives. One that touches no service that can run gives a preview without files.
// Errors: ErrTooMuch, and those of reading trees.
func Make(rules *catalog.Previews, number int, head string, base, merged *git.Tree) (Preview, error) {
	p := Preview{Number: number, Head: head, Left: map[string]string{}, Files: map[string][]byte{}}
	changes, err := git.Diff(base, merged)
	if err != nil {
		return p, fmt.Errorf("preview pull request %d: %w", number, err)
	}
	touched := touchedBy(changes)
	if len(touched) > rules.Services {
		return p, fmt.Errorf("it touches %d services, and at most %d are previewed: %w", len(touched), rules.Services, ErrTooMuch)
	}
	for _, name := range slices.Sorted(maps.Keys(touched)) {
		m := making{preview: &p, base: base, merged: merged, team: touched[name].team, name: name}
		if err := m.service(rules, touched[name].releases); err != nil {
			return p, fmt.Errorf("preview pull request %d: service %s: %w", number, name, err)
		}
	}
	if len(p.Services) == 0 {
		p.Files = nil
		return p, nil
	}
	p.Files[p.Dir()+"environment.cue"] = []byte(environment(p.Environment()))
	return p, nil
}

// environment declares a preview as platform/previews says what they are like.
func environment(name string) string {
	return fmt.Sprintf("package environment\n\nimport \"fairway.dev/platform/previews\"\n\npreviews.previews.#environment & {name: %q}\n", name)
}

// touching is what a pull request does to a service.
type touching struct {
	team     string
	releases []string // the release files that it writes
}

// touchedBy are the services that changes touch: their folders and their releases.
func touchedBy(changes []git.Change) map[string]touching {
	out := map[string]touching{}
	for _, c := range changes {
		parts := strings.Split(c.Path, "/")
		switch {
		case parts[0] == "teams" && len(parts) > 3:
			t := out[parts[2]]
			t.team = parts[1]
			out[parts[2]] = t
		case parts[0] == "environments" && len(parts) == 5 && parts[2] == "releases" && strings.HasSuffix(parts[4], ".cue") && !c.After.IsZero():
			name := strings.TrimSuffix(parts[4], ".cue")
			t := out[name]
			t.team, t.releases = cmp.Or(t.team, parts[3]), append(t.releases, c.Path)
			out[name] = t
		}
	}
	return out
}

// making is one service on its way into a preview.
type making struct {
	preview      *Preview
	base, merged *git.Tree
	team, name   string
}

func (m making) service(rules *catalog.Previews, releases []string) error {
	folder := path.Join("teams", m.team, m.name)
	if there, err := has(m.merged, folder); err != nil || !there {
		return err // it goes, and nothing of it is to be seen
	}
	if there, err := has(m.base, path.Join("teams", m.team, "team.cue")); err != nil || !there {
		m.preview.Left[m.name] = fmt.Sprintf("team %s is not declared before this is merged", m.team)
		return err
	}
	release, err := m.release(rules.Base, releases)
	if err != nil {
		return err
	}
	if release == "" {
		m.preview.Left[m.name] = fmt.Sprintf("it is not released anywhere, so there is no image: add environments/%s/releases/%s/%s.cue", rules.Base, m.team, m.name)
		return nil
	}
	text, err := m.merged.ReadFile(release)
	if err != nil {
		return err
	}
	root := m.preview.Dir()
	m.preview.Files[path.Join(root, "releases", m.team, m.name+".cue")] = text
	s := Service{Team: m.team, Name: m.name, Release: release}
	if s.Changed, err = differs(m.base, m.merged, folder); err != nil {
		return err
	}
	if s.Changed {
		if err := m.folder(folder, path.Join(root, "services", m.team, m.name)); err != nil {
			return err
		}
	}
	m.preview.Services = append(m.preview.Services, s)
	return nil
}

// release is the file that says what a preview runs: one that the pull request writes, or
// one that is there, and of several the base environment's; "" for none.
func (m making) release(base string, written []string) (string, error) {
	of := func(environment string) string {
		return path.Join("environments", environment, "releases", m.team, m.name+".cue")
	}
	slices.Sort(written)
	candidates := append([]string{of(base)}, written...)
	if len(written) > 0 && !slices.Contains(written, of(base)) {
		candidates = append(slices.Clone(written), of(base))
	}
	environments, err := m.merged.ReadDir("environments")
	if err != nil && !errors.Is(err, git.ErrNotFound) {
		return "", err
	}
	for _, e := range environments {
		candidates = append(candidates, of(e.Name))
	}
	for _, file := range candidates {
		if there, err := has(m.merged, file); err != nil || there {
			return file, err
		}
	}
	return "", nil
}

// folder copies a service's folder. What is encrypted comes from the base branch: whoever
// opens a pull request does not choose what is decrypted for it.
func (m making) folder(from, to string) error {
	count, size := 0, 0
	var copyDir func(tree *git.Tree, dir string, sealed bool) error
	copyDir = func(tree *git.Tree, dir string, secrets bool) error {
		entries, err := tree.ReadDir(path.Join(from, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name)
			if e.Kind == git.Dir && !secrets {
				if err := copyDir(tree, name, false); err != nil {
					return err
				}
				continue
			}
			if e.Kind != git.File || sealed(e.Name) != secrets {
				continue
			}
			text, err := tree.ReadFile(path.Join(from, name))
			if err != nil {
				return err
			}
			if count, size = count+1, size+len(text); count > maxFiles || size > maxBytes {
				return fmt.Errorf("its folder has more than %d files or %d MiB: %w", maxFiles, maxBytes>>20, ErrTooMuch)
			}
			m.preview.Files[path.Join(to, name)] = text
		}
		return nil
	}
	if err := copyDir(m.merged, "", false); err != nil {
		return err
	}
	if there, err := has(m.base, from); err != nil || !there {
		return err
	}
	return copyDir(m.base, "", true)
}

// sealed reports whether a file may hold encrypted secrets, by its name.
func sealed(name string) bool { return strings.Contains(name, ".sops.") }

func has(tree *git.Tree, name string) (bool, error) {
	_, _, err := tree.Hash(name)
	if errors.Is(err, git.ErrNotFound) || errors.Is(err, git.ErrNotFile) {
		return false, nil
	}
	return err == nil, err
}

func differs(a, b *git.Tree, name string) (bool, error) {
	before, _, err := a.Hash(name)
	if err != nil && !errors.Is(err, git.ErrNotFound) {
		return false, err
	}
	after, _, err := b.Hash(name)
	return before != after, err
}
