package render

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// guard holds a unit's objects against what the unit may contain, whatever the
// path's CUE allowed and wherever the bytes came from: it is the last guard
// before the cluster's own.
func guard(scope tenancy.Scope, output eval.Output) ([]object.Object, []tenancy.Fault, error) {
	objects, err := parse(output)
	if err != nil {
		return nil, nil, err
	}
	for i, o := range objects {
		if !bytes.Equal(o.Body, output.Objects[i]) {
			return nil, nil, fmt.Errorf("%s is not written as the engine writes objects", o.ID)
		}
	}
	for _, claim := range output.Claims {
		if claim.Kind == "host" {
			scope.Hosts = append(scope.Hosts, claim.Value)
		}
	}
	return objects, tenancy.Check(scope, objects), nil
}

// outside says which hosts a unit of a preview claims that are not below the preview's
// own domain: what nobody reviewed yet is not reached under a name that people know.
func outside(cat *catalog.Catalog, key catalog.UnitKey, claims []eval.Claim) diag.List {
	env := cat.Environments[key.Environment]
	if env == nil || !env.Preview {
		return nil
	}
	var list diag.List
	for _, c := range claims {
		if c.Kind != "host" || strings.HasSuffix(c.Value, "."+env.Domain) {
			continue
		}
		list = append(list, diag.Diag{
			Code: "preview-host", Severity: diag.Error, Pos: at(cat, key, c.Field), Subject: subjectOf(cat, key),
			Message: fmt.Sprintf("%s: a preview is reached below %s, and not as %s", c.Field, env.Domain, c.Value),
			Hint:    "say the host for the environments that have it, in environments.<environment>." + c.Field,
		})
	}
	return list
}

// scopeOf is what a unit may write to.
func scopeOf(cat *catalog.Catalog, key catalog.UnitKey, team string) tenancy.Scope {
	_, isTeam := key.Team()
	s := tenancy.Scope{Unit: key.String(), Owner: team, Team: isTeam, Cluster: key.OfCluster()}
	if !s.Cluster {
		s.Namespace = cat.Namespace(team, key.Environment)
	}
	if c := cat.Clusters[key.Cluster]; c != nil {
		s.Offered, s.Policies = c.Kinds, c.Policies
	}
	return s
}

// platformFault is a mistake of the path and not of the service's team.
func platformFault(cat *catalog.Catalog, key catalog.UnitKey, message string) diag.Diag {
	pkg := teamPackage
	if s := cat.ServiceIn(key.Environment, key.Service); key.OfCluster() {
		pkg = clusterPackage
	} else if s != nil {
		pkg = "platform/paths/" + s.Path
	}
	subject := subjectOf(cat, key)
	subject.Path = strings.TrimPrefix(pkg, "platform/paths/")
	return diag.Diag{
		Code: "path", Severity: diag.Error, Pos: diag.Position{File: pkg}, Subject: subject,
		Message: message, Hint: "this is for the owner of " + pkg + " to mend",
	}
}

// breach says of a fault whose it is to mend: what a path makes of a service is
// the path's owner's to answer for, what the service itself writes or patches its
// team's.
func breach(cat *catalog.Catalog, key catalog.UnitKey, objects []object.Object, output eval.Output, f tenancy.Fault) diag.Diag {
	d := platformFault(cat, key, f.String())
	d.Code, d.Rule = "tenancy", "tenancy."+f.Rule
	from := ""
	for i, o := range objects {
		if o.ID == f.Object && i < len(output.Origins) && output.Origins[i] != "" {
			from = output.Origins[i]
		}
	}
	s := cat.ServiceIn(key.Environment, key.Service)
	if s == nil || from == "" {
		return d
	}
	d.Pos, d.Subject, d.Hint = origin(s, from, f.Field), subjectOf(cat, key), "what a service writes or patches by hand is held to the same as what a path makes"
	return d
}

// origin is where the service wrote a field of an object: in the patch that
// touched it last, or in a file beside it.
func origin(s *catalog.Service, from, field string) diag.Position {
	file, _, inFile := strings.Cut(from, "#")
	if !inFile {
		if pos, ok := s.Positions.Find(from); ok {
			return pos
		}
		return s.At(from)
	}
	for at := from + plainPath(field); len(at) >= len(from); at = at[:strings.LastIndexByte(at, '.')] {
		if pos, ok := s.Positions.Find(at); ok {
			return pos
		}
		if at == from {
			break
		}
	}
	return diag.Position{File: path.Join(path.Dir(s.Source), file), Line: 1, Column: 1}
}

// plainPath spells a path with list places as names. Example: ".spec.ports[0].port"
// is ".spec.ports.0.port".
func plainPath(field string) string { return strings.NewReplacer("[", ".", "]", "").Replace(field) }

// attribute finds whose mistake a fault in rendering is: the service's (or the
// cluster's, in its own unit), where the fault is in what that says; else the
// platform's.
func attribute(cat *catalog.Catalog, key catalog.UnitKey, pkg string, f eval.Fault) diag.Diag {
	subject := subjectOf(cat, key)
	field, ours := strings.CutPrefix(f.Field, "in.service.")
	where := " (in " + key.Environment + ")"
	if key.OfCluster() {
		field, ours = strings.CutPrefix(f.Field, "in.cluster.")
		where = ""
	}
	if !ours {
		subject.Path = strings.TrimPrefix(pkg, "platform/paths/")
		d := f.Diag(pkg, subject)
		d.Message = fmt.Sprintf("%s cannot be rendered: %s", key, f.Message)
		d.Hint = strings.TrimPrefix(d.Hint+"; this is for the owner of "+pkg+" to mend", "; ")
		return d
	}
	s := cat.ServiceIn(key.Environment, key.Service)
	if s != nil && strings.HasPrefix(f.Pos.File, path.Dir(s.Source)+"/") { // in a file beside the service
		f.Message += " (in " + key.Environment + ")"
		return f.Diag(f.Pos.File, subject)
	}
	if f.RulePos == nil && f.Pos.File != "" {
		pos := f.Pos
		f.RulePos = &pos
	}
	f.Pos = at(cat, key, field)
	f.Message = strings.Replace(f.Message, f.Field, field, 1) + where
	return f.Diag(f.Pos.File, subject)
}
