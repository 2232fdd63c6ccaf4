package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Listing is a list that a forge gives in pages, numbered from 1.
type Listing[T any] struct {
	Path  string
	Query url.Values
	Size  int // what is asked for a page
	// Total is the header that says how many there are. Where Counted is set it has to be there.
	Total   string
	Counted bool
	// Decode reads a page; it checks each item. An array of T if nil.
	Decode func(body []byte) ([]T, error)
	// Key tells items apart. An item that comes twice is a page that came twice.
	Key func(T) string
	// Blank is how many pages without an item may stand before one that has some, for
	// lists that leave out items after they were cut into pages. Such a list's pages say
	// neither what follows nor how many there are.
	Blank int
	// Whole is a list that comes in one page whatever is asked.
	Whole bool
}

// errUneven is a list whose pages do not fit together: it changed while it was read,
// or it is not told truly. Reading it again tells which.
var errUneven = errors.New("the pages do not fit together")

const (
	maxPages = 300
	readings = 3
)

// List reads all of a list, or fails. Pages move while they are read: an item that
// goes pushes the next one over the edge of a page, unseen. So a list of more pages
// than one is believed when two readings, one after the other, are the same; with
// ETags the second costs little.
func List[T any](ctx context.Context, c *Client, l Listing[T]) ([]T, error) {
	var before []string
	var last error
	for range readings {
		items, keys, pages, err := l.read(ctx, c)
		switch {
		case err != nil && !errors.Is(err, errUneven):
			return nil, err
		case err != nil:
			last, before = err, nil
			continue
		case pages == 1 || before != nil && slices.Equal(before, keys):
			return items, nil
		}
		before = keys
		last = fmt.Errorf("GET %s: %w: it changes while it is read", c.address(l.request(1)), errUneven)
	}
	return nil, last
}

func (l Listing[T]) request(page int) Request {
	q := url.Values{}
	maps.Copy(q, l.Query)
	if !l.Whole {
		q.Set("page", strconv.Itoa(page))
	}
	return Request{Path: l.Path, Query: q}
}

// read goes through the pages once.
func (l Listing[T]) read(ctx context.Context, c *Client) (items []T, keys []string, pages int, err error) {
	seen := map[string]bool{}
	told := turn{total: -1}
	blank := 0
	for page := 1; ; page++ {
		if page > maxPages {
			return nil, nil, 0, fmt.Errorf("GET %s: it has more than %d pages", c.address(l.request(1)), maxPages)
		}
		req := l.request(page)
		answer, got, err := l.page(ctx, c, req)
		if err != nil {
			return nil, nil, 0, err
		}
		for _, item := range got {
			key := l.Key(item)
			if key == "" || key == "0" {
				return nil, nil, 0, c.fault(req, answer.Status, errors.New("an item has no name or number"))
			}
			if seen[key] {
				return nil, nil, 0, c.fault(req, answer.Status, fmt.Errorf("%w: %s comes twice", errUneven, key))
			}
			seen[key] = true
			keys = append(keys, key)
		}
		items = append(items, got...)
		if err := told.hear(answer.Header, page, len(got), counts{l.Total, l.Counted}); err != nil {
			return nil, nil, 0, c.fault(req, answer.Status, err)
		}
		if blank++; len(got) > 0 {
			blank = 0
		}
		if l.Whole || !told.more(page, len(got), len(items), l.Size) && blank >= l.Blank {
			if err := told.end(page, len(items)); err != nil {
				return nil, nil, 0, c.fault(req, answer.Status, err)
			}
			return items, keys, page, nil
		}
	}
}

func (l Listing[T]) page(ctx context.Context, c *Client, req Request) (Answer, []T, error) {
	answer, err := c.Do(ctx, req)
	if err != nil {
		return answer, nil, err
	}
	var raw json.RawMessage
	if err := c.decode(req, answer, &raw); err != nil {
		return answer, nil, err
	}
	var got []T
	if l.Decode == nil {
		got, err = Array[T](raw)
	} else {
		got, err = l.Decode(raw)
	}
	if err != nil {
		return answer, nil, c.fault(req, answer.Status, fmt.Errorf("the answer cannot be read: %w", err))
	}
	return answer, got, nil
}

// Array reads a JSON array of T. Null is none.
func Array[T any](body []byte) ([]T, error) {
	var got []T
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, err
	}
	if got == nil {
		return nil, errors.New("it is null and not a list")
	}
	return got, nil
}

// Convert reads a JSON array whose items can be refused, and with one the whole of it.
func Convert[From, To any](body []byte, value func(From) (To, error)) ([]To, error) {
	raw, err := Array[From](body)
	if err != nil {
		return nil, err
	}
	out := make([]To, 0, len(raw))
	for _, item := range raw {
		one, err := value(item)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// counts is the header that says how many there are, and whether it has to.
type counts struct {
	header string
	always bool
}

// turn is what the pages of one reading have said of each other.
type turn struct {
	total int // -1 if nothing was said
	last  int
	next  bool
}

// hear takes what a page of so many items says of the others.
func (t *turn) hear(h http.Header, page, got int, counts counts) error {
	links := Links(h.Get("Link"))
	next, has, err := links.page("next")
	prev, had, err2 := links.page("prev")
	last, ends, err3 := links.page("last")
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	if has && next != page+1 || had && prev != page-1 {
		return fmt.Errorf("%w: page %d says that it is between %d and %d", errUneven, page, prev, next)
	}
	t.next = has
	if ends {
		t.last = max(t.last, last)
	}
	if got == 0 && page > 1 && page <= t.last {
		return fmt.Errorf("%w: page %d of %d is empty", errUneven, page, t.last)
	}
	return t.count(h, counts)
}

// count takes what a page says of how many there are.
func (t *turn) count(h http.Header, counts counts) error {
	if counts.header == "" {
		return nil
	}
	text := h.Get(counts.header)
	if text == "" && !counts.always {
		return nil
	}
	if text == "" {
		return fmt.Errorf("the answer has no header %s: it cannot be told whether all came", counts.header)
	}
	total, err := strconv.Atoi(text)
	if err != nil || total < 0 {
		return fmt.Errorf("the header %s is no number", counts.header)
	}
	if t.total >= 0 && t.total != total {
		return fmt.Errorf("%w: there were %d and then %d", errUneven, t.total, total)
	}
	t.total = total
	return nil
}

// more says whether to ask for another page: one is named, or what came so far does
// not prove that there is none.
func (t *turn) more(page, got, all, size int) bool {
	if got == 0 {
		return t.next // an empty page is the end, unless it says otherwise
	}
	return t.next || t.last > page || t.total > all || got >= size // a full page proves nothing, whatever it says
}

// end holds what came against what was said.
func (t *turn) end(page, all int) error {
	if t.total >= 0 && t.total != all {
		return fmt.Errorf("%w: %d of %d came", errUneven, all, t.total)
	}
	if t.last > page {
		return fmt.Errorf("%w: page %d of %d is the last that came", errUneven, page, t.last)
	}
	return nil
}

// LinkHeader is the addresses of a Link header (RFC 8288) by their relation.
type LinkHeader map[string]string

// Links reads a Link header. What cannot be read is left out; nobody follows these
// addresses, only the page numbers in them are looked at.
func Links(header string) LinkHeader {
	out := LinkHeader{}
	for header != "" {
		_, rest, ok := strings.Cut(header, "<")
		if !ok {
			break
		}
		address, rest, ok := strings.Cut(rest, ">")
		if !ok {
			break
		}
		params, next, _ := strings.Cut(rest, ",")
		header = next
		for param := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
			if strings.EqualFold(strings.TrimSpace(name), "rel") {
				for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
					out[strings.ToLower(rel)] = address
				}
			}
		}
	}
	return out
}

// page is the number in the address of a relation.
func (l LinkHeader) page(rel string) (int, bool, error) {
	text, ok := l[rel]
	if !ok {
		return 0, false, nil
	}
	address, err := url.Parse(text)
	if err != nil {
		return 0, false, fmt.Errorf("the Link to the %s page is no address", rel)
	}
	n, err := strconv.Atoi(address.Query().Get("page"))
	if err != nil || n < 1 {
		return 0, false, fmt.Errorf("the Link to the %s page has no page number", rel)
	}
	return n, true, nil
}
