package reconcile

import (
	"context"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// Previews are the environments that are made of open pull requests.
type Previews interface {
	// Files are what they are declared by, by path below [eval.PreviewsRoot], and a
	// number that is another when they are.
	Files() (files map[string][]byte, version int)
	// Ended says why a preview is not there any more; false where that is not known for
	// certain.
	Ended(environment string) (reason string, ended bool)
}

// ended proves that a unit of a preview was removed: the preview holds it no more, or
// has ended for certain. Git's history does not tell: no commit declares it.
func (d *Daemon) ended(key catalog.UnitKey, reason string) (string, error) {
	if d.fleet.Preview(key.Environment) {
		return reason, nil
	}
	if d.opts.Previews != nil {
		if why, ended := d.opts.Previews.Ended(key.Environment); ended {
			return why, nil
		}
	}
	return "", fmt.Errorf("it is not known whether the pull request of %s is open", key.Environment)
}

// preview brings the fleet to the previews that there are now, at the revision it is at.
func (d *Daemon) preview(ctx context.Context) error {
	d.mu.Lock()
	rev, at := d.current, d.previewed
	d.mu.Unlock()
	if d.opts.Previews == nil || rev.Commit.IsZero() {
		return nil
	}
	if _, version := d.opts.Previews.Files(); version == at {
		return nil
	}
	return d.adopt(ctx, rev)
}

// besides puts the present previews into what the fleet is brought to next, and gives
// their version.
func (d *Daemon) besides() int {
	if d.opts.Previews == nil {
		return 0
	}
	files, version := d.opts.Previews.Files()
	d.fleet.Beside(files)
	return version
}

// Previewed is the version of the previews that clusters are brought to.
func (d *Daemon) Previewed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.previewed
}
