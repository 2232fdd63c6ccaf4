package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/fairway-dev/fairway/pkg/object"
)

// TextKey is where a sealed Secret carries the whole file, which has the checksum.
const TextKey = ".sops"

// Sealed reports whether an object is to be opened before it is written, and gives
// the names that its values will have.
func Sealed(id object.ID, fields map[string]any) (names []string, ok bool) {
	if id.Group != "" || id.Kind != "Secret" || object.Annotation(fields, object.AnnotationSealed) == "" {
		return nil, false
	}
	data, _ := fields["stringData"].(map[string]any)
	for name := range data {
		if name != TextKey {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, true
}

// Keyring opens sealed Secrets with the age keys of a file. The file is read each
// time, so that keys may be changed under a daemon that runs. The zero Keyring has
// no keys.
type Keyring struct {
	// Path is the file, as age-keygen writes it.
	Path string
}

// keys reads the file.
func (k Keyring) keys() ([]age.Identity, error) {
	if k.Path == "" {
		return nil, nil
	}
	f, err := os.Open(k.Path)
	if err != nil {
		return nil, fmt.Errorf("read the age keys: %w: %w", err, ErrKey)
	}
	defer f.Close()
	keys, err := ReadKeys(f)
	if err != nil {
		return nil, fmt.Errorf("read the age keys in %s: %w: %w", k.Path, err, ErrKey)
	}
	return keys, nil
}

// Open gives the object to write in place of a sealed one: with the values
// decrypted, and the digest of what was sealed, by which it is known again. Other
// objects are given back as they are.
func (k Keyring) Open(o object.Object) (object.Object, error) {
	if o.ID.Group != "" || o.ID.Kind != "Secret" {
		return o, nil
	}
	fields := o.Fields()
	names, sealed := Sealed(o.ID, fields)
	if !sealed {
		return o, nil
	}
	file := object.Annotation(fields, object.AnnotationSealed)
	from, _ := fields["stringData"].(map[string]any)
	text, _ := from[TextKey].(string)
	parsed, err := Parse(file, []byte(text))
	if err != nil {
		return object.Object{}, err
	}
	keys, err := k.keys()
	if err != nil {
		return object.Object{}, fmt.Errorf("open %s: %w", file, err)
	}
	values, err := parsed.Open(keys)
	if err != nil {
		return object.Object{}, err
	}
	data := map[string]any{}
	for _, name := range names {
		ref, _ := from[name].(string)
		key, _, _ := strings.Cut(ref, "=")
		value, there := values[key]
		if !there {
			return object.Object{}, fmt.Errorf("open %s: it has no key %s", file, key)
		}
		data[name] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	delete(fields, "stringData")
	fields["data"] = data
	notes := fields["metadata"].(map[string]any)["annotations"].(map[string]any) // it has the mark of a sealed one
	notes[object.AnnotationOpened] = Fingerprint(o.Digest, data)
	opened, err := object.FromFields(fields)
	if err != nil {
		return object.Object{}, fmt.Errorf("open %s: the Secret %s cannot be made of it", file, o.ID.Name)
	}
	opened.Digest = o.Digest
	return opened, nil
}

// Fingerprint is a digest of a Secret's data, by which it is seen without a key
// whether a Secret still has what it was written with. Whoever can read it can
// read the data beside it; the salt keeps equal data from being seen as equal.
func Fingerprint(salt object.Digest, data map[string]any) string {
	h := hmac.New(sha256.New, salt[:])
	for _, name := range slices.Sorted(maps.Keys(data)) {
		text, _ := data[name].(string)
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}
