package eval

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/schedule"
)

// What the engine itself looks at of declarations. They are typed by the schema, so that
// what does not decode is not there.

func teamOf(d catalog.Declared, standing json.RawMessage) *catalog.Team {
	var fields struct {
		Namespace string   `json:"namespace"`
		Owners    []string `json:"owners"`
		Members   []string `json:"members"`
	}
	_ = json.Unmarshal(standing, &fields) // typed by the schema
	return &catalog.Team{Declared: d, Namespace: fields.Namespace, Owners: fields.Owners, Members: fields.Members}
}

// environmentOf reads where an environment runs from its data, or from those of
// its last good version.
func environmentOf(d catalog.Declared, standing json.RawMessage) *catalog.Environment {
	var fields struct {
		Rank     int               `json:"rank"`
		Clusters []string          `json:"clusters"`
		Regions  []string          `json:"regions"`
		Base     string            `json:"base"`
		Domain   string            `json:"domain"`
		Drift    catalog.DriftMode `json:"drift"`
		Sleep    *schedule.Spec    `json:"sleep"`
		catalog.Deletions
	}
	_ = json.Unmarshal(standing, &fields) // typed by the schema
	d.Data = without(d.Data, "consents", "locks", "adopt", "sleep", "regions", "base")
	return &catalog.Environment{
		Declared: d, Rank: fields.Rank, Clusters: fields.Clusters, Regions: fields.Regions, Base: fields.Base, Domain: fields.Domain,
		Drift: fields.Drift, Sleep: fields.Sleep, Deletions: fields.Deletions,
	}
}

func previewsOf(d catalog.Declared) *catalog.Previews {
	var fields struct {
		Base     string  `json:"base"`
		TTL      string  `json:"ttl"`
		Most     int     `json:"most"`
		Services int     `json:"services"`
		Monthly  float64 `json:"monthly"`
	}
	_ = json.Unmarshal(d.Data, &fields) // typed by the schema
	ttl, _ := time.ParseDuration(fields.TTL)
	return &catalog.Previews{Declared: d, Base: fields.Base, TTL: ttl, Most: fields.Most, Services: fields.Services, Monthly: fields.Monthly}
}

func clusterOf(d catalog.Declared, standing json.RawMessage) *catalog.Cluster {
	var fields struct {
		Connection struct {
			Context string `json:"context"`
		} `json:"connection"`
		Consents   map[string]string            `json:"consents"`
		Supersedes []string                     `json:"supersedes"`
		Kinds      map[string]map[string]string `json:"kinds"`
		Nodes      map[string]catalog.NodePool  `json:"nodes"`
		Capacity   catalog.Capacity             `json:"capacity"`
	}
	_ = json.Unmarshal(d.Data, &fields) // typed by the schema
	var stands struct {
		Region   string `json:"region"`
		Baseline *struct {
			Policies []string `json:"policies"`
		} `json:"baseline"`
	}
	_ = json.Unmarshal(standing, &stands)
	d.Data = without(d.Data, "consents", "supersedes", "nodes", "capacity")
	c := &catalog.Cluster{
		Declared: d, Region: stands.Region, Connection: fields.Connection.Context, Consents: fields.Consents,
		Supersedes: fields.Supersedes, Kinds: fields.Kinds, Nodes: fields.Nodes, Capacity: fields.Capacity,
	}
	if stands.Baseline != nil {
		c.Baseline, c.Policies = true, stands.Baseline.Policies
	}
	return c
}

// without leaves out of a declaration's data what is for the engine alone: units
// are rendered from the rest, so what is left out renders nothing anew.
func without(data json.RawMessage, names ...string) json.RawMessage {
	fields, err := object.DecodeFields(data)
	if err != nil {
		return data // a broken declaration has no data
	}
	for _, name := range names {
		delete(fields, name)
	}
	out, err := object.Encode(fields)
	if err != nil {
		return data // unreachable: it was decoded from JSON
	}
	return out
}

func serviceOf(d catalog.Declared, team string) *catalog.Service {
	s := &catalog.Service{Declared: d, Team: team}
	var fields struct {
		Path         string                      `json:"path"`
		ObjectName   string                      `json:"objectName"`
		Image        string                      `json:"image"`
		Endpoints    map[string]catalog.Endpoint `json:"endpoints"`
		Needs        map[string]catalog.Need     `json:"needs"`
		Regions      []string                    `json:"regions"`
		Environments map[string]json.RawMessage  `json:"environments"`
	}
	_ = json.Unmarshal(d.Data, &fields) // typed by the schema
	s.ObjectName, s.Image = fields.ObjectName, fields.Image
	maps.DeleteFunc(fields.Needs, func(_ string, n catalog.Need) bool { return n.Service == "" }) // a resource of its own
	s.Path, s.Endpoints, s.Needs, s.Overlays = fields.Path, fields.Endpoints, fields.Needs, fields.Environments
	s.Regions = regionsOf(fields.Regions, fields.Environments)
	return s
}
