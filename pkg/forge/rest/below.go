package rest

import (
	"context"
	"fmt"
	"net/url"
)

// Below is what is asked of one repository.
type Below struct {
	*Client
	// At is the repository's path, escaped. Example: "/repos/acme/platform".
	At string
}

// Path is below the repository; its parts are escaped, slashes too.
func (b Below) Path(parts ...any) string {
	p := b.At
	for _, part := range parts {
		p += "/" + url.PathEscape(fmt.Sprint(part))
	}
	return p
}

// Send sends a request and decodes its answer, unless into is nil. The empty method is GET.
func (b Below) Send(ctx context.Context, method, path string, body, into any) error {
	req := Request{Method: method, Path: path, Body: body}
	if into == nil {
		_, err := b.Do(ctx, req)
		return err
	}
	return b.JSON(ctx, req, into)
}
