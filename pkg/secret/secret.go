// Package secret opens encrypted files of the form that sops writes, with age keys:
// at the last moment, in memory, for whoever is about to write them to a cluster.
//
// A file is known by its ciphertext everywhere else. It can be looked into
// without a key, as far as that goes: which keys it has, and whether all of it
// that should be encrypted is.
package secret

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The ways in which a file does not open. Each is said with the file's name and
// what to do, and never with a value.
var (
	// ErrForm: it is no file that sops wrote.
	ErrForm = errors.New("is no encrypted file")
	// ErrKey: none of the keys at hand opens it.
	ErrKey = errors.New("no key at hand opens it")
	// ErrMAC: somebody changed it who could not encrypt.
	ErrMAC = errors.New("was changed by somebody without the key: its checksum does not fit")
)

// MaxFile bounds a file, maxDepth how deep its values are nested, maxValues how
// many there are.
const (
	MaxFile   = 256 << 10
	maxDepth  = 32
	maxValues = 10_000
)

// File is an encrypted file, looked into without a key.
type File struct {
	name string
	tree node
	meta metadata
}

// Parse looks into a file. Its name says in which form it is written: .json, or
// YAML else. Values that should be encrypted and are not are a mistake.
func Parse(name string, text []byte) (*File, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%s %w: it is larger than %d KiB", name, ErrForm, MaxFile>>10)
	}
	read := readYAML
	if strings.HasSuffix(name, ".json") {
		read = readJSON
	}
	tree, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", name, ErrForm, err)
	}
	f := &File{name: name}
	if f.tree, f.meta, err = split(tree); err != nil {
		return nil, fmt.Errorf("%s %w: %w", name, ErrForm, err)
	}
	err = f.tree.walk(nil, func(path []string, leaf any) error {
		if !f.meta.encrypts(path) || leaf == nil || leaf == "" {
			return nil
		}
		if text, ok := leaf.(string); !ok || !strings.HasPrefix(text, "ENC[") {
			return fmt.Errorf("%s stands there in the clear: encrypt the file with sops, and change the secret, which Git has seen", strings.Join(path, "."))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", name, ErrForm, err)
	}
	return f, nil
}

// Values are the keys at the top that hold one encrypted value, with that value as
// it stands there.
func (f *File) Values() map[string]string {
	out := map[string]string{}
	for _, field := range f.tree.fields {
		if text, ok := field.value.leaf.(string); ok && strings.HasPrefix(text, "ENC[") {
			out[field.name] = text
		}
	}
	return out
}

// metadata is what sops writes about a file.
type metadata struct {
	recipients   []recipient
	lastModified string
	mac          string

	unencryptedSuffix, encryptedSuffix string
	unencryptedRegex, encryptedRegex   *regexp.Regexp
	onlyEncrypted                      bool
}

// recipient is the file's data key, encrypted for one age key.
type recipient struct{ to, key string }

// encrypts reports whether the value at a path is encrypted.
func (m metadata) encrypts(path []string) bool {
	has := func(match func(string) bool) bool {
		for _, part := range path {
			if match(part) {
				return true
			}
		}
		return false
	}
	encrypted := true
	if m.unencryptedSuffix != "" && has(func(p string) bool { return strings.HasSuffix(p, m.unencryptedSuffix) }) {
		encrypted = false
	}
	if m.encryptedSuffix != "" {
		encrypted = has(func(p string) bool { return strings.HasSuffix(p, m.encryptedSuffix) })
	}
	if m.unencryptedRegex != nil && has(m.unencryptedRegex.MatchString) {
		encrypted = false
	}
	if m.encryptedRegex != nil {
		encrypted = has(m.encryptedRegex.MatchString)
	}
	return encrypted
}
