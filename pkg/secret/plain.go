package secret

import (
	"fmt"
	"regexp"
	"strings"
)

// shape is what a credential of some kind looks like.
type shape struct {
	form *regexp.Regexp
	what string
}

// Finder tells secrets that were written down where everybody reads them.
type Finder struct{ shapes []shape }

// NewFinder is a Finder of the kinds of credentials that are known by their form.
func NewFinder() Finder {
	re := regexp.MustCompile
	return Finder{shapes: []shape{
		{re(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY`), "a private key"},
		{re(`AGE-SECRET-KEY-1[A-Z0-9]{10}`), "an age key"},
		{re(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`), "a key of AWS"},
		{re(`\b(ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,}`), "a token of GitHub"},
		{re(`\bgithub_pat_[A-Za-z0-9_]{30,}`), "a token of GitHub"},
		{re(`\bglpat-[A-Za-z0-9_-]{20,}`), "a token of GitLab"},
		{re(`\bxox[abpors]-[A-Za-z0-9-]{10,}`), "a token of Slack"},
		{re(`\b(sk|rk)_(live|test)_[A-Za-z0-9]{16,}`), "a key of Stripe"},
		{re(`\bAIza[A-Za-z0-9_-]{35}`), "a key of Google"},
		{re(`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), "a signed token (JWT)"},
		{re(`^[a-z][a-z0-9+.-]*://[^/?#\s:@]*:[^/?#\s@]+@`), "an address with a password"},
	}}
}

// In reports what kind of secret a text is by its form; "" for none.
func (f Finder) In(text string) string {
	for _, s := range f.shapes {
		if s.form.MatchString(text) {
			return s.what
		}
	}
	return ""
}

// Variable reports what kind of secret a variable is, by its value's form or by
// its name; "" for none. What names a place, such as a path, or switches something
// is none, whatever the variable is called.
func (f Finder) Variable(name, value string) string {
	if what := f.In(value); what != "" {
		return what
	}
	if len(value) < 4 || strings.HasPrefix(value, "/") || strings.Contains(value, "://") || value == "true" || value == "false" {
		return ""
	}
	for _, end := range []string{"PUBLIC_KEY", "_KEY_ID", "_PUBLIC_TOKEN"} {
		if strings.HasSuffix(name, end) {
			return ""
		}
	}
	for _, end := range []string{"PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "SECRET", "CREDENTIALS", "API_KEY", "_KEY"} {
		if strings.HasSuffix(name, end) {
			return fmt.Sprintf("a secret by its name (..%s)", end)
		}
	}
	return ""
}
