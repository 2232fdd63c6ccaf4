package record_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cache/record"
)

func written() []byte {
	var w record.Writer
	w.Number(300)
	w.Fixed(1 << 63)
	w.Text("text")
	w.Bytes([]byte{0, 1})
	w.Texts([]string{"a", "", "c"})
	return w.Result()
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	r := record.NewReader(written())
	n, f, s, b, l := r.Number(), r.Fixed(), r.Text(), r.Bytes(), r.Texts()
	if n != 300 || f != 1<<63 || s != "text" || !bytes.Equal(b, []byte{0, 1}) || !slices.Equal(l, []string{"a", "", "c"}) {
		t.Errorf("got %d, %d, %q, %v, %q", n, f, s, b, l)
	}
	if !r.Done() {
		t.Error("something is left or was missing")
	}
}

// Whatever the bytes are, reading ends, takes no more memory than they are long,
// and says that they are not whole where they were cut.
func TestCutRecordsAreNotWhole(t *testing.T) {
	whole := written()
	for at := range whole {
		r := record.NewReader(whole[:at])
		r.Number()
		r.Fixed()
		_ = r.Text()
		r.Bytes()
		r.Texts()
		if r.Whole() {
			t.Errorf("cut at %d of %d: taken for whole", at, len(whole))
		}
	}
	r := record.NewReader([]byte{0xff, 0xff, 0xff, 0x7f})
	if n := r.Count(1); n != 0 || r.Whole() {
		t.Errorf("a count of more than there are bytes: got %d", n)
	}
}
