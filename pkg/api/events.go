package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fairway-dev/fairway/pkg/journal"
)

// writeTimeout bounds one write to a stream: a reader that takes nothing for
// that long is cut off, and resumes by its last id.
const writeTimeout = 10 * time.Second

// events streams the journal as Server-Sent Events. It begins after the
// Last-Event-ID, after ?since, or with what happens next. An event's id is the
// record's number and its name the record's kind; the kind "gap" says that
// records are missing before it.
func (s *Server) events() access {
	return func(w http.ResponseWriter, r *http.Request, _ bool) {
		since, err := s.begin(r)
		if err != nil {
			fail(w, http.StatusBadRequest, "bad-request", err.Error())
			return
		}
		select {
		case s.streams <- struct{}{}:
			defer func() { <-s.streams }()
		default:
			w.Header().Set("Retry-After", "10")
			fail(w, http.StatusServiceUnavailable, "unavailable", "too many streams are open")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // proxies are not to gather events
		stream := stream{w: w, control: http.NewResponseController(w)}
		if r.Method == http.MethodHead || stream.write(": hello\n\n") != nil {
			return
		}
		s.stream(r.Context(), stream, since)
	}
}

func (s *Server) begin(r *http.Request) (int64, error) {
	since := s.o.Journal.Head().Seq
	query := r.URL.Query()
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		query = url.Values{"Last-Event-ID": {id}}
	}
	for _, name := range []string{"since", "Last-Event-ID"} {
		if err := number(query, name, &since); err != nil {
			return 0, err
		}
	}
	return since, nil
}

// stream sends records as they come and a heartbeat when none do, until the
// reader or the server goes.
func (s *Server) stream(ctx context.Context, to stream, since int64) {
	for {
		wait, cancel := context.WithTimeout(ctx, s.o.Heartbeat)
		records, err := s.o.Journal.Wait(wait, since)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			if to.write(": still here\n\n") != nil {
				return
			}
			continue
		case err != nil:
			return // the journal is closed or broken; the reader comes back and asks again
		}
		for _, r := range records {
			since = r.Seq
			if to.record(r) != nil {
				return
			}
		}
		if to.flush() != nil {
			return
		}
	}
}

// stream is the way to one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) record(r journal.Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.w, "id: %d\nevent: %s\ndata: %s\n\n", r.Seq, oneLine(string(r.Kind)), data)
	return err
}

func (s stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	return s.flush()
}

func (s stream) flush() error { return s.control.Flush() }
