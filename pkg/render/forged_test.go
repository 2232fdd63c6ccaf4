package render_test

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/render"
)

// TestForgedStore: whatever somebody puts into the folder of results, nothing
// comes out of it that the unit may not contain, and nothing else than the fleet
// knows the unit to be. What was forged is rendered anew.
func TestForgedStore(t *testing.T) {
	w, _, _ := small(t)
	good := w.unit("dev/one/stock")
	truth := w.bundle(w.st, w.es, good)
	var output eval.Output
	for _, o := range truth.Objects {
		output.Objects = append(output.Objects, o.Body)
	}
	change := func(old, with string) eval.Output {
		out := eval.Output{}
		for _, raw := range output.Objects {
			out.Objects = append(out.Objects, json.RawMessage(strings.Replace(string(raw), old, with, 1)))
		}
		return out
	}
	for _, test := range []struct {
		name   string
		forged eval.Output
	}{
		{"another namespace", change(`"namespace":"beta-dev"`, `"namespace":"kube-system"`)},
		{"the node's network", change(`"containers":[`, `"hostNetwork":true,"containers":[`)},
		{"another unit's", change(`"fairway.dev/unit":"dev/one/stock"`, `"fairway.dev/unit":"dev/one/front"`)},
		{"a key twice", change(`"kind":"ConfigMap"`, `"kind":"ConfigMap","kind":"ConfigMap"`)},
		{"another image, as the facts were left", change(`"image":"`, `"image":"evil.example.com/`)},
		{"nothing", eval.Output{Objects: []json.RawMessage{}}},
	} {
		for _, facts := range []bool{false, true} {
			if facts && strings.Contains(test.name, "as the facts") || facts && test.name == "nothing" {
				continue // bytes that are allowed and agree with forged facts are not told from true ones
			}
			raw, err := object.Encode(test.forged)
			if err != nil {
				t.Fatal(err)
			}
			w.forge(good, raw, facts)
			es, st := eval.NewState(), render.NewState() // a daemon that starts on this store
			w.step(es, st)
			u := st.Units[good.Key]
			if facts && u.Digest != object.Sum(raw) {
				t.Fatalf("%s: the forged facts are not believed, so nothing is shown of what comes after", test.name)
			}
			got := w.bundle(st, es, u)
			if diff := cmp.Diff(truth.Objects, got.Objects); diff != "" || got.Digest != truth.Digest {
				t.Errorf("%s, facts forged %v: something else is to be applied (-want +got)\n%s", test.name, facts, diff)
			}
		}
	}
}

func (w *world) bundle(st *render.State, es *eval.State, u *render.Unit) render.Bundle {
	w.t.Helper()
	r := &render.Renderer{Evaluator: w.eval}
	b, ok := r.Cached(u)
	if ok {
		return b
	}
	b, err := r.Bundle(context.Background(), st, es, u)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// forge writes a rendering into the store, and facts that agree with it.
func (w *world) forge(u *render.Unit, raw []byte, facts bool) {
	w.t.Helper()
	key := u.CacheKey()
	if err := w.eval.Cache.Put(key, append([]byte{'o'}, raw...)); err != nil {
		w.t.Fatal(err)
	}
	agreeing := map[string]any{"digest": u.Digest, "idents": idents(w.t, u, raw)}
	if facts {
		agreeing["digest"] = object.Sum(raw)
	}
	text, err := json.Marshal(agreeing)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.eval.Cache.Put(cache.KeyOf("derived", render.KeptFacts, string(key[:])), text); err != nil {
		w.t.Fatal(err)
	}
}

func idents(t testing.TB, u *render.Unit, raw []byte) []uint64 {
	t.Helper()
	var output eval.Output
	if err := json.Unmarshal(raw, &output); err != nil {
		t.Fatal(err)
	}
	out := []uint64{}
	for _, o := range output.Objects {
		parsed, err := object.Parse(o)
		if err != nil {
			t.Fatal(err)
		}
		h := fnv.New64a()
		for _, s := range []string{u.Key.Cluster, parsed.ID.Group, parsed.ID.Kind, parsed.ID.Namespace, parsed.ID.Name} {
			io.WriteString(h, s)
			h.Write([]byte{0})
		}
		out = append(out, h.Sum64())
	}
	return out
}
