package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// floodRate is how many unsigned deliveries arrive a second.
const floodRate = 500

// flood measures how long a change takes from the hook to the cluster while deliveries
// that nobody signed arrive all the time, beside the same without them.
func (l *live) flood(ctx context.Context) (*section, error) {
	n := l.fleet.services
	s, end := begin(fmt.Sprintf("A flood of unsigned hooks at %d services", n), fmt.Sprintf("Changes of one line from the signed hook to the answer to the last PATCH, while %d "+
		"deliveries a second without a good signature arrive on loopback, each with 4 KiB; the floor is the same changes without them, before and after.", floodRate))
	defer end()
	edition := 2000
	changes := func(count int) (sample, error) {
		var totals sample
		for range count {
			edition++
			at := (edition * 7919) % n
			if at%10 == 9 {
				at-- // jobs have no Deployment
			}
			p, err := l.follow(ctx, serviceFile(at), serviceText(at, n, edition), 1)
			if err != nil {
				return nil, err
			}
			totals = append(totals, p.total)
		}
		return totals, nil
	}
	calm, err := changes(l.changes / 2)
	if err != nil {
		return s, err
	}
	flood, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	began, answers := time.Now(), &tallied{}
	over := make(chan struct{})
	go func() { defer close(over); l.deliver(flood, answers) }()
	var wet sample
	for time.Since(began) < time.Minute { // a minute at least, however fast changes are
		more, err := changes(5)
		if err != nil {
			return s, err
		}
		wet = append(wet, more...)
	}
	took := time.Since(began)
	stop()
	<-over
	after, err := changes(l.changes / 2)
	if err != nil {
		return s, err
	}
	calm = append(calm, after...)
	s.add(row{"hook to applied, p50", ms(wet.p50()), ms(calm.p50()), times(wet.p50(), calm.p50()), "<= 1.20x", judge(wet.p50() <= calm.p50()*12/10)})
	s.add(row{"hook to applied, p99", ms(wet.p99()), ms(calm.p99()), times(wet.p99(), calm.p99()), "", noGoal})
	s.note("%d deliveries in %s (%.0f a second): %d refused with 401, %d answered otherwise, %d not answered; %d changes meanwhile.",
		answers.all(), ms(took), float64(answers.all())/took.Seconds(), answers.refused.Load(), answers.other.Load(), answers.lost.Load(), len(wet))
	return s, nil
}

// tallied are the answers to a flood.
type tallied struct{ refused, other, lost atomic.Int64 }

func (t *tallied) all() int64 { return t.refused.Load() + t.other.Load() + t.lost.Load() }

// deliver sends unsigned deliveries at the rate until the context ends.
func (l *live) deliver(ctx context.Context, t *tallied) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	body := bytes.Repeat([]byte("x"), 4<<10)
	due := make(chan struct{}, floodRate)
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			for range due {
				l.deliverOne(ctx, client, body, t)
			}
		})
	}
	tick := time.NewTicker(time.Second / floodRate)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			select {
			case due <- struct{}{}:
			default: // it does not take more
			}
		}
	}
	close(due)
	senders.Wait()
}

func (l *live) deliverOne(ctx context.Context, client *http.Client, body []byte, t *tallied) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.daemon.address+"/hooks/gitea", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("X-Gitea-Signature", "00")
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			t.lost.Add(1)
		}
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		t.refused.Add(1)
		return
	}
	t.other.Add(1)
}
