package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// sealed is the encrypted file of a service for one environment, as a path may look
// at it: nothing in it is decrypted.
type sealed struct {
	File   string            `json:"file"`
	Text   string            `json:"text"`
	Values map[string]string `json:"values"`
}

// taken is where a service takes a secret from.
type taken struct {
	From string `json:"from"`
	Key  string `json:"key"`
}

// sealedOf finds the file that a service takes secrets from in an environment; nil
// for one that takes none from a file.
func sealedOf(s *catalog.Service, service json.RawMessage, key catalog.UnitKey, base string) (*sealed, diag.List) {
	var said struct {
		Secrets map[string]taken `json:"secrets"`
	}
	_ = json.Unmarshal(service, &said) // typed by the schema
	maps.DeleteFunc(said.Secrets, func(_ string, t taken) bool { return t.From != "" })
	if len(said.Secrets) == 0 {
		return nil, nil
	}
	mistake := func(name, message, hint string) diag.Diag {
		pos := s.At("environments." + key.Environment + ".secrets." + name)
		if _, there := s.Positions.Find("environments." + key.Environment + ".secrets." + name); !there {
			pos = s.At("secrets." + name)
		}
		return diag.Diag{
			Code: "sealed", Severity: diag.Error, Pos: pos, Message: "secrets." + name + ": " + message + " (in " + key.Environment + ")", Hint: hint,
			Subject: diag.Subject{Team: s.Team, Service: s.Name, Environment: key.Environment, Cluster: key.Cluster},
		}
	}
	names := slices.Sorted(maps.Keys(said.Secrets))
	want := path.Join(path.Dir(s.Source), "secrets."+key.Environment+".sops.yaml")
	of := key.Environment
	if base != "" && !hasSealed(s, of) {
		of = base
	}
	for _, name := range slices.Sorted(maps.Keys(s.Sealed)) {
		if env, ok := eval.SealedFor(name); !ok || env != of {
			continue
		}
		file := path.Join(path.Dir(s.Source), name)
		parsed, err := secret.Parse(file, []byte(s.Sealed[name]))
		if err != nil {
			return nil, diag.List{mistake(names[0], err.Error(), "write it with: sops edit "+file)} // a broken service is not rendered
		}
		out, list := &sealed{File: file, Text: s.Sealed[name], Values: parsed.Values()}, diag.List(nil)
		for _, name := range names {
			if k := said.Secrets[name].Key; out.Values[k] == "" {
				list = append(list, mistake(name, fmt.Sprintf("%s has no encrypted value %q at its top", file, k), "add it with: sops edit "+file))
			}
		}
		return out, list
	}
	return nil, diag.List{mistake(names[0], "there is no file "+want, "write it with: sops edit "+want+", or say from where in the store the secret comes")}
}

// hasSealed reports whether a service has a file of encrypted secrets for an environment.
func hasSealed(s *catalog.Service, environment string) bool {
	for name := range s.Sealed {
		if env, ok := eval.SealedFor(name); ok && env == environment {
			return true
		}
	}
	return false
}
