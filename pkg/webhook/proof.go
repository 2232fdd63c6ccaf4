package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSignatures bounds how many signatures of one request are looked at. A
// sender has one for each secret it is changing between.
const maxSignatures = 8

// proof is what a request's headers bring to show that its sender knows a
// secret: a secret as it is, or signatures over the body.
type proof struct {
	// known: a secret itself was sent, so the body needs no signature.
	known bool
	// plain are HMACs of the body alone.
	plain [][]byte
	// stamped are HMACs of the stamp, a dot each after its parts, and the body.
	stamped [][]byte
	stamp   string
}

// proofOf reads what the headers bring of the ways that count at a forge's
// address. A verdict says that no body could make it right.
func (v *Receiver) proofOf(at Forge, h http.Header) (proof, Verdict) {
	var p proof
	all, tried := at == Any, false
	token := func(text string) {
		tried = tried || text != ""
		p.known = isSecret(v.o.Secrets, text) || p.known
	}
	if all || at == GitLab {
		token(h.Get("X-Gitlab-Token"))
	}
	if all || at == Generic {
		token(bearer(h))
	}
	if all || at == GitHub {
		p.addHex(h.Get("X-Hub-Signature-256"), "sha256=")
	}
	if all || at == Gitea {
		p.addHex(h.Get("X-Gitea-Signature"), "")
		p.addHex(h.Get("X-Forgejo-Signature"), "")
	}
	if at == Generic {
		text, _ := strings.CutPrefix(h.Get("X-Signature"), "sha256=")
		p.addHex(text, "")
	}
	stale := false
	if all || at == GitLab || at == Standard {
		stale = p.addStandard(h, v.o.Now())
	}
	switch {
	case p.known || len(p.plain) > 0 || len(p.stamped) > 0:
		return p, ""
	case stale:
		return p, Stale
	case tried:
		return p, Forged
	}
	return p, Unsigned
}

// addHex adds a signature in hexadecimal, if it is one.
func (p *proof) addHex(text, prefix string) {
	text, ok := strings.CutPrefix(text, prefix)
	if !ok || len(text) != hex.EncodedLen(sha256.Size) {
		return
	}
	if mac, err := hex.DecodeString(text); err == nil {
		p.plain = append(p.plain, mac)
	}
}

// addStandard adds the signatures of Standard Webhooks: "v1," and base64 each, of
// the id, the time in seconds and the body, with dots between. Other versions are
// skipped. It reports whether there were any with a time too far away.
func (p *proof) addStandard(h http.Header, now time.Time) (stale bool) {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || strings.Contains(id, ".") || err != nil {
		return false // with dots in the id, two requests could be signed alike
	}
	var macs [][]byte
	for text := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		encoded, ok := strings.CutPrefix(text, "v1,")
		if !ok || len(encoded) != base64.StdEncoding.EncodedLen(sha256.Size) {
			continue
		}
		if mac, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(macs) < maxSignatures {
			macs = append(macs, mac)
		}
	}
	if len(macs) == 0 {
		return false
	}
	// Not by time.Sub, which ends at 292 years.
	if at, window := now.Unix(), int64(Window/time.Second); seconds < at-window || seconds > at+window {
		return true
	}
	p.stamped, p.stamp = macs, id+"."+stamp+"."
	return false
}

// holds reports whether any secret made any of the signatures. How long it takes
// does not tell which, or how much of one was right.
func (p proof) holds(secrets []Secret, body []byte) bool {
	ok := p.known
	for _, s := range secrets {
		ok = anyEqual(p.plain, func() []byte { return mac(s.text, "", body) }) || ok
		ok = anyEqual(p.stamped, func() []byte { return mac(s.key, p.stamp, body) }) || ok
	}
	return ok
}

func anyEqual(got [][]byte, want func() []byte) bool {
	if len(got) == 0 {
		return false
	}
	w, ok := want(), false
	for _, g := range got {
		ok = hmac.Equal(g, w) || ok
	}
	return ok
}

func mac(key []byte, stamp string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(stamp))
	m.Write(body)
	return m.Sum(nil)
}

// isSecret compares with each secret, in a time that tells nothing, not even of
// lengths.
func isSecret(secrets []Secret, text string) bool {
	if text == "" {
		return false
	}
	got, ok := sha256.Sum256([]byte(text)), false
	for _, s := range secrets {
		want := sha256.Sum256(s.text)
		ok = subtle.ConstantTimeCompare(got[:], want[:]) == 1 || ok
	}
	return ok
}

func bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return token
}
