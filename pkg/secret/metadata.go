package secret

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// metaField holds what sops writes about a file.
const metaField = "sops"

// split takes what sops wrote about the file out of it, and reads it.
func split(tree node) (node, metadata, error) {
	sops, ok := tree.get(metaField)
	if !ok || sops.fields == nil {
		return node{}, metadata{}, errors.New("it has no part called sops; encrypt it with: sops encrypt --in-place")
	}
	rest := node{fields: []field{}}
	for _, f := range tree.fields {
		if f.name != metaField {
			rest.fields = append(rest.fields, f)
		}
	}
	m, err := readMetadata(sops)
	return rest, m, err
}

func readMetadata(sops node) (metadata, error) {
	text := func(name string) string {
		n, _ := sops.get(name)
		return n.text()
	}
	for _, name := range []string{"key_groups", "shamir_threshold", "encrypted_comment_regex", "unencrypted_comment_regex"} {
		n, _ := sops.get(name)
		if len(n.items) > 0 || n.leaf != nil && n.leaf != "" && n.leaf != 0 {
			return metadata{}, fmt.Errorf("it uses %s, which is not read here; encrypt it for age keys, each of which opens it", name)
		}
	}
	m := metadata{mac: text("mac"), unencryptedSuffix: text("unencrypted_suffix"), encryptedSuffix: text("encrypted_suffix")}
	if n, _ := sops.get("mac_only_encrypted"); n.leaf == true {
		m.onlyEncrypted = true
	}
	modified, err := time.Parse(time.RFC3339, text("lastmodified"))
	if err != nil || m.mac == "" {
		return metadata{}, errors.New("its checksum or the time of it is missing")
	}
	m.lastModified = modified.Format(time.RFC3339)
	for name, re := range map[string]**regexp.Regexp{"encrypted_regex": &m.encryptedRegex, "unencrypted_regex": &m.unencryptedRegex} {
		if text(name) == "" {
			continue
		}
		if *re, err = regexp.Compile(text(name)); err != nil {
			return metadata{}, fmt.Errorf("its %s is no pattern", name)
		}
	}
	age, _ := sops.get("age")
	for _, item := range age.items {
		to, _ := item.get("recipient")
		key, _ := item.get("enc")
		m.recipients = append(m.recipients, recipient{to.text(), key.text()})
	}
	if len(m.recipients) == 0 {
		return metadata{}, errors.New("it is encrypted for no age key; encrypt it with: sops encrypt --age RECIPIENT")
	}
	return m, nil
}
