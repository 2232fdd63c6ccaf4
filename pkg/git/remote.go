package git

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
)

// Remote is a branch of a repository elsewhere.
type Remote struct {
	// URL with the scheme https, http or ssh, or user@host:path for ssh. It holds no
	// password and, for http, no user: those are Credentials.
	URL string
	// Branch such as "main", or a full reference name such as "refs/pull/1/head".
	Branch string
	Credentials
}

// Credentials are sent to the remote's own host and nowhere else, and are never part
// of an error. The zero value is anonymous.
type Credentials struct {
	// Username and Password for http. A token is a Password; most forges take any
	// Username with it.
	Username, Password string
	// SSHKey is a PEM private key, Password its passphrase if it has one. Without a
	// key the running SSH agent is asked.
	SSHKey []byte
	// KnownHosts is a file of accepted SSH host keys, the user's own when empty.
	KnownHosts string
}

// String shows where, and not by which credentials.
func (r Remote) String() string { return fmt.Sprintf("%s of %s", r.Branch, printableURL(r.URL)) }

// endpoint parses the URL, refusing everything that is not a plain remote.
func (r Remote) endpoint(allowFile bool) (*transport.Endpoint, error) {
	if err := checkURL(r.URL); err != nil {
		return nil, err
	}
	ep, err := transport.NewEndpoint(r.URL)
	if err != nil {
		return nil, errors.New("URL does not parse") // the cause would quote it
	}
	switch ep.Protocol {
	case "http", "https":
		if ep.User != "" || ep.Password != "" {
			return nil, errors.New("URL holds credentials: pass them apart")
		}
	case "ssh":
		if ep.Password != "" {
			return nil, errors.New("URL holds credentials: pass them apart")
		}
	case "file":
		if !allowFile {
			return nil, errors.New("URL is a local path")
		}
		return ep, nil
	default:
		return nil, fmt.Errorf("URL scheme %q is none of https, http, ssh", ep.Protocol)
	}
	if ep.Host == "" || strings.HasPrefix(ep.Host, "-") || strings.HasPrefix(ep.Path, "-") {
		return nil, errors.New("URL has no proper host and path")
	}
	return ep, nil
}

// checkURL refuses what could be an option, a command or a line break to some program.
func checkURL(raw string) error {
	switch {
	case raw == "":
		return errors.New("URL is empty")
	case strings.HasPrefix(raw, "-"):
		return errors.New("URL starts with a dash")
	case strings.ContainsFunc(raw, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("URL has control characters")
	case strings.Contains(strings.SplitN(raw, "/", 2)[0], "::"):
		return errors.New("URL names a remote helper")
	}
	return nil
}

// printableURL is the URL without credentials, or nothing of it.
func printableURL(raw string) string {
	if !strings.Contains(raw, "://") {
		if user, rest, ok := strings.Cut(raw, "@"); ok && !strings.ContainsAny(user, ":/") {
			return user + "@" + rest
		}
		if strings.ContainsRune(raw, '@') {
			return "(URL withheld)"
		}
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "(URL withheld)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// auth is the credentials in the form that the endpoint's protocol takes; nil is none.
func (r Remote) auth(ep *transport.Endpoint) (transport.AuthMethod, error) {
	switch {
	case strings.HasPrefix(ep.Protocol, "http") && (r.Username != "" || r.Password != ""):
		return &http.BasicAuth{Username: r.Username, Password: r.Password}, nil
	case ep.Protocol == "ssh" && len(r.SSHKey) > 0:
		user := ep.User
		if user == "" {
			user = "git"
		}
		keys, err := ssh.NewPublicKeys(user, r.SSHKey, r.Password)
		if err != nil {
			return nil, errors.New("SSH key does not parse")
		}
		if r.KnownHosts != "" {
			if keys.HostKeyCallback, err = ssh.NewKnownHostsCallback(r.KnownHosts); err != nil {
				return nil, fmt.Errorf("read known hosts: %w", err)
			}
		}
		return keys, nil
	}
	return nil, nil
}

// session opens a connection for fetching or pushing; over http it sends nothing yet.
func session[S transport.Session](ctx context.Context, s *Store, r Remote, open func(transport.Transport, *transport.Endpoint, transport.AuthMethod) (S, error)) (S, error) {
	var none S
	ep, err := r.endpoint(s.options.AllowFile)
	if err != nil {
		return none, err
	}
	auth, err := r.auth(ep)
	if err != nil {
		return none, err
	}
	client := s.web
	switch ep.Protocol {
	case "ssh":
		client = ssh.NewClient(nil)
	case "file":
		client = file.NewClient(transport.UploadPackServiceName, transport.ReceivePackServiceName)
	}
	type result struct {
		session S
		err     error
	}
	done := make(chan result, 1)
	go func() { // ssh dials here, and go-git gives it no context
		session, err := open(client, ep, auth)
		done <- result{session, err}
	}()
	select {
	case r := <-done:
		return r.session, r.err
	case <-ctx.Done():
		go func() {
			if late := <-done; late.err == nil {
				_ = late.session.Close()
			}
		}()
		return none, ctx.Err()
	}
}

// advertised finds the branch in what a remote advertises.
func advertised(refs *packp.AdvRefs, name plumbing.ReferenceName) (Hash, error) {
	if h, ok := refs.Peeled[string(name)]; ok {
		return Hash(h), nil
	}
	if h, ok := refs.References[string(name)]; ok {
		return Hash(h), nil
	}
	return Hash{}, fmt.Errorf("branch %s: %w", name, ErrNotFound)
}

// clean turns a transport's error into ours, without what a server may have echoed.
func (c Credentials) clean(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return ErrDenied
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("repository: %w", ErrNotFound)
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return fmt.Errorf("repository is empty: %w", ErrNotFound)
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, ErrTooLarge, ErrNotFound,
		ErrCorrupt, ErrRewound, ErrRefused, ErrConflict} {
		lost := known == context.DeadlineExceeded && strings.HasSuffix(err.Error(), known.Error()) // go-git gives some as text only
		if !errors.Is(err, known) && !lost {
			continue
		}
		text := strings.TrimSuffix(strings.TrimSuffix(err.Error(), known.Error()), ": ")
		if text == "" {
			return known
		}
		return fmt.Errorf("%s: %w", c.redact(text), known)
	}
	return errors.New(c.redact(err.Error()))
}

// redact removes the credentials, however encoded, and shortens.
func (c Credentials) redact(text string) string {
	secret := c.Password
	if secret == "" {
		secret = c.Username // some forges take a token so
	}
	if secret != "" {
		text = strings.NewReplacer(
			base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)), "***",
			base64.StdEncoding.EncodeToString([]byte(secret)), "***",
			secret, "***",
			url.QueryEscape(secret), "***",
			url.PathEscape(secret), "***",
		).Replace(text)
	}
	const most = 400
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}
