package tenancy_test

import (
	"os"
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval/worker"
)

func TestMain(m *testing.M) {
	worker.Maybe()
	os.Exit(m.Run())
}
