package kube_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/labtest"
)

// BenchmarkApply compares server-side apply through Cluster with a bare HTTP
// client that sends the same bodies and throws the answers away.
func BenchmarkApply(b *testing.B) {
	plane := labtest.Start(b, labtest.Options{Name: "bench"})
	cfg, err := kube.Config(plane.AdminKubeconfig, "")
	if err != nil {
		b.Fatal(err)
	}
	admin, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := admin.CoreV1().Namespaces().Create(b.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"}}, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	w := &bench{plane: plane, admin: admin, ns: "bench", unit: "prod/prod-eu/bench"}
	w.Cluster = w.connect(b, kube.Options{Namespace: "fairway-bench"})
	for _, kind := range []string{"ConfigMap", "Deployment"} {
		for _, workers := range []int{1, 8, 16} {
			for _, client := range []string{"raw-http1", "raw-http2", "cluster", "raw-http1", "cluster"} {
				b.Run(fmt.Sprintf("%s/%d/%s", kind, workers, client), func(b *testing.B) {
					send := w.sender(b, client)
					b.ResetTimer()
					fan(b, workers, func(n int64) error { return send(w.benchObject(b, kind, n)) })
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "patch/s")
				})
			}
		}
	}
}

// benchObject differs from its last writing each time.
func (w *bench) benchObject(b *testing.B, kind string, n int64) object.Object {
	if kind == "ConfigMap" {
		return w.config(b, fmt.Sprintf("c%d", n%200), fmt.Sprint(n))
	}
	return w.thing(b, "apps/v1", "Deployment", fmt.Sprintf("d%d", n%200), fmt.Sprintf(`"spec":{"replicas":0,
		"selector":{"matchLabels":{"app":"x"}},"template":{"metadata":{"labels":{"app":"x"}},
		"spec":{"containers":[{"name":"main","image":"example.com/a:%d","ports":[{"containerPort":80}]}]}}}`, n))
}

func fan(b *testing.B, workers int, do func(int64) error) {
	var next atomic.Int64
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := do(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
}

func (w *bench) sender(b *testing.B, client string) func(object.Object) error {
	if client == "cluster" {
		return func(o object.Object) error {
			_, err := w.Apply(b.Context(), cluster.ApplyRequest{Object: o, Unit: w.unit, Commit: "c"})
			return err
		}
	}
	cfg, err := kube.Config(w.plane.Kubeconfig, "")
	if err != nil {
		b.Fatal(err)
	}
	tlsConfig, err := rest.TLSConfigFor(cfg)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, MaxIdleConnsPerHost: 32, ForceAttemptHTTP2: client == "raw-http2"}
	if client == "raw-http1" {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	b.Cleanup(transport.CloseIdleConnections)
	return func(o object.Object) error { return rawApply(transport, cfg, o) }
}

func rawApply(t http.RoundTripper, cfg *rest.Config, o object.Object) error {
	path := "/api/v1/namespaces/" + o.ID.Namespace + "/configmaps/"
	if o.ID.Kind == "Deployment" {
		path = "/apis/apps/v1/namespaces/" + o.ID.Namespace + "/deployments/"
	}
	req, err := http.NewRequest(http.MethodPatch, cfg.Host+path+o.ID.Name+"?fieldManager=fairway:prod/prod-eu/bench&force=true", strings.NewReader(string(o.Body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/apply-patch+yaml")
	req.Header.Set("Authorization", "Bearer "+cfg.BearerToken)
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode > 201 {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
