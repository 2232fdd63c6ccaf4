package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
)

// guard holds a unit's objects against what the unit may contain, whatever the
// path's CUE allowed: it is the last guard and not the first.
func guard(cat *catalog.Catalog, key catalog.UnitKey, team string, objects []declaredObject) diag.List {
	var list diag.List
	namespace := cat.Namespace(team, key.Environment)
	_, isTeam := key.Team()
	seen := map[object.ID]bool{}
	for _, o := range objects {
		if why := forbidden(o, namespace, isTeam); why != "" {
			list = append(list, platformFault(cat, key, fmt.Sprintf("%s: %s", o.ID, why)))
		}
		if seen[o.ID] {
			list = append(list, platformFault(cat, key, fmt.Sprintf("%s: rendered twice", o.ID)))
		}
		seen[o.ID] = true
	}
	return list
}

func forbidden(o declaredObject, namespace string, isTeam bool) string {
	switch {
	case isTeam && o.ID.Kind == "Namespace" && o.ID.Group == "" && o.ID.Name == namespace:
	case o.ID.Namespace == "":
		return "a unit may hold objects in its own namespace only, and this one has none"
	case o.ID.Namespace != namespace:
		return fmt.Sprintf("a unit may hold objects in its own namespace %s only", namespace)
	}
	for _, field := range []string{"finalizers", "ownerReferences", "managedFields", "uid", "resourceVersion", "generateName", "deletionTimestamp"} {
		if _, ok := o.metadata[field]; ok {
			return "metadata." + field + " is not for a unit to set"
		}
	}
	return ""
}

// declaredObject is as much of an object as the guard looks at. What else is in
// it is not decoded: a fleet has many objects.
type declaredObject struct {
	object.ID
	metadata map[string]json.RawMessage
}

// readDeclared reads an object's identity by the exact names of its fields. It
// refuses what [object.Parse] refuses.
func readDeclared(raw json.RawMessage) (declaredObject, error) {
	var fields, meta map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return declaredObject{}, fmt.Errorf("read object: %w", err)
	}
	_ = json.Unmarshal(fields["metadata"], &meta) // refused below, as it has no name
	head := map[string]any{
		"apiVersion": text(fields["apiVersion"]), "kind": text(fields["kind"]),
		"metadata": map[string]any{"name": text(meta["name"]), "namespace": text(meta["namespace"])},
	}
	o, err := object.FromFields(head)
	return declaredObject{ID: o.ID, metadata: meta}, err
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // what is no text counts as missing
	return s
}

// platformFault is a mistake of the path and not of the service's team.
func platformFault(cat *catalog.Catalog, key catalog.UnitKey, message string) diag.Diag {
	pkg := teamPackage
	if s := cat.Services[key.Service]; s != nil {
		pkg = "platform/paths/" + s.Path
	}
	subject := subjectOf(cat, key)
	subject.Path = strings.TrimPrefix(pkg, "platform/paths/")
	return diag.Diag{
		Code: "path", Severity: diag.Error, Pos: diag.Position{File: pkg}, Subject: subject,
		Message: message, Hint: "this is for the owner of " + pkg + " to mend",
	}
}

// attribute finds whose mistake a fault in rendering is: the service's, where
// the fault is in what the service says; else the platform's.
func attribute(cat *catalog.Catalog, key catalog.UnitKey, pkg string, f eval.Fault) diag.Diag {
	subject := subjectOf(cat, key)
	field, ours := strings.CutPrefix(f.Field, "in.service.")
	if !ours {
		subject.Path = strings.TrimPrefix(pkg, "platform/paths/")
		d := f.Diag(pkg, subject)
		d.Message = fmt.Sprintf("%s cannot be rendered: %s", key, f.Message)
		d.Hint = strings.TrimPrefix(d.Hint+"; this is for the owner of "+pkg+" to mend", "; ")
		return d
	}
	if f.RulePos == nil && f.Pos.File != "" {
		pos := f.Pos
		f.RulePos = &pos
	}
	f.Pos = at(cat, key, field)
	f.Message = strings.Replace(f.Message, f.Field, field, 1) + " (in " + key.Environment + ")"
	return f.Diag(f.Pos.File, subject)
}
