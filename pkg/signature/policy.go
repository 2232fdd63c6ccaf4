package signature

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Policy says whose signatures count, as the schema's #Signing declares it.
type Policy struct {
	Required       bool               `json:"required"`
	AuthorMustSign bool               `json:"authorMustSign"`
	Signers        map[string]*Signer `json:"signers"`

	keys  openpgp.EntityList
	byKey map[string]*Signer // by GPG fingerprint or SSH key, in bytes
}

// Signer is one who may sign.
type Signer struct {
	Emails      []string  `json:"emails"`
	GPG         []string  `json:"gpg"`
	SSH         []string  `json:"ssh"`
	ValidAfter  time.Time `json:"validAfter"`
	ValidBefore time.Time `json:"validBefore"`
	Revoked     bool      `json:"revoked"`

	name string
}

// Parse reads a policy and all its keys. A key that cannot be read is an error: it
// may be the one that revokes.
func Parse(raw json.RawMessage) (*Policy, error) {
	p := &Policy{byKey: map[string]*Signer{}}
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fmt.Errorf("read signing policy: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Signers)) {
		s := p.Signers[name]
		if s == nil {
			return nil, fmt.Errorf("read signing policy: signer %s says nothing", name)
		}
		s.name = name
		if err := p.add(s); err != nil {
			return nil, fmt.Errorf("read signing policy: signer %s: %w", name, err)
		}
	}
	return p, nil
}

func (p *Policy) add(s *Signer) error {
	for _, text := range s.GPG {
		entity, err := readPGP(text)
		if err != nil {
			return err
		}
		if err := p.own(fingerprint(entity), s); err != nil {
			return err
		}
		p.keys = append(p.keys, entity)
	}
	for _, text := range s.SSH {
		key, err := readSSH(text)
		if err != nil {
			return err
		}
		if err := p.own(key, s); err != nil {
			return err
		}
	}
	return nil
}

// own notes whose a key is; one that two have would be nobody's.
func (p *Policy) own(key string, s *Signer) error {
	if other := p.byKey[key]; other != nil && other != s {
		return fmt.Errorf("a key of %s is listed here, too", other.name)
	}
	p.byKey[key] = s
	return nil
}
