package forge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Comment is one comment of ours on a pull request, which is kept and not repeated.
type Comment struct {
	Marker string // which of ours: letters, digits, dots, slashes, dashes
	Body   string // Markdown
	Link   string // where all of it can be read, if the forge takes only a part; may be empty
}

// Note is a comment as it stands on the forge.
type Note struct {
	ID     int64
	Author string
	Body   string
}

// Board is what Stick needs of a forge: the comments of one pull request.
type Board interface {
	// Self is the login that our comments carry.
	Self(ctx context.Context) (string, error)
	Notes(ctx context.Context, number int) object.Set[int64, Note]
	Write(ctx context.Context, number int, body string) error
	Rewrite(ctx context.Context, number int, id int64, body string) error
	Erase(ctx context.Context, number int, id int64) error
	// Limit is the most bytes of a comment; 0 for none.
	Limit() int
}

// Stick keeps one comment: the oldest of ours with the marker is written anew if it
// reads otherwise, others of ours with the marker are removed, and one is written
// only where it is known that there is none. Comments of others are never ours,
// whatever they hold.
func Stick(ctx context.Context, board Board, number int, c Comment) error {
	mark, err := hidden(c.Marker)
	if err != nil {
		return err
	}
	self, err := board.Self(ctx)
	if err != nil {
		return fmt.Errorf("find out who we are on the forge: %w", err)
	}
	set := board.Notes(ctx, number)
	notes, known := set.Members()
	if !known {
		return fmt.Errorf("look for our comment on pull request %d: %w", number, set.Why())
	}
	body := mark + "\n" + c.Body
	if limit := board.Limit(); limit > 0 {
		body = mark + "\n" + Cut(c.Body, limit-len(mark)-1, c.Link)
	}
	var ours []int64
	for _, id := range slices.Sorted(maps.Keys(notes)) {
		if n := notes[id]; strings.EqualFold(n.Author, self) && strings.HasPrefix(n.Body, mark) {
			ours = append(ours, id)
		}
	}
	if len(ours) == 0 {
		return board.Write(ctx, number, body)
	}
	if plain(notes[ours[0]].Body) != plain(body) {
		if err := board.Rewrite(ctx, number, ours[0], body); err != nil {
			return err
		}
	}
	for _, id := range ours[1:] {
		if err := board.Erase(ctx, number, id); err != nil {
			return fmt.Errorf("remove our second comment: %w", err)
		}
	}
	return nil
}

// hidden is a marker as HTML that nobody sees.
func hidden(marker string) (string, error) {
	for _, r := range marker {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-", r) {
			return "", fmt.Errorf("marker %q of a comment: letters, digits, dots, slashes and dashes only", marker)
		}
	}
	if marker == "" || strings.Contains(marker, "--") {
		return "", fmt.Errorf("marker %q of a comment: it is empty or ends the HTML comment it stands in", marker)
	}
	return "<!-- fairway:" + marker + " -->", nil
}

// plain is a body without what forges change in keeping it.
func plain(body string) string {
	return strings.TrimSpace(strings.ReplaceAll(body, "\r\n", "\n"))
}

// Cut makes Markdown fit into limit bytes: whole lines, what is open (a fence, a
// fold) is closed, and the last line says that there is more, and where. Bytes are
// never fewer than the characters that forges count.
func Cut(body string, limit int, link string) string {
	if len(body) <= limit {
		return body
	}
	rest := fmt.Sprintf("\n\n_This was cut: it has %d bytes, and the forge takes no more._", len(body))
	if link != "" {
		rest += " [All of it](" + link + ")"
	}
	const closing = 512 // room for what has to be closed
	at := max(limit-len(rest)-closing, 0)
	kept := body[:at]
	if end := strings.LastIndexByte(kept, '\n'); end >= 0 {
		kept = kept[:end]
	} else {
		for range utf8.UTFMax - 1 { // not within a character
			if r, size := utf8.DecodeLastRuneInString(kept); r == utf8.RuneError && size == 1 {
				kept = kept[:len(kept)-1]
			}
		}
	}
	cut := kept + unclosed(kept) + rest
	if len(cut) > limit { // a limit for nothing, or folds without end
		return strings.ToValidUTF8(strings.TrimSpace(rest)[:min(max(limit, 0), len(strings.TrimSpace(rest)))], "")
	}
	return cut
}

// unclosed is what ends the fence and the folds that a text leaves open.
func unclosed(text string) string {
	var fence string
	folds := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && len(ticks) >= len(fence) && ticks == line:
			fence = ""
		case fence == "":
			folds += strings.Count(line, "<details") - strings.Count(line, "</details>")
		}
	}
	closed := ""
	if fence != "" {
		closed = "\n" + fence
	}
	if folds > 0 {
		closed += strings.Repeat("\n\n</details>", folds)
	}
	return closed
}
