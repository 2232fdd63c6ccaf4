// Package protocol is what the engine and its evaluation workers say to each
// other: questions, answers, the frames they travel in, and the budget of one
// evaluation. Neither side knows more of the other.
package protocol

import (
	"encoding/json"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/sandbox"
)

// WorkerArg is the argument that makes a binary a worker.
const WorkerArg = "evaluation-worker"

// Question is one request to a worker; exactly one of its parts is set.
type Question struct {
	// ID comes back in the answer.
	ID       uint64    `json:"id"`
	Platform *Platform `json:"platform,omitempty"`
	Declare  *Declare  `json:"declare,omitempty"`
	Unit     *Unit     `json:"unit,omitempty"`
	Judge    *Judge    `json:"judge,omitempty"`
	// Reference asks for the documentation of everything that may be declared.
	Reference bool `json:"reference,omitempty"`
	// Why asks what set a field of an object.
	Why *Why `json:"why,omitempty"`
}

// Why asks what set one field of one object of a unit.
type Why struct {
	Unit
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Field is the way to the field, list places as numbers.
	Field []string `json:"field"`
}

// Provenance is what set a field.
type Provenance struct {
	// Value is the field as it is, in JSON.
	Value json.RawMessage `json:"value"`
	// Lines are those of the platform that say it, and those they stand under.
	Lines []Line `json:"lines,omitempty"`
	// Inputs are what of the unit's input those look at.
	Inputs []Input `json:"inputs,omitempty"`
	// Origin is the file beside the service that holds the object, as in [Output].
	Origin string `json:"origin,omitempty"`
	// Patches are the patches that changed it, in their order.
	Patches []string `json:"patches,omitempty"`
	// Engine says that the engine set it, whatever else did.
	Engine bool `json:"engine,omitempty"`
	// Secret says that values are not for showing, and that none are told.
	Secret bool `json:"secret,omitempty"`
	// Cut says that there is more than is told.
	Cut bool `json:"cut,omitempty"`
}

// Line is a line of CUE.
type Line struct {
	Pos  diag.Position `json:"pos"`
	Text string        `json:"text"`
	// Condition says that the line decides whether others count.
	Condition bool `json:"condition,omitempty"`
}

// Input is a part of a unit's input.
type Input struct {
	// Path is where it stands below in. Example: "service.scale.min".
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
	// Rule is the definition's line for it, and Default what that gives.
	Rule    *Line           `json:"rule,omitempty"`
	Default json.RawMessage `json:"default,omitempty"`
}

// Platform hands over the files of schema/ and platform/, which everything
// else imports. It comes first.
type Platform struct {
	Files map[string]string `json:"files"`
}

// Kind is what a declaration declares.
type Kind string

// The kinds of declarations.
const (
	Team        Kind = "team"
	Service     Kind = "service"
	Environment Kind = "environment"
	Cluster     Kind = "cluster"
	Release     Kind = "release"
	Signing     Kind = "signing"
	Policy      Kind = "policy"
	Exception   Kind = "exception"
	Approval    Kind = "approval"
	Health      Kind = "health"
	Previews    Kind = "previews"
)

// Declare asks for one declaration to be evaluated.
type Declare struct {
	Kind Kind `json:"kind"`
	// Dir is the folder the files stand in, Files their names and contents.
	Dir   string            `json:"dir"`
	Files map[string]string `json:"files"`
	// Beside are the files of the service's folders that hold no CUE, by their
	// path below Dir. Example: "manifests/deployment.yaml".
	Beside map[string]string `json:"beside,omitempty"`
	// Field is the one top-level field that holds the declaration; empty for
	// the whole file.
	Field string `json:"field,omitempty"`
}

// Unit asks for one unit to be rendered by the #Unit of a package.
type Unit struct {
	Package string          `json:"package"`
	Input   json.RawMessage `json:"input"`
	Stamp   Stamp           `json:"stamp"`
	// Beside are the files that stand beside the service and are no CUE; see [Declare].
	Beside map[string]string `json:"beside,omitempty"`
	// Patches are put over what the path made, one after the other.
	Patches []Patch `json:"patches,omitempty"`
}

// Patch is one of a service's patches.
type Patch struct {
	// Field is where the service has it. Example: "environments.prod.patches.0".
	Field string `json:"field"`
	// Data is the patch, a #Patch of the schema.
	Data json.RawMessage `json:"data"`
}

// BesideKey is where a service's data hold the files beside it. No field of a
// service can be called so.
const BesideKey = "$beside"

// Folders are the folders of a service that are read although they hold no CUE.
func Folders() []string { return []string{"chart", "manifests"} }

// Stamp is what the engine itself marks every object of a unit with.
type Stamp struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Answer is a worker's reply.
type Answer struct {
	// ID is the question's.
	ID uint64 `json:"id"`
	// Missing are the walls around the worker that its system does not have.
	Missing []sandbox.Wall `json:"missing,omitempty"`
	// Imports lists the packages of this module that were read.
	Imports []string `json:"imports,omitempty"`
	// Packages gives, for the platform question, the imports of each package.
	Packages map[string][]string `json:"packages,omitempty"`
	// Data is the evaluated declaration or the unit's output; it is the frame's bulk.
	Data      json.RawMessage          `json:"-"`
	Positions map[string]diag.Position `json:"positions,omitempty"`
	Reference []FieldDoc               `json:"reference,omitempty"`
	// Judged is what came of each policy, in the order they were asked about.
	Judged []Judgement `json:"judged,omitempty"`
	Why    *Provenance `json:"why,omitempty"`
	// Faults are the mistakes, by the path of the field they are about.
	Faults []Fault `json:"faults,omitempty"`
}

// Output is what a path makes of a unit.
type Output struct {
	// Objects are canonical JSON, in the order of the path's labels.
	Objects []json.RawMessage `json:"objects"`
	Claims  []Claim           `json:"claims,omitempty"`
	// Origins tell of each object what of the service it comes from, or who patched
	// it last; "" for what the path made by itself. There are none where all are so.
	// Example: "manifests/deployment.yaml#Deployment/maps" or "patches.0".
	Origins []string `json:"origins,omitempty"`
	// Asleep tells that the unit is as it is while its environment sleeps.
	Asleep bool `json:"asleep,omitempty"`
}

// Claim is a value of which there is only one in the fleet, such as a host name.
type Claim struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
	// Field is the field of the service that set it. Example: "http.host".
	Field string `json:"field"`
}

// FieldDoc is one field of what may be declared, as its definition documents it.
type FieldDoc struct {
	// Path begins with what is declared. Example: "Service.scale.max" or "web.http.port".
	Path string `json:"path"`
	// Kind is the type in CUE's words. Example: "int".
	Kind string `json:"kind"`
	// Rule is the constraint as it is written. Example: "#Replicas & >=min".
	Rule     string `json:"rule,omitempty"`
	Required bool   `json:"required,omitempty"`
	Default  string `json:"default,omitempty"`
	Doc      string `json:"doc,omitempty"`
}

// Importable reports whether declarations may import a folder: the schema and
// the platform, and no team's or environment's.
func Importable(dir string) bool {
	return dir == "schema" || strings.HasPrefix(dir, "platform/")
}
