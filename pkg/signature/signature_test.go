package signature_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/signature"
)

// kind is one commit of the corpus and what must be said of it.
type kind struct {
	name string
	raw  []byte
	want error // nil: it counts
	// stricter marks what git itself lets pass.
	stricter bool
	policy   *signature.Policy // another one than the corpus' own
	at       time.Time
}

// TestCorpus holds commits of all kinds against the policy, and what we let count
// against git verify-commit: git must let it count as well.
func TestCorpus(t *testing.T) {
	b := newBench(t)
	ada, carl, bob := b.gpg("ada", "ed25519", "never", ""), b.gpg("carl", "rsa3072", "never", ""), b.ssh("bob", "-t", "ed25519")
	dora, rolf := b.ssh("dora", "-t", "ecdsa"), b.ssh("rolf", "-t", "rsa", "-b", "2048")
	sub := b.gpg("sub", "ed25519", "never", "")
	fpr := field(b.run("gpg", "--list-keys", "--with-colons", "sub@example.com"), "fpr", 9)
	b.run("gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", "--quick-add-key", fpr, "ed25519", "sign", "never")
	sub = b.exported("sub")
	old := b.gpg("old", "ed25519", "1y", "20200101T000000")
	gone := b.gpg("gone", "ed25519", "never", "")
	eve, mallory := b.gpg("eve", "ed25519", "never", ""), b.ssh("mallory", "-t", "ed25519")

	p := policy(t, nil, map[string]any{
		"ada":  map[string]any{"gpg": []string{ada.public}, "emails": []string{"ada@example.com"}},
		"carl": map[string]any{"gpg": []string{carl.public}}, "sub": map[string]any{"gpg": []string{sub.public}},
		"old": map[string]any{"gpg": []string{old.public}}, "gone": map[string]any{"gpg": []string{revoke(b, gone)}},
		"bob":  map[string]any{"ssh": []string{bob.public}, "emails": []string{"bob@example.com"}},
		"dora": map[string]any{"ssh": []string{dora.public}}, "rolf": map[string]any{"ssh": []string{rolf.public}},
	})
	kinds := good(b, ada, carl, sub, bob, dora, rolf)
	signed, other := b.commit(ada), b.commit(bob, "-m", "another")
	kinds = append(kinds, keys(b, ada, bob, old, gone, eve, mallory)...)
	kinds = append(kinds, mangled(b, signed, other)...)
	kinds = append(kinds, policies(t, ada, bob, signed, other)...)

	b.run("gpg", "--batch", "--quiet", "--yes", "--delete-secret-and-public-key", field(b.run("gpg", "--list-keys", "--with-colons", "eve@example.com"), "fpr", 9))
	signers := filepath.Join(b.home, "signers")
	list := ""
	for name, k := range map[string]key{"bob": bob, "dora": dora, "rolf": rolf} {
		list += name + "@example.com namespaces=\"git\" " + k.public
	}
	if err := os.WriteFile(signers, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	b.feed(revoke(b, gone), "gpg", "--batch", "--quiet", "--import")

	good, refused, stricter := 0, 0, 0
	for _, k := range kinds {
		judge := p
		if k.policy != nil {
			judge = k.policy
		}
		_, err := judge.Check(k.raw, k.at)
		if k.want == nil && err != nil || !errors.Is(err, k.want) {
			t.Errorf("%s: got %v, want %v", k.name, err, k.want)
		}
		byGit := b.verified(k.raw, signers)
		switch {
		case err == nil && !byGit:
			t.Errorf("%s: it counts, and git refuses it", k.name)
		case err != nil && byGit && !k.stricter:
			t.Errorf("%s: git lets it count: %v", k.name, err)
		case err == nil:
			good++
		default:
			refused++
		}
		if err != nil && byGit {
			stricter++
		}
	}
	t.Logf("%d kinds: %d count, %d are refused, of which git itself lets %d pass", len(kinds), good, refused, stricter)
	if len(kinds) < 40 {
		t.Errorf("%d kinds are too few", len(kinds))
	}
}

// field finds a field of gpg's listing with colons.
func field(listing, record string, n int) string {
	for line := range strings.Lines(listing) {
		if parts := strings.Split(line, ":"); parts[0] == record {
			return parts[n]
		}
	}
	return ""
}

// revoke gives a public key with its revocation.
func revoke(b *bench, k key) string {
	b.t.Helper()
	name := strings.TrimPrefix(k.settings[1], "user.signingKey=")
	files, err := filepath.Glob(filepath.Join(b.home, "gpg", "openpgp-revocs.d", field(b.run("gpg", "--list-keys", "--with-colons", name), "fpr", 9)+".rev"))
	if err != nil || len(files) != 1 {
		b.t.Fatalf("revocations: %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		b.t.Fatal(err)
	}
	elsewhere := filepath.Join(b.home, "other")
	if err := os.MkdirAll(elsewhere, 0o700); err != nil {
		b.t.Fatal(err)
	}
	b.feed(k.public, "gpg", "--homedir", elsewhere, "--batch", "--quiet", "--import")
	b.feed(strings.Replace(string(text), ":-----BEGIN", "-----BEGIN", 1), "gpg", "--homedir", elsewhere, "--batch", "--quiet", "--import")
	public := b.run("gpg", "--homedir", elsewhere, "--export", "--armor", name)
	_ = b.command("", "gpgconf", "--homedir", elsewhere, "--kill", "all").Run()
	return public
}

// good are the commits that count.
func good(b *bench, ada, carl, sub, bob, dora, rolf key) []kind {
	list := []kind{
		{name: "GPG ed25519", raw: b.commit(ada)}, {name: "GPG RSA", raw: b.commit(carl)}, {name: "GPG subkey", raw: b.commit(sub)},
		{name: "SSH ed25519", raw: b.commit(bob)}, {name: "SSH ECDSA", raw: b.commit(dora)}, {name: "SSH RSA", raw: b.commit(rolf)},
		{name: "no message", raw: b.commit(bob, "--allow-empty-message", "-m", "")},
		{name: "message of headers", raw: b.commit(bob, "-m", "tree of things\n\nparent x\ngpgsig y\n\n\n")},
		{name: "as of now", raw: b.commit(ada), at: time.Now().Add(time.Minute)},
	}
	latin := b.script("latin", `printf 'caf\351' > "$1"`)
	list = append(list, kind{name: "another encoding", raw: b.commit(ada.with("i18n.commitEncoding=ISO-8859-1", "core.editor="+latin), "-e", "-m", "x")})
	b.git("checkout", "--quiet", "-b", "side", "HEAD~1")
	b.commit(key{}, "-m", "unsigned, on a side branch")
	b.git("-c", "user.signingKey=ada@example.com", "tag", "-s", "-m", "a tag", "v1")
	b.git("checkout", "--quiet", "-")
	b.git("checkout", "--quiet", "-B", "main")
	for _, k := range []struct {
		name string
		key  key
		what string
	}{{"merge signed by a forge", bob, "side"}, {"merge of a signed tag", ada, "v1"}} {
		b.git("reset", "--quiet", "--hard", "main")
		args := []string{"git", "-C", b.dir}
		for _, s := range k.key.settings {
			args = append(args, "-c", s)
		}
		b.run(append(args, "merge", "--quiet", "--no-ff", "-S", "-m", "merge", k.what)...)
		raw := b.raw("HEAD")
		list = append(list, kind{name: k.name, raw: raw})
		if k.what == "side" {
			list = append(list, kind{name: "parents swapped", raw: swapParents(raw), want: signature.ErrBad})
			b.git("reset", "--quiet", "--hard", "HEAD~1")
		}
	}
	b.git("merge", "--quiet", "--no-ff", "-m", "merge without a signature", "-s", "ours", b.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "x"))
	list = append(list,
		kind{name: "unsigned merge", raw: b.raw("HEAD"), want: signature.ErrUnsigned},
		kind{name: "signed tag on an unsigned commit", raw: b.raw("v1^{commit}"), want: signature.ErrUnsigned})
	return list
}

func swapParents(raw []byte) []byte {
	lines := bytes.SplitAfter(raw, []byte("\n"))
	lines[1], lines[2] = lines[2], lines[1]
	return bytes.Join(lines, nil)
}

// keys are commits by keys that do not count.
func keys(b *bench, ada, bob, old, gone, eve, mallory key) []kind {
	then := b.script("then", `exec gpg --faked-system-time 20200601T000000 "$@"`)
	weak := b.script("weak", `exec gpg --digest-algo SHA1 --allow-weak-digest-algos "$@"`)
	short := b.script("short", `exec gpg --default-sig-expire seconds=1 "$@"`)
	text := b.script("text", `exec gpg --textmode "$@"`)
	file := b.script("file", `for a; do shift; [ "$a" = git ] && a=file; set -- "$@" "$a"; done; exec ssh-keygen "$@"`)
	env := b.env
	b.env = append(append([]string(nil), env...), "GIT_COMMITTER_DATE=2020-06-01T00:00:00Z")
	expired := b.commit(old.with("gpg.program=" + then))
	b.env = env
	stale := b.commit(ada.with("gpg.program=" + short))
	return []kind{
		{name: "unsigned", raw: b.commit(key{}), want: signature.ErrUnsigned},
		{name: "unknown GPG key", raw: b.commit(eve), want: signature.ErrUnknownKey},
		{name: "unknown SSH key", raw: b.commit(mallory), want: signature.ErrUnknownKey},
		{name: "expired GPG key, now", raw: expired, want: signature.ErrExpired, at: time.Now(), stricter: true}, // git says Y and lets it pass
		{name: "expired GPG key, used now", raw: b.commit(old.with("gpg.program=" + then)), want: signature.ErrExpired, stricter: true},
		{name: "expired signature", raw: stale, want: signature.ErrExpired, at: time.Now().Add(time.Hour), stricter: true},
		{name: "revoked GPG key", raw: b.commit(gone), want: signature.ErrRevoked},
		{name: "SHA-1", raw: b.commit(ada.with("gpg.program=" + weak)), want: signature.ErrBad, stricter: true},
		{name: "GPG signature over text", raw: b.commit(ada.with("gpg.program=" + text)), want: signature.ErrMalformed, stricter: true},
		{name: "SSH signature for files", raw: b.commit(bob.with("gpg.ssh.program=" + file)), want: signature.ErrBad},
	}
}

// replaced changes one thing in a commit's bytes.
func replaced(raw []byte, old, text string) []byte {
	if !bytes.Contains(raw, []byte(old)) {
		panic("there is no " + old)
	}
	return bytes.Replace(raw, []byte(old), []byte(text), 1)
}

// header is the text of the gpgsig header of a commit, its last newline included.
func header(raw []byte) string {
	start := bytes.Index(raw, []byte("gpgsig "))
	end := bytes.Index(raw[start:], []byte("-----END "))
	return string(raw[start : start+end+bytes.IndexByte(raw[start+end:], '\n')+1])
}

// mangled are commits whose bytes were changed by hand: one signed by GPG and one by SSH.
func mangled(b *bench, pgp, ssh []byte) []kind {
	h, s := header(pgp), header(ssh)
	tree := string(pgp[:len("tree ")+40])
	blob := decode(s)
	return []kind{
		{name: "message changed", raw: replaced(pgp, "for a reason", "for another reason"), want: signature.ErrBad},
		{name: "message changed, SSH", raw: replaced(ssh, "another", "an other"), want: signature.ErrBad},
		{name: "tree changed", raw: replaced(pgp, tree, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4905"), want: signature.ErrBad},
		{name: "author changed", raw: replaced(pgp, "author Ada", "author Eve"), want: signature.ErrBad},
		{name: "another commit's signature", raw: replaced(ssh, s, h), want: signature.ErrBad},
		{name: "header added", raw: replaced(pgp, "gpgsig ", "note of mine\ngpgsig "), want: signature.ErrBad},
		{name: "signature in the message only", raw: append(replaced(pgp, h, ""), h...), want: signature.ErrUnsigned},
		{name: "forged continuation", raw: replaced(pgp, h, h+" tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"), want: signature.ErrMalformed, stricter: true},
		{name: "text after an SSH signature", raw: replaced(ssh, s, s+" anything\n"), want: signature.ErrMalformed, stricter: true},
		{name: "two signatures", raw: replaced(pgp, h, h+h), want: signature.ErrMalformed, stricter: true},
		{name: "two signatures, the first foreign", raw: replaced(pgp, h, s+h), want: signature.ErrMalformed, stricter: true},
		{name: "a signature for SHA-256", raw: replaced(pgp, h, strings.Replace(h, "gpgsig ", "gpgsig-sha256 ", 1)), want: signature.ErrMalformed},
		{name: "both headers", raw: replaced(pgp, h, h+strings.Replace(h, "gpgsig ", "gpgsig-sha256 ", 1)), want: signature.ErrMalformed, stricter: true},
		{name: "another spelling of the header", raw: replaced(pgp, h, strings.Replace(h, "gpgsig ", "GPGSIG ", 1)), want: signature.ErrMalformed},
		{name: "second tree", raw: replaced(pgp, "gpgsig ", tree+"\ngpgsig "), want: signature.ErrMalformed},
		{name: "second author", raw: replaced(pgp, "gpgsig ", "author Eve <eve@example.com> 1 +0000\ngpgsig "), want: signature.ErrMalformed},
		{name: "signature before the tree", raw: append([]byte(h), replaced(pgp, h, "")...), want: signature.ErrMalformed, stricter: true},
		{name: "begins with a continuation", raw: append([]byte(" x\n"), pgp...), want: signature.ErrMalformed},
		{name: "NUL in the header", raw: replaced(pgp, "author Ada", "author A\x00a"), want: signature.ErrMalformed},
		{name: "two addresses", raw: replaced(pgp, "<ada@example.com>", "<eve@example.com> <ada@example.com>"), want: signature.ErrMalformed},
		{name: "armor cut", raw: replaced(pgp, "-----END PGP SIGNATURE-----\n", ""), want: signature.ErrMalformed},
		{name: "armor of another kind", raw: replaced(ssh, s, strings.ReplaceAll(s, "SSH SIGNATURE", "SIGNED MESSAGE")), want: signature.ErrMalformed},
		{name: "SSH signature as GPG", raw: replaced(ssh, s, strings.ReplaceAll(s, "SSH SIGNATURE", "PGP SIGNATURE")), want: signature.ErrMalformed},
		{name: "bytes after the SSH blob", raw: replaced(ssh, s, encode(append(bytes.Clone(blob), 0))), want: signature.ErrMalformed, stricter: true},
		{name: "SSH blob cut", raw: replaced(ssh, s, encode(blob[:len(blob)-1])), want: signature.ErrMalformed},
		{name: "SSH version 2", raw: replaced(ssh, s, encode(bytes.Replace(blob, []byte("SSHSIG\x00\x00\x00\x01"), []byte("SSHSIG\x00\x00\x00\x02"), 1))), want: signature.ErrMalformed},
		{name: "SSH bit flipped", raw: replaced(ssh, s, encode(flipped(blob))), want: signature.ErrBad},
		{name: "GPG signature twice in one armor", raw: replaced(pgp, h, twice(h)), want: signature.ErrMalformed, stricter: true},
		{name: "nothing at all", raw: nil, want: signature.ErrMalformed},
		{name: "no commit", raw: []byte("tree of life\n\nhello\n"), want: signature.ErrMalformed},
		{name: "empty signature", raw: replaced(pgp, h, "gpgsig \n"), want: signature.ErrMalformed},
	}
}

func decode(header string) []byte {
	text := strings.NewReplacer("gpgsig ", "", "\n ", "\n").Replace(header)
	_, text, _ = strings.Cut(text, "SIGNATURE-----\n")
	text, _, _ = strings.Cut(text, "-----END")
	raw, _ := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	return raw
}

func encode(blob []byte) string {
	text := base64.StdEncoding.EncodeToString(blob)
	out := "gpgsig -----BEGIN SSH SIGNATURE-----\n"
	for len(text) > 70 {
		out, text = out+" "+text[:70]+"\n", text[70:]
	}
	return out + " " + text + "\n -----END SSH SIGNATURE-----\n"
}

func flipped(blob []byte) []byte {
	b := bytes.Clone(blob)
	b[len(b)-5] ^= 1
	return b
}

// twice is a GPG signature's header with its packet two times in the armor.
func twice(header string) string {
	_, body, _ := strings.Cut(header, "\n \n")
	body, _, _ = strings.Cut(body, " -----END")
	body = body[:strings.LastIndex(strings.TrimSuffix(body, "\n"), "\n")+1] // without the checksum
	raw, _ := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", " ", "").Replace(body))
	return "gpgsig -----BEGIN PGP SIGNATURE-----\n \n " + base64.StdEncoding.EncodeToString(append(bytes.Clone(raw), raw...)) + "\n -----END PGP SIGNATURE-----\n"
}

// policies are good commits under policies that do not let them count.
func policies(t *testing.T, ada, bob key, pgp, ssh []byte) []kind {
	with := func(more map[string]any, signer map[string]any) *signature.Policy {
		signer["gpg"], signer["ssh"] = []string{ada.public}, []string{bob.public}
		return policy(t, more, map[string]any{"both": signer})
	}
	soon, before := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z"), time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05Z")
	author := map[string]any{"authorMustSign": true}
	mail := func(addresses ...string) map[string]any { return map[string]any{"emails": addresses} }
	return []kind{
		{name: "revoked signer", raw: pgp, policy: with(nil, map[string]any{"revoked": true}), want: signature.ErrRevoked, stricter: true},
		{name: "signer of later", raw: ssh, policy: with(nil, map[string]any{"validAfter": soon}), want: signature.ErrExpired, stricter: true},
		{name: "signer of before", raw: ssh, policy: with(nil, map[string]any{"validBefore": before}), want: signature.ErrExpired, stricter: true},
		{name: "signer of now", raw: ssh, policy: with(nil, map[string]any{"validAfter": before, "validBefore": soon})},
		{name: "signer until soon, later", raw: ssh, policy: with(nil, map[string]any{"validBefore": soon}), at: time.Now().Add(2 * time.Hour), want: signature.ErrExpired, stricter: true},
		{name: "author signs", raw: pgp, policy: with(author, mail("Ada@example.com"))},
		{name: "author is another", raw: pgp, policy: with(author, mail("bob@example.com")), want: signature.ErrAuthor, stricter: true},
		{name: "signer without addresses", raw: pgp, policy: with(author, mail()), want: signature.ErrAuthor, stricter: true},
		{name: "nobody may sign", raw: pgp, policy: policy(t, nil, map[string]any{}), want: signature.ErrUnknownKey, stricter: true},
		{name: "nobody may sign, SSH", raw: ssh, policy: policy(t, nil, map[string]any{}), want: signature.ErrUnknownKey, stricter: true},
	}
}

// A policy with a key that cannot be read, or that is two people's, is none.
func TestParseRefuses(t *testing.T) {
	const a = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF1oRkGJpX0GdEKvCm3EOtAHF3a9h6X7rFzMNy7TDS4S"
	for _, raw := range []string{
		``, `[]`, `{"signers":{"a":null}}`, `{"signers":{"a":{"validAfter":"soon"}}}`,
		`{"signers":{"a":{"gpg":["-----BEGIN PGP PUBLIC KEY BLOCK-----"]}}}`, `{"signers":{"a":{"ssh":["ssh-ed25519 AAAA"]}}}`,
		`{"signers":{"a":{"ssh":["command=\"x\" ` + a + `"]}}}`, fmt.Sprintf(`{"signers":{"a":{"ssh":[%q]}}}`, a+"\n"+a),
		fmt.Sprintf(`{"signers":{"a":{"ssh":[%q]},"b":{"ssh":[%q]}}}`, a, a),
	} {
		if _, err := signature.Parse([]byte(raw)); err == nil {
			t.Errorf("%s was read", raw)
		}
	}
	if _, err := signature.Parse([]byte(fmt.Sprintf(`{"signers":{"a":{"ssh":[%q,%q]}}}`, a, a))); err != nil {
		t.Error(err)
	}
}

// FuzzCheck: whatever the bytes, they are judged without a panic, and nothing that
// nobody signed counts.
func FuzzCheck(f *testing.F) {
	p, err := signature.Parse([]byte(`{"required":true,"signers":{"a":{"ssh":["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF1oRkGJpX0GdEKvCm3EOtAHF3a9h6X7rFzMNy7TDS4S"]}}}`))
	if err != nil {
		f.Fatal(err)
	}
	head := "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
	for _, s := range []string{
		"", "\n\n", head + "\nx", head + "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n\nx",
		head + "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iHUEABYKAB0WIQ==\n =AAAA\n -----END PGP SIGNATURE-----\n\nx",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := p.Check(raw, time.Time{}); err == nil {
			t.Errorf("%q counts", raw)
		}
	})
}
