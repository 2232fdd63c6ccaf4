package schedule_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/schedule"
)

func nights() schedule.Spec {
	return schedule.Spec{From: "0 20 * * 1-5", Until: "0 7 * * 1-5", TimeZone: "Europe/Berlin"}
}

func parsed(t testing.TB, spec schedule.Spec) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	m, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAt is the schedule of most: nights and week-ends, a holiday, the clocks of
// summer and winter, and a person who works late.
func TestAt(t *testing.T) {
	holiday, late, both, gap := nights(), nights(), nights(), nights()
	holiday.Holidays = []string{"2026-12-25"}
	late.AwakeUntil = "2026-12-01T22:30:00Z"
	both.Until = both.From
	gap.From, gap.Until = "30 2 * * *", "0 7 * * *"
	for _, test := range []struct {
		name   string
		spec   schedule.Spec
		at     string
		asleep bool
		next   string
	}{
		{"a day", nights(), "2026-12-01T12:00:00Z", false, "2026-12-01T19:00:00Z"},
		{"the minute before", nights(), "2026-12-01T18:59:59Z", false, "2026-12-01T19:00:00Z"},
		{"the minute itself", nights(), "2026-12-01T19:00:00Z", true, "2026-12-02T06:00:00Z"},
		{"a night", nights(), "2026-12-02T03:00:00Z", true, "2026-12-02T06:00:00Z"},
		{"the morning", nights(), "2026-12-02T06:00:00Z", false, "2026-12-02T19:00:00Z"},
		{"a Sunday", nights(), "2026-12-06T12:00:00Z", true, "2026-12-07T06:00:00Z"},
		{"summer", nights(), "2026-07-01T18:00:00Z", true, "2026-07-02T05:00:00Z"},
		{"the night when summer begins", nights(), "2026-03-29T12:00:00Z", true, "2026-03-30T05:00:00Z"},
		{"a holiday", holiday, "2026-12-25T12:00:00Z", true, "2026-12-28T06:00:00Z"},
		{"late", late, "2026-12-01T21:00:00Z", false, "2026-12-01T22:30:00Z"},
		{"too late", late, "2026-12-01T22:30:00Z", true, "2026-12-02T06:00:00Z"},
		{"both at once", both, "2026-12-01T21:00:00Z", false, ""},
		{"a time that clocks skip", gap, "2026-03-29T04:00:00Z", false, "2026-03-30T00:30:00Z"},
	} {
		asleep, next := parsed(t, test.spec).At(moment(t, test.at))
		want := time.Time{}
		if test.next != "" {
			want = moment(t, test.next)
		}
		if asleep != test.asleep || !next.Equal(want) {
			t.Errorf("%s: asleep %v until %v, want %v until %v", test.name, asleep, next.UTC(), test.asleep, want)
		}
	}
	forgotten := nights()
	forgotten.Until = "0 7 29 2 *"
	if asleep, next := parsed(t, forgotten).At(moment(t, "2026-12-01T21:00:00Z")); !asleep || !next.Equal(moment(t, "2028-02-29T06:00:00Z")) {
		t.Errorf("once in four years: asleep %v until %v", asleep, next)
	}
}

// TestParse names the field that is wrong. The parser of cron panics on some of
// these, or takes them for what the schema does not.
func TestParse(t *testing.T) {
	for _, test := range []struct {
		field string
		spoil func(*schedule.Spec)
	}{
		{"from", func(s *schedule.Spec) { s.From = "TZ=0" }},
		{"from", func(s *schedule.Spec) { s.From = "CRON_TZ=UTC" }},
		{"from", func(s *schedule.Spec) { s.From = "TZ=UTC 0 20 * * *" }},
		{"from", func(s *schedule.Spec) { s.From = "@every 1s" }},
		{"from", func(s *schedule.Spec) { s.From = "" }},
		{"from", func(s *schedule.Spec) { s.From = "0 20 * *" }},
		{"from", func(s *schedule.Spec) { s.From = "61 20 * * *" }},
		{"until", func(s *schedule.Spec) { s.Until = "0 7 * * MON" }},
		{"until", func(s *schedule.Spec) { s.Until = "0 7 30 2 *" }},
		{"until", func(s *schedule.Spec) { s.Until = "*/0 7 * * *" }},
		{"timeZone", func(s *schedule.Spec) { s.TimeZone = "" }},
		{"timeZone", func(s *schedule.Spec) { s.TimeZone = "Local" }},
		{"timeZone", func(s *schedule.Spec) { s.TimeZone = "Europe/Bielefeld" }},
		{"timeZone", func(s *schedule.Spec) { s.TimeZone = "../../etc/passwd" }},
		{"holidays.1", func(s *schedule.Spec) { s.Holidays = []string{"2026-12-25", "2026-02-30"} }},
		{"awakeUntil", func(s *schedule.Spec) { s.AwakeUntil = "tomorrow" }},
	} {
		spec := nights()
		test.spoil(&spec)
		_, err := schedule.Parse(spec)
		var fault *schedule.Fault
		if !errors.As(err, &fault) || fault.Field != test.field {
			t.Errorf("%+v: got %v, want a fault of %s", spec, err, test.field)
		}
	}
}

// zones have clocks that skip and repeat hours, half hours, and midnight.
func zones() []string {
	return []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia", "Asia/Tehran"}
}

func field(rt *rapid.T, name string, low, high int) string {
	n := func(what string) int { return rapid.IntRange(low, high).Draw(rt, name+" "+what) }
	switch rapid.IntRange(0, 5).Draw(rt, name+" form") {
	case 0:
		a, b := n("a"), n("b")
		return fmt.Sprintf("%d-%d", min(a, b), max(a, b))
	case 1:
		return fmt.Sprintf("%d,%d", n("a"), n("b"))
	case 2, 3:
		return "*"
	}
	return fmt.Sprint(n("a"))
}

func drawn(rt *rapid.T) schedule.Spec {
	expression := func(name string) string {
		return fmt.Sprintf("%d %s %s %s %s", rapid.IntRange(0, 59).Draw(rt, name+" minute"), field(rt, name+" hour", 0, 23),
			rapid.SampledFrom([]string{"*", "*", "1", "15", "28"}).Draw(rt, name+" day"), rapid.SampledFrom([]string{"*", "*", "3-11"}).Draw(rt, name+" month"), field(rt, name+" weekday", 0, 6))
	}
	spec := schedule.Spec{From: expression("from"), Until: expression("until"), TimeZone: rapid.SampledFrom(zones()).Draw(rt, "zone")}
	for range rapid.IntRange(0, 3).Draw(rt, "holidays") {
		spec.Holidays = append(spec.Holidays, fmt.Sprintf("2018-%02d-%02d", rapid.IntRange(1, 12).Draw(rt, "month"), rapid.IntRange(1, 28).Draw(rt, "day")))
	}
	return spec
}

// walker goes through time minute by minute and looks at the clock on the wall. It
// shares nothing with the schedule but the parser.
type walker struct {
	from, until *cron.SpecSchedule
	spec        schedule.Spec
	zone        *time.Location
	asleep      bool
}

func newWalker(t testing.TB, spec schedule.Spec) *walker {
	t.Helper()
	w := &walker{spec: spec}
	read := func(text string) *cron.SpecSchedule {
		s, err := cron.ParseStandard(text)
		if err != nil {
			t.Fatal(err)
		}
		return s.(*cron.SpecSchedule)
	}
	w.from, w.until = read(spec.From), read(spec.Until)
	var err error
	if w.zone, err = time.LoadLocation(spec.TimeZone); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *walker) step(t time.Time) {
	local := t.In(w.zone)
	is := func(c *cron.SpecSchedule) bool {
		bit := func(set uint64, n int) bool { return set>>uint(n)&1 == 1 }
		day := bit(c.Dom, local.Day()) && bit(c.Dow, int(local.Weekday()))
		if c.Dom>>63 == 0 && c.Dow>>63 == 0 {
			day = bit(c.Dom, local.Day()) || bit(c.Dow, int(local.Weekday()))
		}
		return day && bit(c.Month, int(local.Month())) && bit(c.Hour, local.Hour()) && bit(c.Minute, local.Minute())
	}
	wakes := is(w.until)
	for _, h := range w.spec.Holidays {
		wakes = wakes && h != local.Format(time.DateOnly)
	}
	switch {
	case wakes:
		w.asleep = false
	case is(w.from):
		w.asleep = true
	}
}

// TestAgainstAWalk compares a year, minute by minute, with what the schedule says
// at moments of it: whether it sleeps, and that it changes at the next one it
// names and not before.
func TestAgainstAWalk(t *testing.T) {
	begin := time.Date(2017, 11, 1, 0, 0, 0, 0, time.UTC)
	for seed, zone := range append(zones(), "Europe/Berlin", "America/Sao_Paulo") {
		spec := rapid.Custom(drawn).Example(seed)
		spec.TimeZone = zone
		s, err := schedule.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		w := newWalker(t, spec)
		var due time.Time // when the change comes that was foretold last
		settled := false
		w.asleep, _ = s.At(begin.Add(-time.Minute))
		for m := range 400 * 24 * 60 {
			now := begin.Add(time.Duration(m) * time.Minute)
			before := w.asleep
			w.step(now)
			if settled && w.asleep != before && !now.Equal(due) || now.Equal(due) && w.asleep == before {
				t.Fatalf("%+v: at %s it went from %v to %v, and the change was to be at %s", spec, now, before, w.asleep, due)
			}
			if w.asleep == before && settled && m%977 != 0 {
				continue
			}
			asleep, next := s.At(now.Add(time.Duration(m%60) * time.Second))
			if asleep != w.asleep || !next.IsZero() && !next.After(now) {
				t.Fatalf("%+v: at %s asleep is %v until %s, and a walk says %v", spec, now, asleep, next, w.asleep)
			}
			due, settled = next, true
		}
	}
}

// FuzzParse holds that whatever stands in a schedule, it is read or refused, and
// what is read can be asked.
func FuzzParse(f *testing.F) {
	f.Add("0 20 * * 1-5", "0 7 * * 1-5", "Europe/Berlin", "2026-12-25", "2026-12-01T18:00:00Z")
	f.Add("TZ=0", "CRON_TZ=UTC", "Local", "", "")
	f.Add("@every 1s", "*/0 * * * *", "../x", "2026-02-30", "x")
	f.Add("0-0/1 1-2/3 * * 7", "59 23 31 12 6", "UTC", "0000-01-01", "9999-12-31T23:59:59Z")
	f.Fuzz(func(t *testing.T, from, until, zone, holiday, awake string) {
		s, err := schedule.Parse(schedule.Spec{From: from, Until: until, TimeZone: zone, Holidays: []string{holiday}, AwakeUntil: awake})
		if err != nil {
			var fault *schedule.Fault
			if !errors.As(err, &fault) {
				t.Errorf("%v is no fault of a field", err)
			}
			return
		}
		now := time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
		if asleep, next := s.At(now); !next.IsZero() && !next.After(now) {
			t.Errorf("asleep is %v until %s, which is not to come", asleep, next)
		}
	})
}

// BenchmarkAt asks a schedule that comes once a week, in the middle of it.
func BenchmarkAt(b *testing.B) {
	s := parsed(b, schedule.Spec{From: "0 20 * * 5", Until: "0 7 * * 1", TimeZone: "Europe/Berlin"})
	now := moment(b, "2026-12-03T12:00:00Z")
	for b.Loop() {
		s.At(now)
	}
}
