package protocol_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// FuzzAnswer: whatever a worker writes, reading it panics on nothing, takes no
// more memory than came, and what is believed is whole.
func FuzzAnswer(f *testing.F) {
	for _, a := range []struct {
		head protocol.Answer
		bulk string
	}{
		{protocol.Answer{ID: 1}, `{"name":"a"}`},
		{protocol.Answer{ID: 1, Packages: map[string][]string{"schema": {"schema"}}}, ""},
		{protocol.Answer{ID: 1, Faults: []protocol.Fault{{Field: "a.b", Message: "no"}}}, ""},
		{protocol.Answer{ID: 1}, `{"claims":[{"kind":"host","value":"a","field":"b"}],"objects":[{"kind":"Pod"}]}`},
		{protocol.Answer{ID: 1, Reference: []protocol.FieldDoc{{Path: "a"}}}, ""},
	} {
		var b bytes.Buffer
		if err := protocol.Write(bufio.NewWriter(&b), a.head, []byte(a.bulk)); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x02{}null"))
	f.Add([]byte("\x04\x00\x00\x00\x04\x00\x00\x00"))
	questions := []protocol.Question{
		{ID: 1, Platform: &protocol.Platform{Files: map[string]string{"schema/a.cue": ""}}},
		{ID: 1, Declare: &protocol.Declare{}}, {ID: 1, Unit: &protocol.Unit{}}, {ID: 1, Reference: true},
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a protocol.Answer
		bulk, err := protocol.Read(bufio.NewReader(bytes.NewReader(raw)), &a)
		if len(bulk) > len(raw) {
			t.Fatalf("%d bytes out of %d", len(bulk), len(raw))
		}
		if err != nil {
			return
		}
		a.Data = bulk
		for _, q := range questions {
			switch err := q.Check(a); {
			case err == nil && len(a.Faults) > 0 && len(a.Data) > 0:
				t.Error("believed faults and a result")
			case err == nil && len(a.Faults) == 0 && q.Unit != nil:
				var o protocol.Output
				if json.Unmarshal(a.Data, &o) != nil || o.Objects == nil {
					t.Errorf("believed %s", a.Data)
				}
			case err == nil && len(a.Faults) == 0 && q.Declare != nil && !json.Valid(a.Data):
				t.Errorf("believed %s", a.Data)
			case err != nil && !errors.Is(err, protocol.ErrAnswer):
				t.Error(err)
			}
		}
	})
}
