package eval

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// The daemon and its workers talk in frames over pipes: the length of all, the
// length of the JSON, the JSON, and behind it bulk data as it is: an output is
// JSON already and not encoded again. Every answer belongs to the one question
// before it.

// maxFrame bounds one message in either direction (EVL-7: 64 MiB of output).
const maxFrame = 64 << 20

// question is one request to a worker; exactly one of its parts is set.
type question struct {
	Platform *platformQuestion `json:"platform,omitempty"`
	Declare  *declareQuestion  `json:"declare,omitempty"`
	Unit     *unitQuestion     `json:"unit,omitempty"`
	// Reference asks for the documentation of everything that may be declared.
	Reference bool `json:"reference,omitempty"`
}

// platformQuestion hands over the files of schema/ and platform/, which
// everything else imports. It comes first.
type platformQuestion struct {
	Files map[string]string `json:"files"`
}

// declareQuestion asks for one declaration to be evaluated.
type declareQuestion struct {
	Kind kind `json:"kind"`
	// Dir is the folder the files stand in, Files their names and contents.
	Dir   string            `json:"dir"`
	Files map[string]string `json:"files"`
	// Field is the one top-level field that holds the declaration; empty for
	// the whole file.
	Field string `json:"field,omitempty"`
}

// unitQuestion asks for one unit to be rendered by the #Unit of a package.
type unitQuestion struct {
	Package string          `json:"package"`
	Input   json.RawMessage `json:"input"`
	Stamp   Stamp           `json:"stamp"`
}

// Stamp is what the engine itself marks every object of a unit with.
type Stamp struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// answer is a worker's reply.
type answer struct {
	// Imports lists the packages of this module that were read.
	Imports []string `json:"imports,omitempty"`
	// Packages gives, for the platform question, the imports of each package.
	Packages map[string][]string `json:"packages,omitempty"`
	// Data is the evaluated declaration or the unit's output; it is the frame's bulk.
	Data      json.RawMessage          `json:"-"`
	Positions map[string]diag.Position `json:"positions,omitempty"`
	Reference []FieldDoc               `json:"reference,omitempty"`
	// Faults are the mistakes, by the path of the field they are about.
	Faults []Fault `json:"faults,omitempty"`
}

// Fault is a mistake found by evaluation, before it is known whose it is.
type Fault struct {
	// Field is the path of the value, as in "scale.max" or "in.service.scale.max".
	Field   string         `json:"field"`
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
	Rule    string         `json:"rule,omitempty"`
	Pos     diag.Position  `json:"pos"`
	RulePos *diag.Position `json:"rulePos,omitempty"`
}

// frameHead is the length of a frame and of the JSON in it.
const frameHead = 8

func writeFrame(w *bufio.Writer, v any, bulk []byte) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	size := len(body) + len(bulk)
	if size > maxFrame {
		return fmt.Errorf("message of %d bytes is over the limit of %d", size, maxFrame)
	}
	var n [frameHead]byte
	binary.BigEndian.PutUint32(n[:4], uint32(size))
	binary.BigEndian.PutUint32(n[4:], uint32(len(body)))
	for _, part := range [][]byte{n[:], body, bulk} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Flush()
}

// readFrame reads one message and gives its bulk; nil where it has none.
func readFrame(r *bufio.Reader, v any) (bulk []byte, err error) {
	var n [frameHead]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	size, head := binary.BigEndian.Uint32(n[:4]), binary.BigEndian.Uint32(n[4:])
	if size > maxFrame || head > size {
		return nil, fmt.Errorf("message of %d bytes is over the limit of %d", size, maxFrame)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if head < size {
		bulk = body[head:]
	}
	return bulk, json.Unmarshal(body[:head], v)
}
