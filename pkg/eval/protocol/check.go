package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
)

// ErrAnswer is given for an answer that does not answer its question.
var ErrAnswer = errors.New("the answer cannot be used")

// Check reports what is wrong with an answer to the question as such. A worker
// that ends too soon, or whose memory is torn, must not make "nothing" out of
// something: an answer is a whole result or it is faults, and never neither.
func (q Question) Check(a Answer) error {
	var wrong string
	switch {
	case a.ID != q.ID:
		wrong = fmt.Sprintf("it is for question %d and not %d", a.ID, q.ID)
	case len(a.Faults) > 0 && len(a.Data) > 0:
		wrong = "it holds faults and a result"
	case len(a.Faults) > 0:
		return a.checkFaults()
	case q.Platform != nil:
		wrong = q.Platform.wrongPackages(a.Packages)
	case q.Declare != nil:
		wrong = wrongData(a.Data)
	case q.Unit != nil:
		wrong = wrongOutput(a.Data)
	case q.Judge != nil:
		wrong = q.Judge.wrong(a.Judged)
	case q.Why != nil && a.Why == nil:
		wrong = "it tells of nothing"
	case q.Reference && len(a.Reference) == 0:
		wrong = "it documents nothing"
	}
	if wrong != "" {
		return fmt.Errorf("%w: %s", ErrAnswer, wrong)
	}
	return nil
}

func (a Answer) checkFaults() error {
	if len(a.Faults) > MaxFaults {
		return fmt.Errorf("%w: it holds %d faults", ErrAnswer, len(a.Faults))
	}
	for _, f := range a.Faults {
		if len(f.Message) > MaxMessage || len(f.Hint) > MaxMessage || len(f.Field) > MaxMessage {
			return fmt.Errorf("%w: a fault is said in more than %d bytes", ErrAnswer, MaxMessage)
		}
		if f.Message == "" {
			return fmt.Errorf("%w: a fault says nothing", ErrAnswer)
		}
	}
	return nil
}

// wrongPackages says which package of the platform is not accounted for.
func (p Platform) wrongPackages(packages map[string][]string) string {
	for name := range p.Files {
		dir := path.Dir(name)
		if _, ok := packages[dir]; !ok && Importable(dir) {
			return "it does not know the package " + dir
		}
	}
	return ""
}

// wrongData says what is wrong with a declaration's data.
func wrongData(data json.RawMessage) string {
	switch {
	case len(data) == 0:
		return "there is no result"
	case len(data) > MaxObject:
		return fmt.Sprintf("the result has %d bytes", len(data))
	case data[0] != '{' || !json.Valid(data):
		return "the result is no JSON object"
	}
	return ""
}

// wrongOutput says what is wrong with a unit's output.
func wrongOutput(data json.RawMessage) string {
	switch {
	case len(data) == 0:
		return "there is no output"
	case len(data) > MaxOutput:
		return fmt.Sprintf("the output has %d bytes", len(data))
	}
	var o Output
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil || d.InputOffset() != int64(len(data)) {
		return "the output is not what an output is"
	}
	switch {
	case o.Objects == nil:
		return "the output has no list of objects"
	case len(o.Objects) > MaxObjects:
		return fmt.Sprintf("the output has %d objects", len(o.Objects))
	case len(o.Origins) > 0 && len(o.Origins) != len(o.Objects):
		return fmt.Sprintf("the output has %d objects and %d origins", len(o.Objects), len(o.Origins))
	}
	for i, object := range o.Objects {
		if len(object) > MaxObject || len(object) == 0 || object[0] != '{' {
			return fmt.Sprintf("object %d is no object, or too large a one", i)
		}
	}
	return ""
}
