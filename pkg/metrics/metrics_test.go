package metrics

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/status"
)

func unit(sync status.Sync, health cluster.HealthStatus) status.Unit {
	return status.Unit{Unit: catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "cart"}, Team: "shop", Sync: sync, Health: health}
}

func used() (*Metrics, *prometheus.Registry) {
	r := prometheus.NewRegistry()
	m := New(r)
	m.ReconcileDuration.WithLabelValues("apply").Observe(0.01)
	m.Reconciles.WithLabelValues("ok").Inc()
	m.Drifts.WithLabelValues("prod", "heal").Inc()
	m.RenderHits.Inc()
	m.RenderMisses.Inc()
	m.QueueDepth.WithLabelValues("eu").Set(3)
	m.GitFetch.Observe(0.2)
	m.APIRequests.WithLabelValues("eu", "patch").Inc()
	m.CommitToApplied.Observe(4)
	m.HookRequests.WithLabelValues("github", "accepted").Inc()
	m.Previews.WithLabelValues("ready").Set(2)
	m.PreviewReady.Observe(3)
	m.Cluster(status.Cluster{Name: "eu", Reachable: true})
	m.Source(status.Source{Revision: "abc", Verdict: "passed"})
	m.Unit(unit(status.Synced, cluster.Healthy))
	return m, r
}

func scrape(t *testing.T, r *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestNamesAreAsPromised(t *testing.T) {
	_, r := used()
	var got []string
	for line := range strings.Lines(scrape(t, r)) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			got = append(got, strings.TrimSpace(rest))
		}
	}
	slices.Sort(got)
	want := []string{
		"fairway_api_requests_total counter", "fairway_cluster_reachable gauge", "fairway_commit_to_applied_seconds histogram",
		"fairway_drift_total counter", "fairway_git_fetch_duration_seconds histogram", "fairway_hook_requests_total counter",
		"fairway_preview_ready_seconds histogram", "fairway_previews gauge", "fairway_queue_depth gauge",
		"fairway_reconcile_duration_seconds histogram", "fairway_reconcile_total counter", "fairway_render_cache_hits_total counter",
		"fairway_render_cache_misses_total counter", "fairway_source_info gauge", "fairway_source_withheld gauge", "fairway_unit_info gauge",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestLint(t *testing.T) {
	_, r := used()
	problems, err := promlint.New(strings.NewReader(scrape(t, r))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestSeriesFollowTheirUnit(t *testing.T) {
	m, r := used()
	m.Unit(unit(status.Failed, cluster.HealthUnknown))
	want := `fairway_unit_info{cluster="eu",environment="prod",health="Unknown",service="cart",sync="Failed",team="shop"} 1`
	if got := series(t, r, "fairway_unit_info{"); len(got) != 1 || got[0] != want {
		t.Errorf("after a change: %q, want %q", got, want)
	}
	m.UnitGone(unit("", "").Unit)
	m.UnitGone(unit("", "").Unit)
	if got := series(t, r, "fairway_unit_info{"); len(got) != 0 {
		t.Errorf("after the unit went: %q", got)
	}
	m.ClusterGone("eu")
	if got := series(t, r, `cluster="eu"`); len(got) != 0 {
		t.Errorf("after the cluster went: %q", got)
	}
	m.Source(status.Source{Revision: "def", Verdict: "failed"})
	if got := series(t, r, "fairway_source_info{"); len(got) != 1 || !strings.Contains(got[0], "def") {
		t.Errorf("after a new revision: %q", got)
	}
}

func series(t *testing.T, r *prometheus.Registry, containing string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(scrape(t, r)) {
		if line = strings.TrimSpace(line); strings.Contains(line, containing) && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func TestHistogramsAreNative(t *testing.T) {
	_, r := used()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			if h := metric.GetHistogram(); h != nil && (len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) != 16) {
				t.Errorf("%s: native spans %d, classic buckets %d", f.GetName(), len(h.GetPositiveSpan()), len(h.GetBucket()))
			}
		}
	}
}
