// Package tenancy says what a unit may put into a cluster, and with whose
// rights: the kinds and fields of its objects, the account it writes as, and
// the manifests that make the cluster itself refuse everything else.
//
// All of it comes from one table of kinds, so that what Go lets through and
// what the cluster lets through cannot drift apart. The package knows nothing
// of how objects were made: it looks at them as they are about to be applied.
// Everything that is not allowed is refused.
package tenancy

import (
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Scope is what one unit may write to.
type Scope struct {
	// Unit is the unit's name, which each of its objects must carry.
	// Example: "prod/prod-eu/checkout".
	Unit string
	// Namespace is the only one the unit may write to. Example: "shop-prod".
	Namespace string
	// Owner is the team the unit belongs to. Example: "shop".
	Owner string
	// Team tells that this is a team's own unit, which holds the namespace
	// itself and what guards it.
	Team bool
	// Cluster tells that this is a cluster's own unit, which holds nothing that is in
	// a namespace.
	Cluster bool
	// Policies are the admission policies that a cluster's own unit may hold beside
	// those that every cluster's may.
	Policies []string
	// Hosts are the host names the unit claims.
	Hosts []string
	// Offered are the kinds the cluster offers to services beside the usual ones.
	Offered Offer
}

// Fault is one thing a unit may not hold.
type Fault struct {
	Object object.ID
	// Field is what of the object is at fault, spelled as in
	// object.FieldChange; empty where it is the object as such.
	// Example: ".spec.template.spec.hostNetwork".
	Field string
	// Rule is the stable name of what is broken. Example: "host-access".
	Rule string
	// Why is the rule in words.
	Why string
}

// String says it in one line.
// Example: "Deployment shop-prod/checkout: .spec.template.spec.hostNetwork: a pod may not use the node's network".
func (f Fault) String() string {
	if f.Field == "" {
		return f.Object.String() + ": " + f.Why
	}
	return f.Object.String() + ": " + f.Field + ": " + f.Why
}

// The names of the rules.
const (
	RuleKind       = "kind"
	RuleNamespace  = "namespace"
	RuleIdentity   = "identity"
	RuleMetadata   = "metadata"
	RuleHost       = "host-access"
	RulePrivilege  = "privilege"
	RuleAccount    = "account"
	RuleVolume     = "volume"
	RuleScheduling = "scheduling"
	RuleReference  = "reference"
	RuleTraffic    = "traffic"
	RuleSecret     = "secret"
	RuleBaseline   = "baseline"
	RuleSize       = "size"
)

// The most a unit may hold.
const (
	MaxObjects = 5_000
	MaxObject  = 1 << 20
	MaxTotal   = 64 << 20
)

// maxFaults bounds what is said about one unit: the rest is more of the same.
const maxFaults = 50

// Check holds a unit's objects against its scope. It gives every fault, up to
// a bound, in the order of the objects; nothing if all is well.
func Check(scope Scope, objects []object.Object) []Fault {
	c := &checker{scope: scope, accounts: map[string]bool{}, seen: map[object.ID]bool{}}
	if why := Reserved(scope.Namespace); why != "" && !scope.Cluster {
		return []Fault{{Rule: RuleNamespace, Why: why}}
	}
	if len(objects) > MaxObjects {
		return []Fault{{Rule: RuleSize, Why: fmt.Sprintf("the unit has %d objects; %d is the most", len(objects), MaxObjects)}}
	}
	total := 0
	for _, o := range objects {
		total += len(o.Body)
		if o.ID.Kind == "ServiceAccount" && o.ID.Group == "" {
			c.accounts[o.ID.Name] = true
		}
	}
	if total > MaxTotal {
		return []Fault{{Rule: RuleSize, Why: fmt.Sprintf("the unit's objects have %d bytes; %d is the most", total, MaxTotal)}}
	}
	for _, o := range objects {
		c.object(o)
	}
	return c.faults
}

// checker looks at one unit's objects, one after the other.
type checker struct {
	scope    Scope
	accounts map[string]bool // the service accounts the unit declares
	seen     map[object.ID]bool
	id       object.ID // the object at hand
	faults   []Fault
}

func (c *checker) fault(rule, field, why string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, Fault{Object: c.id, Field: field, Rule: rule, Why: fmt.Sprintf(why, args...)})
	}
}

func (c *checker) object(o object.Object) {
	c.id = o.ID
	if len(o.Body) > MaxObject {
		c.fault(RuleSize, "", "it has %d bytes; %d is the most", len(o.Body), MaxObject)
		return
	}
	if c.seen[o.ID] {
		c.fault(RuleIdentity, "", "it is rendered twice")
		return
	}
	c.seen[o.ID] = true
	fields := o.Fields()
	if !c.identity(o, fields) {
		return // what it is decides what else may be in it
	}
	c.metadata(fields)
	c.content(o, fields)
}

// Reserved says why no team may have a namespace of this name; "" for one that
// it may have.
func Reserved(namespace string) string {
	for _, prefix := range []string{"kube-", "openshift-", SystemNamespace} {
		if strings.HasPrefix(namespace, prefix) {
			return fmt.Sprintf("the namespace %s is the cluster's own; rename the team or the environment", namespace)
		}
	}
	if namespace == "" || namespace == "default" {
		return "a unit needs a namespace of its own"
	}
	return ""
}

// System says why the daemon may not keep its inventory and its lease in a
// namespace; "" for one where it may. All of those are reserved, whichever is
// chosen, so that nobody who judges a team's namespace has to know which it is.
func System(namespace string) string {
	if !isName(namespace) || len(namespace) > 63 || strings.Contains(namespace, ".") {
		return fmt.Sprintf("%q is no name of a namespace", namespace)
	}
	if !strings.HasPrefix(namespace, SystemNamespace) {
		return fmt.Sprintf("the namespace %s could be a team's; use one that begins with %s", namespace, SystemNamespace)
	}
	return ""
}
