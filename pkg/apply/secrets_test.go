package apply_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// written keeps what is sent to the cluster.
type written struct {
	*fake
	bodies map[string]string
}

func (w *written) Apply(ctx context.Context, r cluster.ApplyRequest) (cluster.Applied, error) {
	w.bodies[r.Object.ID.Name] = string(r.Object.Body)
	return w.fake.Apply(ctx, r)
}

func sealed(t *testing.T) object.Object {
	t.Helper()
	text, err := os.ReadFile("../secret/testdata/full.sops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o := made("Secret", "mail", fields{object.AnnotationSealed: "teams/shop/mail/secrets.prod.sops.yaml"})
	all := o.Fields()
	all["stringData"] = fields{"SMTP_PASSWORD": "smtp-password=ENC[x]", secret.TextKey: string(text)}
	if o, err = object.FromFields(all); err != nil {
		t.Fatal(err)
	}
	return o
}

// What is sealed is opened when it is written, and nothing of a unit is written
// where it does not open.
func TestSealed(t *testing.T) {
	o := sealed(t)
	d := plan.Desired{Unit: key(), Revision: "c0ffee", Objects: []object.Object{config("a"), o}}
	p := plan.Compute(d, plan.Live{Objects: object.Known(map[object.ID]plan.Seen{}), Inventory: object.Known(map[object.ID]cluster.Owned{})})
	run := func(keys apply.Opener) (*written, apply.Result) {
		w := &written{fake: newFake(), bodies: map[string]string{}}
		a := &apply.Applier{Target: w, Secrets: keys, Shard: func(catalog.UnitKey) string { return "prod.shop" }}
		return w, a.Run(t.Context(), p)
	}
	w, r := run(nil)
	if !errors.Is(r.Err, secret.ErrKey) || len(w.bodies) > 0 || len(w.calls) > 0 {
		t.Errorf("without a key: %v, %v", r.Err, w.calls)
	}
	w, r = run(secret.Keyring{Path: "../../lab/demo-age-key.txt"})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	plain := base64.StdEncoding.EncodeToString([]byte("demo value, öffentlich"))
	if !strings.Contains(w.bodies["mail"], plain) || strings.Contains(w.bodies["mail"], "ENC[") {
		t.Errorf("what was written is not what was sealed: %s", w.bodies["mail"])
	}
	for _, s := range p.Steps {
		if s.Object != nil && strings.Contains(string(s.Object.Body), plain) {
			t.Error("the plan has what was decrypted")
		}
	}
}
