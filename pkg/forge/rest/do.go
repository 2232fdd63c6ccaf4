package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Error is a request that failed. Its address and message hold no secrets.
type Error struct {
	Method, URL string
	Status      int       // 0 if no answer came
	Message     string    // the server's own words, shortened
	Until       time.Time // when the server's limit ends; zero if it was none
	Err         error     // what else went wrong; may be nil
}

// Error says what was asked, of whom, and what came back.
func (e *Error) Error() string {
	s := e.Method + " " + e.URL + ":"
	if e.Status != 0 {
		s += fmt.Sprintf(" %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		s += fmt.Sprintf(" (%s)", e.Message)
	}
	if e.Err != nil {
		s += " " + e.Err.Error()
	}
	if !e.Until.IsZero() {
		s += "; the forge's limit ends at " + e.Until.UTC().Format(time.RFC3339)
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Status is the status that an error is about, or 0.
func Status(err error) int {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Limited reports whether an error is that of a server which was asked too often, and
// takes it later.
func Limited(err error) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && !e.Until.IsZero()
}

// Says tells whether the server's words in an error hold a text, in any case.
func Says(err error, text string) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && strings.Contains(strings.ToLower(e.Message), strings.ToLower(text))
}

// errFinal is what another try would bring again.
var errFinal = errors.New("refused")

// Do sends a request. What may be repeated is, after a failure of the network or the
// server; what a limit refused is, as it was not done. All other answers but those
// below 300 are an *Error.
func (c *Client) Do(ctx context.Context, req Request) (Answer, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = json.Marshal(req.Body); err != nil {
			return Answer{}, fmt.Errorf("%s %s: %w", req.method(), c.address(req), err)
		}
	}
	failed, renewed := 0, false
	for limited := 0; ; {
		if err := c.pass(ctx, req); err != nil {
			return Answer{}, err
		}
		token, err := c.auth.Token(ctx)
		if err != nil {
			return Answer{}, c.fault(req, 0, fmt.Errorf("get a token: %w", err))
		}
		answer, err := c.attempt(ctx, req, body, token)
		now := c.opts.Now()
		until, hit := c.limits.note(answer, now)
		switch {
		case err == nil && hit:
			if limited++; limited >= c.opts.Tries || c.pass(ctx, req) != nil {
				return Answer{}, c.refused(req, answer, token, until)
			}
		case err == nil && answer.Status < 300:
			return answer, nil
		case err == nil && answer.Status == http.StatusUnauthorized && !renewed && c.auth.Renew(token):
			renewed = true
		case err == nil && answer.Status < 500 || !req.repeatable() || failed+1 >= c.opts.Tries || errors.Is(err, errFinal) || ctx.Err() != nil:
			return Answer{}, c.outcome(req, answer, token, err)
		default:
			if wait := c.pause(failed, answer, now); c.opts.Sleep(ctx, wait) != nil {
				return Answer{}, c.outcome(req, answer, token, err)
			}
			failed++
		}
	}
}

// outcome is the error of the last try.
func (c *Client) outcome(req Request, answer Answer, token string, err error) error {
	if err != nil {
		return c.fault(req, 0, cleaned{clean(err.Error(), token), err})
	}
	return c.refused(req, answer, token, time.Time{})
}

// cleaned is an error that says no token, whatever it wraps.
type cleaned struct {
	text string
	err  error
}

func (c cleaned) Error() string { return c.text }
func (c cleaned) Unwrap() error { return c.err }

func (c *Client) refused(req Request, answer Answer, token string, until time.Time) error {
	return &Error{
		Method: req.method(), URL: c.address(req).String(), Status: answer.Status,
		Message: message(answer, token), Until: until,
	}
}

// pause grows with each failure, and is never less than the server asks for, up to a minute.
func (c *Client) pause(failed int, answer Answer, now time.Time) time.Duration {
	wait := 250 * time.Millisecond << failed
	wait += rand.N(wait / 2)
	if asked := after(answer.Header, now); asked.After(now) {
		wait = max(wait, min(asked.Sub(now), time.Minute))
	}
	return wait
}

// message is what an answer says of itself. The forges put it under message, or error.
func message(answer Answer, token string) string {
	var said struct {
		Message any `json:"message"`
		Error   any `json:"error"`
		Errors  any `json:"errors"`
	}
	if json.Unmarshal(answer.Body, &said) != nil {
		return ""
	}
	var parts []string
	for _, part := range []any{said.Message, said.Error, said.Errors} {
		switch part := part.(type) {
		case nil:
		case string:
			parts = append(parts, part)
		default:
			text, _ := json.Marshal(part) // it was JSON before
			parts = append(parts, string(text))
		}
	}
	return clean(strings.Join(parts, "; "), token)
}

// clean is a server's text as it may be shown: one line, short, without our token.
func clean(text, token string) string {
	if token != "" {
		text = strings.ReplaceAll(text, token, "***")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	const longest = 400
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return strings.TrimSpace(text)
}
