// Package schedule says when an environment sleeps.
//
// It is a function of what is declared and of a moment that is given to it: it
// has no clock. Times are those that clocks on the wall show in the declared
// time zone, minute by minute: one that the clocks skip in spring does not come
// that day, and one that they show twice in autumn comes twice.
package schedule

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for machines that have no time zones

	"github.com/robfig/cron/v3"
)

// Spec is a schedule as it is declared.
type Spec struct {
	// From and Until are when sleep begins and ends, in the five fields of cron.
	From  string `json:"from"`
	Until string `json:"until"`
	// TimeZone is where the clocks hang. Example: "Europe/Berlin".
	TimeZone string `json:"timeZone"`
	// Holidays are dates on which nobody is woken. Example: "2026-12-25".
	Holidays []string `json:"holidays"`
	// AwakeUntil is a moment before which nobody sleeps; empty for none.
	// Example: "2026-12-01T18:00:00Z".
	AwakeUntil string `json:"awakeUntil"`
}

// Schedule is a schedule that can be asked.
type Schedule struct {
	from, until *cron.SpecSchedule
	zone        *time.Location
	holidays    map[string]bool
	awakeUntil  time.Time
}

// Fault is what is wrong with one field of a Spec.
type Fault struct {
	// Field is spelled as in the declaration. Example: "timeZone".
	Field, Why string
}

// Error says it in one line.
func (f *Fault) Error() string { return f.Field + ": " + f.Why }

// Parse reads a schedule; what is wrong with it is a *[Fault].
func Parse(spec Spec) (*Schedule, error) {
	s := &Schedule{holidays: map[string]bool{}}
	var err error
	if s.from, err = times("from", spec.From); err != nil {
		return nil, err
	}
	if s.until, err = times("until", spec.Until); err != nil {
		return nil, err
	}
	if spec.TimeZone == "" || spec.TimeZone == "Local" {
		return nil, &Fault{"timeZone", "it must name a time zone, such as Europe/Berlin"}
	}
	if s.zone, err = time.LoadLocation(spec.TimeZone); err != nil {
		return nil, &Fault{"timeZone", fmt.Sprintf("there is no time zone %q", spec.TimeZone)}
	}
	for i, date := range spec.Holidays {
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			return nil, &Fault{fmt.Sprintf("holidays.%d", i), fmt.Sprintf("there is no date %q", date)}
		}
		s.holidays[date] = true
	}
	if spec.AwakeUntil != "" {
		if s.awakeUntil, err = time.Parse(time.RFC3339, spec.AwakeUntil); err != nil {
			return nil, &Fault{"awakeUntil", fmt.Sprintf("there is no moment %q", spec.AwakeUntil)}
		}
	}
	return s, nil
}

// times reads the five fields of cron. What the parser takes beside them, such
// as a time zone, is refused before it is asked, as it panics on some of that.
func times(field, text string) (*cron.SpecSchedule, error) {
	if len(text) > 100 || strings.Trim(text, "0123456789*/,- ") != "" || len(strings.Fields(text)) != 5 {
		return nil, &Fault{field, fmt.Sprintf("%q is not five fields of cron: minute, hour, day of the month, month, day of the week, in numbers", text)}
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
	if err != nil {
		return nil, &Fault{field, err.Error()}
	}
	if parsed.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, &Fault{field, fmt.Sprintf("%q never comes", text)}
	}
	return parsed.(*cron.SpecSchedule), nil
}

// horizon is how far is looked for what comes next or came last: beyond a leap
// year's day. Where nothing is found nobody sleeps.
const horizon = 5 * 366 * 24 * time.Hour

// At reports whether it is time to sleep, and when that changes next; the zero
// time if it does not.
func (s *Schedule) At(t time.Time) (asleep bool, next time.Time) {
	if !t.Before(s.awakeUntil) {
		asleep = s.last(t)
		return asleep, s.next(t, asleep)
	}
	if s.last(s.awakeUntil) {
		return false, s.awakeUntil
	}
	return false, s.next(s.awakeUntil, false)
}

// last reports which of the two came last, at or before a moment.
func (s *Schedule) last(t time.Time) bool {
	t = t.In(s.zone).Truncate(time.Minute)
	for end := t.Add(-horizon); t.After(end); {
		sleeps, wakes, idle := s.on(t)
		switch {
		case wakes:
			return false
		case sleeps:
			return true
		case idle: // nothing all day: to an hour or two after its beginning, as days are not all of a length
			t = t.Add(-max(time.Minute, time.Duration(t.Hour()-2)*time.Hour))
		default:
			t = t.Add(-time.Minute)
		}
	}
	return false
}

// next is when the other of the two comes, after a moment.
func (s *Schedule) next(t time.Time, asleep bool) time.Time {
	t = t.In(s.zone).Truncate(time.Minute).Add(time.Minute)
	for end := t.Add(horizon); t.Before(end); {
		sleeps, wakes, idle := s.on(t)
		switch {
		case asleep && wakes, !asleep && sleeps && !wakes:
			return t
		case idle:
			t = t.Add(max(time.Minute, time.Duration(21-t.Hour())*time.Hour))
		default:
			t = t.Add(time.Minute)
		}
	}
	return time.Time{}
}

// on reports whether sleep begins or ends at a minute, and whether neither does on
// its whole day. Where both do, it ends.
func (s *Schedule) on(t time.Time) (sleeps, wakes, idle bool) {
	from, until := onDay(s.from, t), onDay(s.until, t) && !s.holidays[t.Format(time.DateOnly)]
	return from && onMinute(s.from, t), until && onMinute(s.until, t), !from && !until
}

// star marks a field of cron that says nothing.
const star = 1 << 63

// onDay reports whether a day is meant: where both the day of the month and the
// day of the week say something, either will do.
func onDay(c *cron.SpecSchedule, t time.Time) bool {
	dom, dow := c.Dom&(1<<t.Day()) != 0, c.Dow&(1<<t.Weekday()) != 0
	if c.Month&(1<<t.Month()) == 0 {
		return false
	}
	if c.Dom&star != 0 || c.Dow&star != 0 {
		return dom && dow
	}
	return dom || dow
}

func onMinute(c *cron.SpecSchedule, t time.Time) bool {
	return c.Hour&(1<<t.Hour()) != 0 && c.Minute&(1<<t.Minute()) != 0
}
