// Package catalog is the platform as declared at one revision: teams,
// services, environments, clusters, releases, and the units they add up to.
//
// It holds data only. What the data mean for Kubernetes is written in CUE;
// the few fields decoded here are the ones the engine itself acts upon.
package catalog

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/health"
	"github.com/fairway-dev/fairway/pkg/schedule"
)

// UnitKey names the unit of work, failure, status and URL: one service in one
// environment on one cluster. Example: "prod/prod-eu/checkout". A team's own
// unit (its namespace and what guards it) is spelled "prod/prod-eu/team.shop";
// service names have no dots, so the two never meet. A cluster's own unit (what it
// has once, for everybody) is spelled "platform/prod-eu/cluster".
type UnitKey struct {
	Environment string
	Cluster     string
	Service     string
}

// teamPrefix marks the service part of a team's own unit.
const teamPrefix = "team."

// TeamUnit is the key of a team's own unit.
func TeamUnit(environment, cluster, team string) UnitKey {
	return UnitKey{Environment: environment, Cluster: cluster, Service: teamPrefix + team}
}

// Team returns the team's name and true if this is a team's own unit.
func (k UnitKey) Team() (string, bool) { return strings.CutPrefix(k.Service, teamPrefix) }

// The reserved words in the key of a cluster's own unit: no environment may be
// called so.
const (
	platformEnvironment = "platform"
	clusterPart         = "cluster"
)

// ClusterUnit is the key of a cluster's own unit.
func ClusterUnit(cluster string) UnitKey {
	return UnitKey{Environment: platformEnvironment, Cluster: cluster, Service: clusterPart}
}

// OfCluster reports whether this is a cluster's own unit.
func (k UnitKey) OfCluster() bool {
	return k.Environment == platformEnvironment && k.Service == clusterPart
}

// Own reports whether this is a team's or a cluster's own unit, which other units
// stand on and the daemon itself writes.
func (k UnitKey) Own() bool {
	_, team := k.Team()
	return team || k.OfCluster()
}

// String spells the key as people write it. Example: "prod/prod-eu/checkout".
func (k UnitKey) String() string { return k.Environment + "/" + k.Cluster + "/" + k.Service }

// MarshalText spells the key; UnmarshalText reads it back.
func (k UnitKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *UnitKey) UnmarshalText(text []byte) error {
	key, err := ParseUnitKey(string(text))
	*k = key
	return err
}

// ParseUnitKey reads "environment/cluster/service".
func ParseUnitKey(s string) (UnitKey, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return UnitKey{}, fmt.Errorf("%q is not a unit: want ENVIRONMENT/CLUSTER/SERVICE", s)
	}
	return UnitKey{Environment: parts[0], Cluster: parts[1], Service: parts[2]}, nil
}

// Namespace is where a team's objects of one environment live. Tenancy is
// enforced on it, so it is the engine's to choose and not the platform's.
func (c *Catalog) Namespace(team, environment string) string {
	prefix := team
	if t := c.Teams[team]; t != nil && t.Namespace != "" {
		prefix = t.Namespace
	}
	return prefix + "-" + environment
}

// Declared is what every declaration has: where it stands and its data.
type Declared struct {
	Name string
	// Source is the file that declares it. Example: "teams/shop/checkout/service.cue".
	Source string
	// Data is the evaluated declaration, canonical JSON with defaults filled in;
	// nil for a declaration that is there and does not evaluate.
	Data json.RawMessage
	// Positions tells for each field a person wrote where it stands.
	Positions Positions
}

// Broken reports that the declaration is there and does not evaluate, so that
// nothing is known of what it says.
func (d Declared) Broken() bool { return d.Data == nil }

// At returns where a field stands, or the nearest enclosing field, or the file.
func (d Declared) At(field string) diag.Position {
	for field != "" {
		if pos, ok := d.Positions.Find(field); ok {
			return pos
		}
		i := strings.LastIndexByte(field, '.')
		field = field[:max(i, 0)]
	}
	return diag.Position{File: d.Source, Line: 1, Column: 1}
}

// Team owns services.
type Team struct {
	Declared
	// Namespace is what its namespaces' names begin with; of a broken team, that of
	// its last good version.
	Namespace string
	// Owners are whom to talk to about the team's services.
	Owners []string
	// Members are who else belongs to the team.
	Members []string
}

// Service is one service as its team declared it.
type Service struct {
	Declared
	Team string
	// Path is the golden path it is on. Example: "web".
	Path string
	// ObjectName is what its Kubernetes objects are called; Image is its repository.
	ObjectName string
	Image      string
	Endpoints  map[string]Endpoint
	// Needs are the uses of other services; what it needs for itself is not in it.
	Needs map[string]Need
	// Regions are those it runs in, by environment, and under "" for all that are not
	// in it; see [Catalog.RegionsOf].
	Regions map[string][]string
	// Overlays holds, by environment, the JSON merge patch over Data.
	Overlays map[string]json.RawMessage
	// Sealed are the files of encrypted secrets beside its declaration, by name.
	Sealed map[string]string
	// LastGood is the newest earlier version that evaluates, for a service whose
	// present one does not: it is what runs, and what others have to do with.
	LastGood *Service
}

// Standing is the service as its neighbours see it: itself, or its last good
// version; nil for a service that never evaluated.
func (s *Service) Standing() *Service {
	if s.Broken() {
		return s.LastGood
	}
	return s
}

// Endpoint is a port other services may use.
type Endpoint struct {
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
}

// Need is a use of another service's endpoint.
type Need struct {
	Service  string `json:"service"`
	Endpoint string `json:"endpoint"`
	// Protocol is what must be spoken there; empty for whatever is.
	Protocol string `json:"protocol"`
}

// Environment is a place services run in: dev, staging, prod. Where it is
// broken, the other fields are those of its last good version.
type Environment struct {
	Declared
	// Rank is its place in the order of promotion.
	Rank     int
	Clusters []string
	// Regions are those in which services run that name none; none stands for all.
	Regions []string
	// Base is the environment it stands on; "" for none.
	Base string
	// Domain is the one below which public services are reached.
	Domain string
	// Preview tells that no commit declares it: it is made of a pull request, and goes
	// with that.
	Preview bool
	Drift   DriftMode
	// Sleep says when the environment sleeps; nil for one that never does. It is no
	// part of the data that units are rendered from: whether they sleep is given to
	// them apart.
	Sleep *schedule.Spec
	Deletions
}

// Deletions is what an environment says about its units' deletions and about
// what was on its clusters before. Units are spelled without the environment.
// It is for the engine alone, and no part of the data that units are rendered from.
type Deletions struct {
	Consents map[string]string   `json:"consents"`
	Locks    []string            `json:"locks"`
	Adopt    map[string][]string `json:"adopt"`
}

// DriftMode says what is done about a live object that was changed by hand.
type DriftMode string

// Heal writes the declared state back; Report only says so.
const (
	Heal   DriftMode = "heal"
	Report DriftMode = "report"
)

// Cluster is a Kubernetes API that units are applied to.
type Cluster struct {
	Declared
	// Region is where it stands; of a broken cluster, where its last good version does,
	// and "" where that is not known.
	Region string
	// Nodes are its pools of nodes by name; none where that is not declared. They and
	// Capacity are no part of the data that units are rendered from.
	Nodes    map[string]NodePool
	Capacity Capacity
	// Baseline tells that the cluster has a unit of its own; of a broken cluster, that
	// its last good version does.
	Baseline bool
	// Policies are the admission policies that its own unit may hold, beside those
	// that every cluster's may.
	Policies []string
	// Connection names the kubeconfig context to use.
	Connection string
	// Consents are the deletions on the whole cluster that were agreed to, by their
	// digest, and why. They are no part of the data that units are rendered from.
	Consents map[string]string
	// Supersedes are commits of replaced histories that the cluster may leave behind.
	Supersedes []string
	// Kinds are what the cluster offers to services beside the usual kinds: group,
	// to kind, to resource.
	Kinds map[string]map[string]string
}

// NodePool is a number of equal nodes.
type NodePool struct {
	// Class is what is special about them; "" for nodes that all others run on.
	Class  string   `json:"class,omitempty"`
	CPU    string   `json:"cpu"`
	Memory string   `json:"memory"`
	Count  int      `json:"count"`
	Zones  []string `json:"zones,omitempty"`
	// Price is what one costs an hour.
	Price float64 `json:"price,omitempty"`
}

// Capacity says what is done when services ask for more than a cluster has.
type Capacity struct {
	// Enforce is "warn" or "block".
	Enforce string `json:"enforce"`
	// Headroom is the share of the nodes that stays free, in per cent.
	Headroom int `json:"headroom"`
}

// Release is what a service runs in one environment.
type Release struct {
	Declared
	Environment string
	Team        string
}

// ReleaseKey names a release: one service in one environment.
type ReleaseKey struct{ Environment, Service string }

// Catalog is everything declared at one revision. Declarations that do not
// evaluate are in it as well, without data, so that a mistake is never taken
// for a removal.
type Catalog struct {
	Teams    map[string]*Team
	Services map[string]*Service
	// Variants are services as some environment alone has them; see [Catalog.ServiceIn].
	Variants     map[ReleaseKey]*Service
	Environments map[string]*Environment
	Clusters     map[string]*Cluster
	Releases     map[ReleaseKey]*Release
	// Signing says whose signatures commits must carry; nil where that is not declared.
	Signing *Declared
	// Policies are the guardrails, Exceptions who is free of them.
	Policies   map[string]*Policy
	Exceptions map[string]*Exception
	// Approvals are the rules for who must approve changes.
	Approvals map[string]*Approval
	// Previews says what becomes of pull requests while they are open; nil for nothing.
	Previews *Previews
	// Health are the rules for kinds that Kubernetes does not know, by the name of
	// their file. Example: "certificate.cert-manager.io".
	Health map[string]*health.Rules
}

// New is an empty catalog.
func New() *Catalog {
	return &Catalog{
		Teams: map[string]*Team{}, Services: map[string]*Service{},
		Environments: map[string]*Environment{}, Clusters: map[string]*Cluster{},
		Releases: map[ReleaseKey]*Release{}, Policies: map[string]*Policy{}, Exceptions: map[string]*Exception{},
		Approvals: map[string]*Approval{}, Health: map[string]*health.Rules{}, Variants: map[ReleaseKey]*Service{},
	}
}
