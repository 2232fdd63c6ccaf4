package api

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/journal"
)

// serving serves on a loopback listener until stop is called, which gives what
// Serve gave and how long it took to end.
func serving(t *testing.T, o Options) (url string, stop func() (time.Duration, error)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- New(o).Serve(ctx, ln) }()
	return "http://" + ln.Addr().String(), func() (time.Duration, error) {
		began := time.Now()
		cancel()
		err := <-ended
		return time.Since(began), err
	}
}

// subscribe opens a stream and gives its lines.
func subscribe(t *testing.T, url, lastID string) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s %s", url, resp.Status, resp.Header.Get("Content-Type"))
	}
	return bufio.NewScanner(resp.Body)
}

// ids reads a stream until it has the ids of n events.
func ids(t *testing.T, s *bufio.Scanner, n int) []string {
	t.Helper()
	var out []string
	for len(out) < n && s.Scan() {
		if id, ok := strings.CutPrefix(s.Text(), "id: "); ok {
			out = append(out, id)
		}
	}
	return out
}

func TestEventsResume(t *testing.T) {
	o, _, j := options(t)
	url, stop := serving(t, o)
	j.Append(t.Context(), make([]journal.Record, 5)...)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := subscribe(t, url+"/api/v1/events", "")
	since := subscribe(t, url+"/api/v1/events?since=3", "")
	last := subscribe(t, url+"/api/v1/events?since=0", "4")
	lost := subscribe(t, url+"/api/v1/events", "900")
	j.Append(t.Context(), journal.Record{Kind: journal.Applied, Message: "line\nbreak"})
	for _, c := range []struct {
		name string
		s    *bufio.Scanner
		want string
	}{{"now", now, "[6]"}, {"since", since, "[4 5 6]"}, {"Last-Event-ID", last, "[5 6]"}, {"of a lost journal", lost, "[0 1 2 3 4 5 6]"}} {
		if got := fmt.Sprint(ids(t, c.s, strings.Count(c.want, " ")+1)); got != c.want {
			t.Errorf("%s: events %s, want %s", c.name, got, c.want)
		}
	}
	now.Scan()
	now.Scan()
	if got := now.Text(); !strings.HasPrefix(got, "data: {") || !strings.Contains(got, `line\nbreak`) {
		t.Errorf("data: %q", got)
	}
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

func TestHeartbeat(t *testing.T) {
	o, _, _ := options(t)
	url, stop := serving(t, o)
	s := subscribe(t, url+"/api/v1/events", "")
	beats := 0
	for beats < 3 && s.Scan() {
		if s.Text() == ": still here" {
			beats++
		}
	}
	if beats != 3 {
		t.Errorf("heard %d heartbeats: %v", beats, s.Err())
	}
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

func TestShutdownEndsStreamsAtOnce(t *testing.T) {
	o, _, _ := options(t)
	o.Heartbeat = time.Hour
	url, stop := serving(t, o)
	var streams []*bufio.Scanner
	for range 20 {
		streams = append(streams, subscribe(t, url+"/api/v1/events", ""))
	}
	took, err := stop()
	if took > 2*time.Second || err != nil {
		t.Errorf("ended after %v: %v", took, err)
	}
	for _, s := range streams {
		for s.Scan() {
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	o, _, _ := options(t)
	s := New(o)
	for range maxStreams {
		s.streams <- struct{}{}
	}
	if w := do(s.Handler(true), request("GET", "/api/v1/events")); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one stream too many: %d", w.Code)
	}
}

// A stream outlives the server's deadlines, which are for requests that end.
func TestStreamOutlivesTheReadTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the timeout")
	}
	t.Parallel()
	o, _, j := options(t)
	o.Heartbeat = time.Hour
	url, stop := serving(t, o)
	s := subscribe(t, url+"/api/v1/events", "")
	timer := time.NewTimer(11 * time.Second) // ReadTimeout is 10
	defer timer.Stop()
	<-timer.C
	j.Append(t.Context(), journal.Record{Kind: journal.Started})
	if got := ids(t, s, 1); len(got) != 1 {
		t.Errorf("the stream ended: %v", s.Err())
	}
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}: true, &net.TCPAddr{IP: net.IPv6loopback}: true,
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}: false, &net.TCPAddr{IP: net.IPv4zero}: false, &net.TCPAddr{}: false,
		&net.UnixAddr{Name: "s", Net: "unix"}: true, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}: false,
	} {
		if got := Loopback(addr); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
