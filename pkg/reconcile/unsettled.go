package reconcile

import "time"

// unsettled is when an evaluation that came to nothing for reasons that need
// not last, such as a lack of memory, is tried again at the same revision.
type unsettled struct {
	tries int
	next  time.Time
}

// due reports that it is time, and counts the try. still is whether there is
// anything left to try.
func (u *unsettled) due(now time.Time, still bool) bool {
	switch {
	case !still:
		*u = unsettled{}
		return false
	case now.Before(u.next):
		return false
	}
	u.tries++
	u.next = now.Add(backoff(u.tries))
	return true
}
