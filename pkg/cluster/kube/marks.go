package kube

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// marksFormat starts every file of marks.
const marksFormat = "fairway marks 2\n"

// SaveMarks writes what the clean objects looked like, so that a restart finds
// them clean without a request. The file is a cache: losing it costs reads.
func (c *Cluster) SaveMarks(path string) error {
	data := c.index.encodeMarks(c.uid, c.opts.Seal)
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("save marks: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save marks: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("save marks: %w", err)
	}
	return nil
}

// LoadMarks reads what SaveMarks wrote, before the first Ensure. A file that is
// missing, damaged or of another cluster changes nothing; the error says so,
// for the log.
func (c *Cluster) LoadMarks(path string) error {
	data, err := readMarks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load marks: %w", err)
	}
	marks, err := decodeMarks(data, c.uid, c.opts.Seal)
	if err != nil {
		return fmt.Errorf("load marks from %s: %w", path, err)
	}
	c.index.restore(marks)
	return nil
}

// maxMarks bounds the file: it is far more than a cluster holds objects.
const maxMarks = 256 << 20

// readMarks reads the file, if it is one: what stands in its place may not end.
func readMarks(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxMarks {
		return nil, errors.New("it is not a file of marks")
	}
	return os.ReadFile(path)
}

// restore gives objects their clean marks: at once to those that are known,
// and to the others when they are seen.
func (x *index) restore(marks map[string]cluster.Mark) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range x.kinds {
		for _, r := range k.objects {
			mark, ok := marks[r.uid]
			if ok && r.clean == (cluster.Mark{}) {
				r.clean = mark
			}
			delete(marks, r.uid)
		}
	}
	x.restored = marks
}

func (x *index) encodeMarks(clusterUID string, secret []byte) []byte {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := appendString([]byte(marksFormat), clusterUID)
	pending := false
	for _, k := range x.kinds {
		pending = pending || k.watch == nil || !k.watch.isSynced()
		for _, r := range k.objects {
			if r.clean != (cluster.Mark{}) {
				out = append(appendString(out, r.uid), r.clean[:]...)
			}
		}
	}
	if pending || len(x.kinds) == 0 {
		// Saved before all was seen: what was restored still stands.
		for uid, mark := range x.restored {
			out = append(appendString(out, uid), mark[:]...)
		}
	}
	return append(out, sealOf(out, secret)...)
}

// sealOf proves that marks are whole and were written by somebody who knows the secret.
func sealOf(data, secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(data)
	return mac.Sum(nil)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func decodeMarks(data []byte, clusterUID string, secret []byte) (map[string]cluster.Mark, error) {
	split := len(data) - sha256.Size
	if split < len(marksFormat) || string(data[:len(marksFormat)]) != marksFormat {
		return nil, errors.New("it is not a file of marks")
	}
	if !hmac.Equal(sealOf(data[:split], secret), data[split:]) {
		return nil, errors.New("it is damaged, or of another installation")
	}
	rest := data[len(marksFormat):split]
	uid, rest, ok := cutString(rest)
	if !ok || uid != clusterUID {
		return nil, errors.New("it is of another cluster")
	}
	marks := map[string]cluster.Mark{}
	for len(rest) > 0 {
		if uid, rest, ok = cutString(rest); !ok || len(rest) < len(cluster.Mark{}) {
			return nil, errors.New("it is cut off")
		}
		marks[uid] = cluster.Mark(rest[:len(cluster.Mark{})])
		rest = rest[len(cluster.Mark{}):]
	}
	return marks, nil
}

func cutString(b []byte) (string, []byte, bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return "", nil, false
	}
	end := used + int(n)
	return string(b[used:end]), b[end:], true
}
