// Package record is the form in which large results are kept: numbers, texts and
// bytes one behind the other, without names. It is read where it lies, which for
// a fleet of thousands is what makes keeping worth while.
//
// Who reads must ask in the order of who wrote. A reader never panics: past the
// end of a damaged record it gives zeros, and [Reader.Whole] says so.
package record

import "encoding/binary"

// Writer puts values together. Its zero value is empty.
type Writer struct{ raw []byte }

// Number adds a number, small ones in few bytes.
func (w *Writer) Number(n int) { w.raw = binary.AppendUvarint(w.raw, uint64(n)) }

// Fixed adds a number in eight bytes, for hashes.
func (w *Writer) Fixed(n uint64) { w.raw = binary.LittleEndian.AppendUint64(w.raw, n) }

// Text adds a text.
func (w *Writer) Text(s string) {
	w.Number(len(s))
	w.raw = append(w.raw, s...)
}

// Bytes adds bytes.
func (w *Writer) Bytes(b []byte) {
	w.Number(len(b))
	w.raw = append(w.raw, b...)
}

// Texts adds a list of texts.
func (w *Writer) Texts(list []string) {
	w.Number(len(list))
	for _, s := range list {
		w.Text(s)
	}
}

// Result is all that was added.
func (w *Writer) Result() []byte { return w.raw }

// Reader takes values off a record.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader reads a record, which must not change any more: the bytes that are
// handed out are part of it.
func NewReader(raw []byte) *Reader { return &Reader{rest: raw} }

// Number takes a number.
func (r *Reader) Number() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > 1<<40 {
		r.spoil()
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

// Count takes the number of values that follow, each of at least so many bytes:
// a damaged record asks for no more memory than it has bytes.
func (r *Reader) Count(least int) int {
	n := r.Number()
	if n > len(r.rest)/max(least, 1) {
		r.spoil()
		return 0
	}
	return n
}

// Fixed takes a number of eight bytes.
func (r *Reader) Fixed() uint64 {
	if len(r.rest) < 8 {
		r.spoil()
		return 0
	}
	n := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return n
}

// Bytes takes bytes. They are the record's own and must not be changed.
func (r *Reader) Bytes() []byte {
	n := r.Number()
	if n > len(r.rest) {
		r.spoil()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Text takes a text.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Texts takes a list of texts; nil for an empty one.
func (r *Reader) Texts() []string {
	var list []string
	for range r.Count(1) {
		list = append(list, r.Text())
	}
	return list
}

// Whole reports that nothing was missing so far.
func (r *Reader) Whole() bool { return !r.bad }

// Done reports that nothing was missing and nothing is left.
func (r *Reader) Done() bool { return !r.bad && len(r.rest) == 0 }

func (r *Reader) spoil() { r.bad, r.rest = true, nil }
