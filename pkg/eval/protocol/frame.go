package protocol

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The daemon and its workers talk in frames over pipes: the length of all, the
// length of the JSON, the JSON, and behind it bulk data as it is: an output is
// JSON already and not encoded again. Every answer belongs to the one question
// before it.

// frameHead is the length of a frame and of the JSON in it.
const frameHead = 8

// Write sends one message and the bulk that belongs to it.
func Write(w *bufio.Writer, v any, bulk []byte) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	size := len(body) + len(bulk)
	if size > MaxFrame {
		return fmt.Errorf("message of %d bytes is over the limit of %d", size, MaxFrame)
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

// Read receives one message and gives its bulk; nil where it has none.
func Read(r *bufio.Reader, v any) (bulk []byte, err error) {
	var n [frameHead]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	size, head := binary.BigEndian.Uint32(n[:4]), binary.BigEndian.Uint32(n[4:])
	if size > MaxFrame || head > size {
		return nil, fmt.Errorf("message of %d bytes is over the limit of %d", size, MaxFrame)
	}
	body, err := readAll(r, int(size))
	if err != nil {
		return nil, err
	}
	if head < size {
		bulk = body[head:]
	}
	return bulk, json.Unmarshal(body[:head], v)
}

// readAll reads so many bytes. It takes memory as they come, so that a length
// alone costs nothing.
func readAll(r io.Reader, size int) ([]byte, error) {
	const atOnce = 1 << 20
	body := make([]byte, min(size, atOnce))
	_, err := io.ReadFull(r, body)
	for err == nil && len(body) < size {
		have := len(body)
		body = append(body, make([]byte, min(size-have, have))...)
		_, err = io.ReadFull(r, body[have:])
	}
	if errors.Is(err, io.EOF) && size > 0 {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}
