package catalog

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A preview is an environment made of an open pull request. It stands on another
// environment, holds the services that the pull request changes, and is called after
// its number, so nothing that somebody wrote is part of a name.

// Previews says what becomes of pull requests while they are open.
type Previews struct {
	Declared
	// Base is the environment that previews stand on.
	Base string
	// TTL is how long a preview stays after the last push.
	TTL time.Duration
	// Most is how many previews there are at a time; Services how many services one has.
	Most, Services int
	// Monthly is what a preview may cost a month, in the money of the clusters' prices;
	// 0 for whatever it does.
	Monthly float64
}

// previewPrefix begins the names of previews, which no declared environment may have.
const previewPrefix = "pr-"

// PreviewName is the name of a pull request's preview. Example: "pr-12".
func PreviewName(number int) string { return fmt.Sprintf("%s%d", previewPrefix, number) }

// PreviewOf tells the pull request of a preview by the environment's name; false for
// what is no name of a preview.
func PreviewOf(environment string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(environment, previewPrefix)
	number, err := strconv.Atoi(digits)
	return number, ok && err == nil && PreviewName(number) == environment
}

// VersionsOf are all that is declared of a service: what its team declares, and the
// variants of environments, in the order of their names.
func (c *Catalog) VersionsOf(name string) []*Service {
	var out []*Service
	if s := c.Services[name]; s != nil {
		out = append(out, s)
	}
	if len(c.Variants) == 0 {
		return out
	}
	for _, env := range slices.Sorted(maps.Keys(c.Environments)) {
		if s := c.Variants[ReleaseKey{Environment: env, Service: name}]; s != nil {
			out = append(out, s)
		}
	}
	return out
}

// Versions are all services as anybody has them, by name, in no order: what
// [Catalog.VersionsOf] gives of each.
func (c *Catalog) Versions() iter.Seq2[string, *Service] {
	return func(yield func(string, *Service) bool) {
		for name, s := range c.Services {
			if !yield(name, s) {
				return
			}
		}
		for key, s := range c.Variants {
			if !yield(key.Service, s) {
				return
			}
		}
	}
}

// ServiceIn is a service as an environment has it: the environment's own variant, or
// what its team declares; nil if there is neither.
func (c *Catalog) ServiceIn(environment, name string) *Service {
	if s := c.Variants[ReleaseKey{Environment: environment, Service: name}]; s != nil {
		return s
	}
	return c.Services[name]
}
