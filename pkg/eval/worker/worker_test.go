package worker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// platformFiles is as much of a platform as these tests need.
func platformFiles() map[string]string {
	return map[string]string{
		"schema/schema.cue":            "package schema\n\n#Team: {name!: string, x?: _}\n",
		"platform/paths/web/type.cue":  "package web\n\n#Service: {name!: string, ...}\n",
		"platform/paths/web/build.cue": "package web\n\n#Unit: {in: _, out: objects: {}}\n",
	}
}

func team(body string) protocol.Question {
	text := "package team\n\nimport (\n\t\"list\"\n\t\"strings\"\n)\n\nname: \"a\"\n_use: [list.Max, strings.ToLower]\n" + body
	return protocol.Question{Declare: &protocol.Declare{Kind: protocol.Team, Dir: "teams/a", Files: map[string]string{"team.cue": text}}}
}

// A panic of the evaluator is a fault of what was asked; the worker goes on, and
// wants the platform again as it may be torn.
func TestPanicIsAFault(t *testing.T) {
	s := newSession(platformFiles())
	s.ctx = nil // as torn as can be
	a := answerTo(&s, team("x: 1\n"))
	if len(a.Faults) != 1 || a.Faults[0].Code != "evaluator" || !strings.HasPrefix(a.Faults[0].Message, "the evaluator gave up: ") {
		t.Fatalf("got %+v", a.Faults)
	}
	if a := answerTo(&s, team("x: 1\n")); len(a.Faults) != 1 || a.Faults[0].Code != protocol.CodeNoSession {
		t.Errorf("a torn session was used again: %+v", a)
	}
	if a := answerTo(&s, protocol.Question{Platform: &protocol.Platform{Files: platformFiles()}}); len(a.Faults) > 0 {
		t.Errorf("the platform again: %+v", a.Faults)
	}
	if a := answerTo(&s, team("x: 1\n")); len(a.Faults) > 0 {
		t.Errorf("after the platform: %+v", a.Faults)
	}
}

// FuzzQuestions: whatever comes over the pipe, nothing panics, and no more is
// allocated than the frame may be.
func FuzzQuestions(f *testing.F) {
	for _, q := range []protocol.Question{{}, {Reference: true}, team("x: 1\n"), {Platform: &protocol.Platform{Files: map[string]string{"schema/a.cue": "package schema"}}}, {Unit: &protocol.Unit{Package: "platform/paths/web", Input: json.RawMessage(`{}`)}}} {
		var buf bytes.Buffer
		if err := protocol.Write(bufio.NewWriter(&buf), q, []byte("{}")); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, '{'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) >= 4 && binary.BigEndian.Uint32(raw) > 1<<16 {
			return // read as far as it goes, which is slow and proves nothing
		}
		r := bufio.NewReader(bytes.NewReader(raw))
		s := newSession(platformFiles())
		for range 3 {
			var q protocol.Question
			if _, err := protocol.Read(r, &q); err != nil {
				return
			}
			answerTo(&s, q)
		}
	})
}
