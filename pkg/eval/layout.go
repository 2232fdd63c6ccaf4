package eval

import (
	"path"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Roots are the folders a platform is declared in; nothing else of a revision
// is read.
func Roots() []string {
	return []string{"cue.mod", "schema", "platform", "teams", "environments", PreviewsRoot}
}

// PreviewsRoot is the folder of what pull requests are made into, which is put into
// trees and never taken from a commit: PREVIEW/environment.cue, its releases in
// PREVIEW/releases/TEAM/SERVICE.cue, and the services that the pull request changes in
// PREVIEW/services/TEAM/SERVICE.
const PreviewsRoot = "previews"

// place is one declaration's place in the repository.
type place struct {
	kind protocol.Kind
	// dir and file say where it stands; whole reports that all .cue files of
	// dir belong to it, otherwise only file does.
	dir, file string
	whole     bool
	// field is the one top-level field that holds it; empty for the whole file.
	field string

	team, service, environment, cluster, health string
	// guardrail is the name of a policy, an exception or a rule for approvals.
	guardrail string
}

// source is the file people are sent to. Example: "teams/shop/checkout/service.cue".
func (p place) source() string { return path.Join(p.dir, p.file) }

// name is what the declaration must call itself.
func (p place) name() string {
	switch p.kind {
	case protocol.Team:
		return p.team
	case protocol.Environment:
		return p.environment
	case protocol.Cluster:
		return p.cluster
	case protocol.Policy, protocol.Exception, protocol.Approval:
		return p.guardrail
	case protocol.Health:
		return p.health
	}
	return p.service
}

// placeOf says which declaration a file belongs to. It reports false for files
// that declare nothing.
func placeOf(file string) (place, bool) {
	parts := strings.Split(file, "/")
	if parts[0] == PreviewsRoot {
		return previewPlace(file, parts)
	}
	if inFolder(parts) {
		return serviceAt(parts[1], parts[2]), true
	}
	dir, base := path.Dir(file), path.Base(file)
	if !strings.HasSuffix(base, ".cue") && !(parts[0] == "teams" && len(parts) == 4 && sealedFile(base)) {
		return place{}, false
	}
	switch {
	case parts[0] == "teams" && len(parts) == 3 && base == "team.cue":
		return place{kind: protocol.Team, dir: dir, file: base, team: parts[1]}, true
	case parts[0] == "teams" && len(parts) == 4:
		return serviceAt(parts[1], parts[2]), true
	case parts[0] == "environments" && len(parts) == 3 && base == "environment.cue":
		return place{kind: protocol.Environment, dir: dir, file: base, environment: parts[1]}, true
	case parts[0] == "environments" && len(parts) == 5 && parts[2] == "releases":
		service := strings.TrimSuffix(base, ".cue")
		return place{kind: protocol.Release, dir: dir, file: base, field: service, environment: parts[1], team: parts[3], service: service}, true
	case strings.HasPrefix(file, "platform/clusters/") && len(parts) == 4 && base == "cluster.cue":
		return place{kind: protocol.Cluster, dir: dir, file: base, cluster: parts[2]}, true
	case dir == policiesDir:
		return guardrail(protocol.Policy, dir, base), true
	case dir == exceptionsDir:
		return guardrail(protocol.Exception, dir, base), true
	case dir == approvalsDir:
		return guardrail(protocol.Approval, dir, base), true
	case dir == healthDir:
		name := strings.TrimSuffix(base, ".cue")
		return place{kind: protocol.Health, dir: dir, file: base, field: name, health: name}, true
	case dir == signingDir:
		return signing(), true
	case file == previewsFile:
		return place{kind: protocol.Previews, dir: dir, file: base, field: "previews"}, true
	}
	return place{}, false
}

// previewPlace is placeOf for what a pull request was made into: what stands below the
// preview's own folder is as below environments and below teams.
func previewPlace(file string, parts []string) (place, bool) {
	if len(parts) < 3 {
		return place{}, false
	}
	if _, ok := catalog.PreviewOf(parts[1]); !ok {
		return place{}, false
	}
	below := strings.Join(parts[2:], "/")
	dir := path.Join(PreviewsRoot, parts[1])
	if rest, ok := strings.CutPrefix(below, "services/"); ok {
		p, ok := placeOf("teams/" + rest)
		if !ok || p.kind != protocol.Service {
			return place{}, false
		}
		p.dir, p.environment = path.Join(dir, "services", p.team, p.service), parts[1]
		return p, true
	}
	p, ok := placeOf(path.Join("environments", parts[1], below))
	p.dir = path.Dir(file)
	return p, ok
}

// inPreviews reports whether the declaration is of a preview.
func (p place) inPreviews() bool { return strings.HasPrefix(p.dir, PreviewsRoot+"/") }

// sealedFile reports whether a file that is no CUE is one of encrypted secrets, which
// belongs to the service beside which it stands. It is not evaluated; what becomes of
// it is for the unit.
func sealedFile(name string) bool {
	return slices.ContainsFunc([]string{".sops.yaml", ".sops.json"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// serviceAt is where a team declares a service.
func serviceAt(team, service string) place {
	return place{kind: protocol.Service, dir: path.Join("teams", team, service), file: "service.cue", whole: true, team: team, service: service}
}

// inFolder reports whether a path leads into one of a service's folders that are
// read although they hold no CUE. CUE in them would not count.
func inFolder(parts []string) bool {
	return len(parts) > 3 && parts[0] == "teams" && slices.Contains(protocol.Folders(), parts[3]) &&
		!strings.HasSuffix(parts[len(parts)-1], ".cue")
}

// signingDir is where it is declared whose signatures commits must carry.
const signingDir = "platform/signing"

// previewsFile is where it is declared what becomes of pull requests.
const previewsFile = "platform/previews/previews.cue"

// healthDir is where it is declared how objects of some kinds are doing, a file a kind.
const healthDir = "platform/health"

func signing() place {
	return place{kind: protocol.Signing, dir: signingDir, file: "signing.cue", whole: true}
}

// Where guardrails are declared, who is excepted from them, and who must approve
// changes: a file each, which declares the one field that is called like it.
const (
	policiesDir   = "platform/policies"
	exceptionsDir = "platform/exceptions"
	approvalsDir  = "platform/approvals"
)

func guardrail(k protocol.Kind, dir, base string) place {
	name := strings.TrimSuffix(base, ".cue")
	return place{kind: k, dir: dir, file: base, field: name, guardrail: name}
}

// stray reports whether a CUE file stands where nothing reads it, so that what
// it says would silently not count.
func stray(file string) bool {
	if !strings.HasSuffix(file, ".cue") {
		return false
	}
	_, read := placeOf(file)
	switch root, _, _ := strings.Cut(file, "/"); root {
	case "teams", "environments", PreviewsRoot:
		return !read
	}
	return !read && (strings.HasPrefix(file, policiesDir+"/") || strings.HasPrefix(file, exceptionsDir+"/") || strings.HasPrefix(file, approvalsDir+"/"))
}

// platformFile reports whether a file is part of what declarations import.
func platformFile(file string) bool {
	return strings.HasSuffix(file, ".cue") && (strings.HasPrefix(file, "schema/") || strings.HasPrefix(file, "platform/")) &&
		!strings.HasPrefix(file, "platform/clusters/") && !strings.HasPrefix(file, signingDir+"/") &&
		!strings.HasPrefix(file, policiesDir+"/") && !strings.HasPrefix(file, exceptionsDir+"/") && !strings.HasPrefix(file, healthDir+"/") &&
		!strings.HasPrefix(file, approvalsDir+"/")
}
