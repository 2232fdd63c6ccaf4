package tenancy_test

import (
	"encoding/json"

	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

// hush is in everything that the other team writes and that is nobody else's.
const hush = "hush"

// theirs is the service of the other team, which others need. What it offers has
// ordinary names: who needs it is told those.
const theirs = `package service

import "fairway.dev/platform/paths/web"

// hush of a remark
_kept: "hush of a hidden field"
web.#Service & {
	name:        "ledger"
	description: "Hush of a description."
	image:       "registry.example.com/payments/hush"
	args: ["--hush"]
	config: {HUSH_NAME: "hush of a value"}
	secrets: HUSH_KEY: {from: "payments/hush", key: "hush-of-a-key"}
	environments: prod: egress: hush: to: "hush.bank.example"
	grpc: port: 9000
	links: runbook: "https://wiki.example.com/hush"
	flags: "hush-flag": {description: "Hush of a flag.", default: "off"}
	http: {port: 8080, public: true}
	environments: dev: http: host: "ledger.dev.example.com"
	environments: prod: config: {HUSH_NAME: "hush of production"}
}
`

// TestNoMistakeTellsOfOthers: whatever a team writes, what it is told names a place
// and has nothing of what another team wrote in its files (EVL-8).
func TestNoMistakeTellsOfOthers(t *testing.T) {
	o := newOthers(t)
	told := 0
	for name, files := range tries(t) {
		list := o.told(t, files)
		if len(list) == 0 && !harmless(name) {
			t.Errorf("%s: nothing is said", name)
		}
		for _, d := range list {
			told++
			if d.Pos.File == "" || d.Pos.Line == 0 && d.Code != "not-a-file" {
				t.Errorf("%s: %s names no place: %s", name, d.Code, d.Message)
			}
			if text := written(t, d); d.Subject.Team != "payments" && strings.Contains(text, hush) {
				t.Errorf("%s: it tells of what is another team's: %s", name, text)
			}
		}
	}
	if told < 100 {
		t.Errorf("only %d mistakes were told of", told)
	}
}

// harmless are tries of which nothing has to be said: what the evaluator takes as if it
// were not there.
func harmless(name string) bool { return strings.HasPrefix(name, "hostile: ") }

// others is a fleet in which the other team has its service.
type others struct {
	fleet *fleet.Fleet
	base  map[string]string
}

func newOthers(t *testing.T) *others {
	t.Helper()
	pool := eval.NewPool("", 2)
	t.Cleanup(pool.Close)
	o := &others{fleet: fleet.New(&eval.Evaluator{Pool: pool, Engine: "test"})}
	o.base = map[string]string{
		"teams/payments/ledger/service.cue":         theirs,
		"environments/dev/releases/shop/basket.cue": "package releases\n\nimport \"fairway.dev/schema\"\n\nbasket: schema.#Release & {image: tag: \"1.0.0\"}\n",
	}
	if said := o.told(t, map[string]string{basketFile: basket("")}); len(said) > 0 {
		t.Fatalf("something is wrong before anything is: %v", said)
	}
	return o
}

// told is what is said of the example company with these files in it.
func (o *others) told(t *testing.T, files map[string]string) diag.List {
	t.Helper()
	tree, err := folder.Open("../..", folder.Options{Roots: eval.Roots()})
	if err != nil {
		t.Fatal(err)
	}
	edits := map[string][]byte{}
	for _, of := range []map[string]string{o.base, files} {
		for file, text := range of {
			edits[file] = []byte(text)
		}
	}
	if tree, err = compose.With(tree, edits); err != nil {
		t.Fatal(err)
	}
	if _, err := o.fleet.Advance(t.Context(), tree, nil); err != nil {
		t.Fatal(err)
	}
	list := o.fleet.Diags()
	for _, u := range o.fleet.Units("") { // what stands in their status
		list = append(list, u.Diags...)
	}
	return list
}

// written is everything there is in a mistake, as it is handed on.
func written(t *testing.T, d diag.Diag) string {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToLower(string(text))
}

const basketFile = "teams/shop/basket/service.cue"

// basket is a service that says more.
func basket(more string) string {
	return "package service\n\nimport \"fairway.dev/platform/paths/web\"\n\nweb.#Service & {\n\tname: \"basket\"\n\tdescription: \"Keeps what is bought.\"\n" +
		"\timage: \"registry.example.com/shop/basket\"\n\thttp: port: 8080\n\tresources: memory: \"64Mi\"\n\t" + more + "\n}\n"
}

// tries are files by what is tried with them: every mistake and every hostility that
// the evaluator is tried with, what is about the other's service, and that broken.
func tries(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, of := range []string{"mistakes", "hostile"} {
		archive, err := txtar.ParseFile("../../pkg/eval/testdata/" + of + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			name, file, _ := strings.Cut(f.Name, "/")
			if !strings.HasSuffix(file, ".cue") {
				continue
			}
			if !strings.Contains(file, "/") {
				file = basketFile
			}
			name = of + ": " + name
			if out[name] == nil {
				out[name] = map[string]string{}
			}
			out[name][file] = string(f.Data)
		}
	}
	for name, text := range about() {
		out["about the other: "+name] = map[string]string{basketFile: basket(text)}
	}
	out["about the other: its name"] = map[string]string{
		"teams/shop/ledger/service.cue": strings.Replace(basket(""), `name: "basket"`, `name: "ledger"`, 1),
	}
	for name, text := range broken() {
		out["the other is broken: "+name] = map[string]string{
			basketFile: basket(`needs: ledger: service: "ledger"`), "teams/payments/ledger/service.cue": text,
		}
	}
	return out
}

// about says what is wrong with regard to the other's service.
func about() map[string]string {
	return map[string]string{
		"no such endpoint": `needs: ledger: {service: "ledger", endpoint: "admin"}`,
		"other protocol":   `needs: ledger: {service: "ledger", endpoint: "http", protocol: "grpc"}`,
		"in itself":        `needs: ledger: {service: "ledger", config: _}`,
		"same host":        `environments: dev: http: {host: "ledger.dev.example.com", public: true}`,
		"its fields":       `config: A: ledger.config.HUSH_NAME`,
		"its hidden field": `config: A: _kept`,
		"its secret":       `secrets: A: {from: "payments/ledger", key: "password"}`,
		"its place":        `patches: [{reason: "Wants to be there.", target: {kind: "Deployment", name: "ledger"}, merge: spec: paused: true}]`,
	}
}

// broken are texts of the other's service that cannot be taken.
func broken() map[string]string {
	return map[string]string{
		"unknown field": strings.Replace(theirs, "args:", "hushArgs:", 1),
		"wrong value":   strings.Replace(theirs, `port: 8080`, `port: "hush"`, 1),
		"no CUE":        strings.Replace(theirs, `["--hush"]`, `["--hush"`, 1),
		"conflict":      strings.Replace(theirs, `name:        "ledger"`, "name: \"ledger\" & \"hush\"", 1),
		"renders to no": strings.Replace(theirs, `HUSH_NAME: "hush of a value"`, `HUSH_NAME: "hush of a value", "HUSH NAME": "hush"`, 1),
	}
}
