package reconcile

import (
	"math/rand/v2"
	"time"
)

// The bounds of waiting between attempts. There is no last attempt.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 2 * time.Minute
)

// backoff is how long to wait after so many failures in a row: doubling, with
// a fifth of chance so that many that failed together do not return together.
func backoff(failures int) time.Duration {
	d := firstRetry << min(max(failures-1, 0), 10)
	d = min(d, lastRetry)
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}
