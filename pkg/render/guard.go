package render

import (
	"bytes"
	"fmt"
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
	if s := cat.Services[key.Service]; key.OfCluster() {
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
// the path's owner's to answer for.
func breach(cat *catalog.Catalog, key catalog.UnitKey, f tenancy.Fault) diag.Diag {
	d := platformFault(cat, key, f.String())
	d.Code, d.Rule = "tenancy", "tenancy."+f.Rule
	return d
}

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
	if f.RulePos == nil && f.Pos.File != "" {
		pos := f.Pos
		f.RulePos = &pos
	}
	f.Pos = at(cat, key, field)
	f.Message = strings.Replace(f.Message, f.Field, field, 1) + where
	return f.Diag(f.Pos.File, subject)
}
