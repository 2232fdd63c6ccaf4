package kube

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/fairway-dev/fairway/pkg/object"
)

// stamped gives the bytes to apply: the canonical body with the commit and the
// digest spliced into its annotations, and the UID that the object must have, if
// one is given. The body is scanned and not decoded.
func stamped(body []byte, commit string, digest object.Digest, uid string) ([]byte, error) {
	if err := unstamped(body); err != nil {
		return nil, err
	}
	stamps := fmt.Appendf(nil, "%s:%s,%s:%s",
		strconv.Quote(object.AnnotationCommit), quoteJSON(commit),
		strconv.Quote(object.AnnotationDigest), strconv.Quote(digest.String()))
	meta, err := inside(body, 0, "metadata")
	if err != nil {
		return nil, err
	}
	if notes, err := inside(body, meta-1, "annotations"); err == nil {
		body = splice(body, notes, stamps)
	} else {
		body = splice(body, meta, fmt.Appendf(nil, `"annotations":{%s}`, stamps))
	}
	if uid != "" {
		body = splice(body, meta, []byte(`"uid":`+quoteJSON(uid)))
	}
	return body, nil
}

// unstamped refuses a body that has the annotations already: a key written
// twice is the server's to judge. It decodes only if the words occur at all.
func unstamped(body []byte) error {
	if !bytes.Contains(body, []byte(object.AnnotationCommit)) && !bytes.Contains(body, []byte(object.AnnotationDigest)) {
		return nil
	}
	fields, err := object.DecodeFields(body)
	if err != nil {
		return fmt.Errorf("read desired object: %w", err)
	}
	if object.Annotation(fields, object.AnnotationCommit)+object.Annotation(fields, object.AnnotationDigest) != "" {
		return fmt.Errorf("desired object carries %s or %s itself", object.AnnotationCommit, object.AnnotationDigest)
	}
	return nil
}

// splice inserts members at the start of a JSON object whose brace is before at.
func splice(body []byte, at int, members []byte) []byte {
	if body[at] != '}' {
		members = append(members, ',')
	}
	out := make([]byte, 0, len(body)+len(members))
	return append(append(append(out, body[:at]...), members...), body[at:]...)
}

func quoteJSON(s string) string {
	b, err := object.Encode(s)
	if err != nil {
		return `""` // unreachable: a string has a JSON form
	}
	return string(b)
}

// inside gives the place after the brace that opens the object value of a
// field, in the JSON object whose own brace is at start.
func inside(body []byte, start int, field string) (int, error) {
	want := strconv.Quote(field)
	i := start + 1
	for i < len(body) && body[i] == '"' {
		end := skipString(body, i)
		isField := string(body[i:min(end, len(body))]) == want
		i = end + 1 // the colon
		if isField && i+1 < len(body) && body[i] == '{' {
			return i + 1, nil
		}
		i = skipValue(body, i)
		if i < len(body) && body[i] == ',' {
			i++
		}
	}
	return 0, fmt.Errorf("find object %s in body: there is none", field)
}

// skipString gives the place after the string that starts at i.
func skipString(body []byte, i int) int {
	for i++; i < len(body) && body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue gives the place after the value that starts at i.
func skipValue(body []byte, i int) int {
	depth := 0
	for i < len(body) {
		switch body[i] {
		case '"':
			i = skipString(body, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// managerPrefix starts the name of every field manager of ours.
const managerPrefix = "fairway:"

// maxManager is how long Kubernetes lets a field manager's name be.
const maxManager = 128

// manager is the field manager of a unit. A name too long is cut, with a hash
// of the whole so that no two units share one.
func manager(unit string) string {
	name := managerPrefix + unit
	if len(name) <= maxManager {
		return name
	}
	hash := object.Sum([]byte(name)).String()[:16]
	return name[:maxManager-len(hash)-1] + "~" + hash
}
