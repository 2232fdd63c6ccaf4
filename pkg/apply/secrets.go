package apply

import (
	"fmt"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// open gives what is written in place of a sealed object.
func (a *Applier) open(o object.Object) (object.Object, error) {
	opener := a.Secrets
	if opener == nil {
		opener = secret.Keyring{}
	}
	opened, err := opener.Open(o)
	if err != nil {
		return object.Object{}, fmt.Errorf("write %s: %w", o.ID, err)
	}
	return opened, nil
}

// opens makes sure before anything is written that all that is sealed opens: a unit
// without its secrets stays as a whole as it is.
func (a *Applier) opens(p plan.Plan) error {
	for _, s := range p.Steps {
		if s.Object == nil || !s.Action.Writes() {
			continue
		}
		if _, err := a.open(*s.Object); err != nil {
			return err
		}
	}
	return nil
}
