package fleet

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/render"
)

// Declaring lists the units that declare an object on a cluster.
func (f *Fleet) Declaring(cluster string, id object.ID) []catalog.UnitKey {
	f.published.RLock()
	defer f.published.RUnlock()
	return slices.Clone(f.declaring[render.Identity(cluster, id)])
}

// mentions reports whether a file of a unit's service has both the kind and the name
// of an object in it, or cannot be read. It is asked of what does not evaluate, where
// nothing better is known of what it declares; and only of units that could hold the
// object, so that no team keeps another's from going.
func (f *Fleet) mentions(u *render.Unit, id object.ID) bool {
	tree := f.Tree()
	if tree == nil || u.Key.Own() || u.Namespace() != id.Namespace {
		return false
	}
	found := false
	err := fs.WalkDir(tree.FS(), path.Dir(u.Source), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		raw, err := tree.ReadFile(name)
		found = found || bytes.Contains(raw, []byte(id.Kind)) && bytes.Contains(raw, []byte(id.Name))
		if found {
			return fs.SkipAll
		}
		return err
	})
	return found || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// broken lists the units of a cluster that cannot be evaluated at present.
func (f *Fleet) broken(cluster string) []*render.Unit {
	f.published.RLock()
	defer f.published.RUnlock()
	var out []*render.Unit
	for key := range f.held {
		if key.Cluster == cluster {
			out = append(out, f.standing[key])
		}
	}
	slices.SortFunc(out, func(a, b *render.Unit) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return out
}

// show makes one unit what the loops go by; nil for one that went. The caller
// holds published.
func (f *Fleet) show(key catalog.UnitKey, now *render.Unit) {
	if old := f.standing[key]; old != nil {
		for _, id := range old.Identities() {
			f.declaring[id] = slices.DeleteFunc(f.declaring[id], func(k catalog.UnitKey) bool { return k == key })
			if len(f.declaring[id]) == 0 {
				delete(f.declaring, id)
			}
		}
	}
	delete(f.standing, key)
	delete(f.held, key)
	if now == nil {
		return
	}
	f.standing[key] = now
	if now.Held() {
		f.held[key] = true
	}
	for _, id := range now.Identities() {
		f.declaring[id] = append(f.declaring[id], key)
	}
}
