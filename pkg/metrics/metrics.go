// Package metrics is what the daemon counts about itself, for Prometheus.
//
// The names and labels are a promise: dashboards and alerts are written
// against them. Labels never contain names of objects, and the series of a
// unit go when the unit goes.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/status"
)

// Metrics are the daemon's own. The fields are counted by those who do the
// work; units, clusters and the source are set from their status.
type Metrics struct {
	// ReconcileDuration by phase: evaluate, apply.
	ReconcileDuration *prometheus.HistogramVec
	// Reconciles by result.
	Reconciles *prometheus.CounterVec
	// Drifts by environment and by what was done: heal or drift, which only says so.
	Drifts *prometheus.CounterVec
	// RenderHits and RenderMisses of the cache of rendered units.
	RenderHits, RenderMisses prometheus.Counter
	// QueueDepth is the units that wait, by cluster.
	QueueDepth *prometheus.GaugeVec
	GitFetch   prometheus.Histogram
	// APIRequests to Kubernetes, by cluster and verb.
	APIRequests *prometheus.CounterVec
	// CommitToApplied is the time from a commit to a unit being at it.
	CommitToApplied prometheus.Histogram
	// HookRequests by the forge whose address they came to and the verdict.
	HookRequests *prometheus.CounterVec
	// Previews by state; PreviewReady is the time from a head that is known to its preview
	// being there and well.
	Previews     *prometheus.GaugeVec
	PreviewReady prometheus.Histogram

	clusterReachable *prometheus.GaugeVec
	sourceInfo       *prometheus.GaugeVec
	sourceWithheld   prometheus.Gauge
	unitInfo         *prometheus.GaugeVec

	mu    sync.Mutex
	units map[catalog.UnitKey][]string // the labels of each unit's one series
}

// New makes the metrics and registers them. Registering twice is a mistake in
// the program and panics.
func New(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{
		ReconcileDuration: f.NewHistogramVec(histogram("fairway_reconcile_duration_seconds", "Time a phase of reconciling takes.", time.Millisecond, 60*time.Second), []string{"phase"}),
		Reconciles:        f.NewCounterVec(counter("fairway_reconcile_total", "Reconciles of units, by result."), []string{"result"}),
		Drifts:            f.NewCounterVec(counter("fairway_drift_total", "Live objects found changed by hand, by what was done about it."), []string{"environment", "action"}),
		RenderHits:        f.NewCounter(counter("fairway_render_cache_hits_total", "Units whose rendering was known already.")),
		RenderMisses:      f.NewCounter(counter("fairway_render_cache_misses_total", "Units that had to be rendered.")),
		QueueDepth:        f.NewGaugeVec(gauge("fairway_queue_depth", "Units that wait to be reconciled."), []string{"cluster"}),
		GitFetch:          f.NewHistogram(histogram("fairway_git_fetch_duration_seconds", "Time a look at Git takes.", time.Millisecond, 60*time.Second)),
		APIRequests:       f.NewCounterVec(counter("fairway_api_requests_total", "Requests to Kubernetes APIs."), []string{"cluster", "verb"}),
		clusterReachable:  f.NewGaugeVec(gauge("fairway_cluster_reachable", "Whether a cluster answers (1) or not (0)."), []string{"cluster"}),
		CommitToApplied:   f.NewHistogram(histogram("fairway_commit_to_applied_seconds", "Time from a commit to a unit being at it.", 100*time.Millisecond, time.Hour)),
		HookRequests:      f.NewCounterVec(counter("fairway_hook_requests_total", "Requests to the addresses for webhooks, by what came of them."), []string{"forge", "verdict"}),
		Previews:          f.NewGaugeVec(gauge("fairway_previews", "Previews of open pull requests, by how they are doing."), []string{"state"}),
		PreviewReady:      f.NewHistogram(histogram("fairway_preview_ready_seconds", "Time from a head being taken in to its preview being there and well.", 100*time.Millisecond, time.Hour)),
		sourceInfo:        f.NewGaugeVec(gauge("fairway_source_info", "The revision read last and its verdict; always 1."), []string{"revision", "verdict"}),
		sourceWithheld:    f.NewGauge(gauge("fairway_source_withheld", "Whether the branch has a commit that is not followed (1), because it rewinds it or is not signed as it must be.")),
		unitInfo:          f.NewGaugeVec(gauge("fairway_unit_info", "The state of each unit; always 1."), []string{"service", "environment", "cluster", "team", "sync", "health"}),
		units:             map[catalog.UnitKey][]string{},
	}
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Name: name, Help: help}
}

// histogram is native for those who scrape that, and has 16 buckets from least
// to most for the others.
func histogram(name, help string, least, most time.Duration) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets:                         prometheus.ExponentialBucketsRange(least.Seconds(), most.Seconds(), 16),
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// Unit sets the state of a unit; its series with the former state goes.
func (m *Metrics) Unit(u status.Unit) {
	health := string(u.Health)
	if health == "" {
		health = "Unknown"
	}
	labels := []string{u.Unit.Service, u.Unit.Environment, u.Unit.Cluster, u.Team, string(u.Sync), health}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.units[u.Unit]; ok {
		m.unitInfo.DeleteLabelValues(before...)
	}
	m.units[u.Unit] = labels
	m.unitInfo.WithLabelValues(labels...).Set(1)
}

// UnitGone forgets a unit.
func (m *Metrics) UnitGone(unit catalog.UnitKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if labels, ok := m.units[unit]; ok {
		m.unitInfo.DeleteLabelValues(labels...)
		delete(m.units, unit)
	}
}

// Cluster sets whether a cluster answers.
func (m *Metrics) Cluster(c status.Cluster) {
	value := 0.0
	if c.Reachable {
		value = 1
	}
	m.clusterReachable.WithLabelValues(c.Name).Set(value)
}

// ClusterGone forgets a cluster that is no longer declared.
func (m *Metrics) ClusterGone(name string) {
	m.clusterReachable.DeleteLabelValues(name)
	m.QueueDepth.DeleteLabelValues(name)
	m.APIRequests.DeletePartialMatch(prometheus.Labels{"cluster": name})
}

// Source sets the revision that was read last; the former one's series goes.
func (m *Metrics) Source(s status.Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sourceInfo.Reset()
	m.sourceInfo.WithLabelValues(s.Revision, s.Verdict).Set(1)
	m.sourceWithheld.Set(0)
	if s.Withheld != "" {
		m.sourceWithheld.Set(1)
	}
}
