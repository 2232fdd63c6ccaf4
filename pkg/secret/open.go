package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strconv"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// Open decrypts the file and gives the texts of the keys at its top that hold one
// value. The checksum over all of the file is held first: nothing of a file that
// was changed is given.
func (f *File) Open(keys []age.Identity) (map[string]string, error) {
	key, err := f.dataKey(keys)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open %s: its data key is of no use", f.name)
	}
	o := opener{block: block, hash: sha512.New(), form: regexp.MustCompile(sealedForm), meta: f.meta, top: f.Values()}
	if f.meta.onlyEncrypted {
		o.hash.Write(onlyEncryptedStart())
	}
	out := map[string]string{}
	if err := f.tree.walk(nil, func(path []string, leaf any) error { return o.leaf(out, path, leaf) }); err != nil {
		return nil, fmt.Errorf("open %s: it %w", f.name, err)
	}
	mac, err := o.decrypt(f.meta.mac, f.meta.lastModified)
	want := fmt.Sprintf("%X", o.hash.Sum(nil))
	if err != nil || subtle.ConstantTimeCompare([]byte(mac.text), []byte(want)) != 1 {
		return nil, fmt.Errorf("open %s: it %w", f.name, ErrMAC)
	}
	return out, nil
}

// dataKey decrypts the key of the file with the first age key that fits.
func (f *File) dataKey(keys []age.Identity) ([]byte, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("open %s: there are no age keys; start the daemon with --age-key-file: %w", f.name, ErrKey)
	}
	var to []string
	for _, r := range f.meta.recipients {
		to = append(to, r.to)
		in, err := age.Decrypt(armor.NewReader(strings.NewReader(r.key)), keys...)
		if err != nil {
			continue // it is for somebody else, or spoilt
		}
		key, err := io.ReadAll(io.LimitReader(in, 33))
		if err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("open %s: it is encrypted for %s; add the daemon's key with: sops rotate --add-age RECIPIENT, or give the daemon the old one in --age-key-file: %w",
		f.name, strings.Join(to, ", "), ErrKey)
}

// opener decrypts the values of one file and keeps the checksum of them.
type opener struct {
	block cipher.Block
	hash  hash.Hash
	form  *regexp.Regexp
	meta  metadata
	top   map[string]string // the values that are asked for
}

// leaf takes one value into the checksum, and into the result if it stands at the top.
func (o *opener) leaf(out map[string]string, path []string, leaf any) error {
	encrypted := o.meta.encrypts(path)
	v := value{text: plainText(leaf)}
	if text, _ := leaf.(string); encrypted && text != "" {
		var err error
		if v, err = o.decrypt(text, strings.Join(path, ":")+":"); err != nil {
			return err
		}
	}
	if leaf == nil || v.comment || o.meta.onlyEncrypted && !encrypted {
		return nil
	}
	o.hash.Write([]byte(v.text)) // a hash takes everything
	if _, asked := o.top[path[0]]; asked {
		out[path[0]] = v.show()
	}
	return nil
}

// value is one decrypted value, in the text that the checksum is over.
type value struct {
	text    string
	comment bool
	flag    bool // it is true or false
}

// show is the value as people write it.
func (v value) show() string {
	if v.flag {
		return strings.ToLower(v.text)
	}
	return v.text
}

// sealedForm is how sops writes an encrypted value.
const sealedForm = `^ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z]+)\]$`

// decrypt opens one value; with is what it is bound to, its path.
func (o *opener) decrypt(text, with string) (value, error) {
	m := o.form.FindStringSubmatch(text)
	if m == nil {
		return value{}, fmt.Errorf("%w: a value is not of the form ENC[...]", ErrForm)
	}
	var parts [3][]byte
	for i := range parts {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(m[i+1]); err != nil {
			return value{}, fmt.Errorf("%w: a value is cut off", ErrForm)
		}
	}
	data, iv, tag := parts[0], parts[1], parts[2]
	gcm, err := cipher.NewGCMWithNonceSize(o.block, len(iv))
	if err != nil || len(tag) != gcm.Overhead() {
		return value{}, fmt.Errorf("%w: a value is cut off", ErrForm)
	}
	plain, err := gcm.Open(nil, iv, append(data, tag...), []byte(with))
	if err != nil {
		return value{}, fmt.Errorf("%w (%s)", ErrMAC, strings.TrimSuffix(with, ":"))
	}
	return typed(string(plain), m[4])
}

// typed brings a value into the text that the checksum is over.
func typed(plain, kind string) (value, error) {
	wrong := fmt.Errorf("%w: a value is not of the type it says", ErrForm)
	switch kind {
	case "str", "bytes", "time":
		return value{text: plain}, nil
	case "comment":
		return value{text: plain, comment: true}, nil
	case "int":
		v, err := strconv.Atoi(plain)
		if err != nil {
			return value{}, wrong
		}
		return value{text: strconv.Itoa(v)}, nil
	case "float":
		v, err := strconv.ParseFloat(plain, 64)
		if err != nil {
			return value{}, wrong
		}
		return value{text: plainText(v)}, nil
	case "bool":
		v, err := strconv.ParseBool(plain)
		if err != nil {
			return value{}, wrong
		}
		return value{text: plainText(v), flag: true}, nil
	}
	return value{}, wrong
}

// plainText is the text of a value that is not encrypted, as the checksum has it.
func plainText(leaf any) string {
	switch v := leaf.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return ""
}

// onlyEncryptedStart starts the checksum of a file that leaves out of it what is
// not encrypted, so that the two kinds of checksum never meet.
func onlyEncryptedStart() []byte {
	return []byte{
		0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
		0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
	}
}

// ReadKeys reads age keys as age-keygen writes them.
func ReadKeys(r io.Reader) ([]age.Identity, error) {
	keys, err := age.ParseIdentities(r)
	if err != nil {
		return nil, errors.New("it has no age keys, as age-keygen writes them") // the library's words quote the line
	}
	return keys, nil
}
