package protocol_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

func TestFramesRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	w, r := bufio.NewWriter(&buf), bufio.NewReader(&buf)
	for _, bulk := range []string{"", `{"a":1}`} {
		if err := protocol.Write(w, protocol.Answer{Imports: []string{"schema"}}, []byte(bulk)); err != nil {
			t.Fatal(err)
		}
		var a protocol.Answer
		got, err := protocol.Read(r, &a)
		if err != nil || string(got) != bulk || !slices.Equal(a.Imports, []string{"schema"}) {
			t.Errorf("got %q, %+v, %v", got, a, err)
		}
	}
	if err := protocol.Write(w, protocol.Answer{}, make([]byte, protocol.MaxFrame)); err == nil {
		t.Error("a frame beyond the limit was written")
	}
	if _, err := protocol.Read(bufio.NewReader(strings.NewReader("\xff\xff\xff\xff\x00\x00\x00\x01x")), &protocol.Answer{}); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame beyond the limit was read for: %v", err)
	}
}
