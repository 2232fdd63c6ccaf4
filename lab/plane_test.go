package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func TestReadinessLine(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, "--name", "east", "--nodes", "4", "--zones", "a,b", "--audit")
	if r.Name != "east" || !strings.HasPrefix(r.Server, "https://127.0.0.1:") || r.StartedIn == "" {
		t.Errorf("readiness line: name %q, server %q, startedIn %q", r.Name, r.Server, r.StartedIn)
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "supervisor"} {
		if r.Pids[name] == 0 {
			t.Errorf("readiness line: no process id for %s in %v", name, r.Pids)
		}
	}
	testKubeconfigs(t, r)
	testNodes(t, r)
	testAudit(t, r)
}

// testKubeconfigs checks that the contexts bear the plane's name, that nobody
// else can read the tokens, and who the tokens make one.
func testKubeconfigs(t *testing.T, r *running) {
	for _, file := range []string{r.Kubeconfig, r.AdminKubeconfig} {
		config, err := clientcmd.LoadFromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if config.CurrentContext != "east" || config.Clusters["east"].Server != r.Server {
			t.Errorf("%s: context %q, server %q", file, config.CurrentContext, config.Clusters["east"].Server)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", file, info.Mode(), err)
		}
	}
	server, err := client(t, r.Kubeconfig).Discovery().ServerVersion()
	if err != nil || server.GitVersion != "v1.36.3" {
		t.Errorf("version of the server: %v, %v", server, err)
	}
}

func testNodes(t *testing.T, r *running) {
	nodes, err := client(t, r.Kubeconfig).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	zones := map[string]int{}
	for _, node := range nodes.Items {
		zones[node.Labels[corev1.LabelTopologyZone]]++
		if got := node.Labels[corev1.LabelHostname]; got != node.Name {
			t.Errorf("node %s: hostname label %q", node.Name, got)
		}
	}
	if zones["a"] != 2 || zones["b"] != 2 {
		t.Errorf("nodes per zone: %v, want two each in a and b", zones)
	}
}

// testAudit checks that a request is in the log once its answer is here.
func testAudit(t *testing.T, r *running) {
	_, err := client(t, r.Kubeconfig).CoreV1().ConfigMaps("default").Get(t.Context(), "audited", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("read a missing object: %v, want not found", err)
	}
	log, err := os.Open(r.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			RequestURI string
			User       struct{ Username string }
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("audit log line %q: %v", lines.Text(), err)
		}
		if event.User.Username == "fairway" && strings.HasSuffix(event.RequestURI, "/configmaps/audited") {
			return
		}
	}
	t.Errorf("%s: no entry for the request of user fairway", r.AuditLog)
}

func TestWorkloads(t *testing.T) {
	dir := t.TempDir()
	c := client(t, start(t, dir).Kubeconfig)
	makeShop(t, c)
	deploy(t, c, deployment("web", nil))
	deploy(t, c, deployment("stuck", map[string]string{"lab.fairway.dev/ready": "never"}))
	eventually(t, "deployment web becomes available", func() error { return ready(t, c, "web", 3) })
	if err := ready(t, c, "stuck", 0); err != nil {
		t.Errorf("deployment whose pods must not become ready: %v", err)
	}
	if err := c.CoreV1().Namespaces().Delete(t.Context(), "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "namespace shop is deleted", func() error {
		_, err := c.CoreV1().Namespaces().Get(t.Context(), "shop", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there: %v", err)
	})
}

func makeShop(t *testing.T, c kubernetes.Interface) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if _, err := c.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func deployment(name string, annotations map[string]string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/web:1"}}},
			},
		},
	}
}

func deploy(t *testing.T, c kubernetes.Interface, d *appsv1.Deployment) {
	t.Helper()
	if _, err := c.AppsV1().Deployments(d.Namespace).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func ready(t *testing.T, c kubernetes.Interface, name string, want int32) error {
	d, err := c.AppsV1().Deployments("shop").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if d.Status.ReadyReplicas != want {
		return fmt.Errorf("%d ready replicas, want %d", d.Status.ReadyReplicas, want)
	}
	return nil
}

func TestStopLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	if took := r.end(t, syscall.SIGTERM); took > 4*time.Second {
		t.Errorf("the plane took %s to stop, want about 3s at most", took)
	}
	if left := survivors(t, dir); len(left) > 0 {
		t.Errorf("processes left:\n%s", strings.Join(left, "\n"))
	}
}

func TestKillLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	r.end(t, syscall.SIGKILL)
	eventually(t, "every child dies with its supervisor", func() error {
		if left := survivors(t, dir); len(left) > 0 {
			return errors.New(strings.Join(left, "\n"))
		}
		return nil
	})
}

func TestRestartKeepsObjects(t *testing.T) {
	dir := t.TempDir()
	for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT} {
		r := start(t, dir)
		maps := client(t, r.Kubeconfig).CoreV1().ConfigMaps("default")
		found, err := maps.List(t.Context(), metav1.ListOptions{LabelSelector: "lab=test"})
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Items) != i {
			t.Errorf("start %d: %d objects of earlier starts, want %d", i+1, len(found.Items), i)
		}
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprintf("start-%d", i+1),
			Labels: map[string]string{"lab": "test"},
		}}
		if _, err := maps.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		r.end(t, signal)
	}
}

// TestChildIsStartedAgain kills the components one after another and checks
// that workloads still come up, which needs all of them and the nodes.
func TestChildIsStartedAgain(t *testing.T) {
	r := start(t, t.TempDir())
	c := client(t, r.Kubeconfig)
	makeShop(t, c)
	for i, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if err := syscall.Kill(r.Pids[name], syscall.SIGKILL); err != nil {
			t.Fatalf("kill %s: %v", name, err)
		}
		web := deployment(fmt.Sprintf("web-%d", i), nil)
		eventually(t, "the API answers after the death of "+name, func() error {
			_, err := c.AppsV1().Deployments("shop").Create(t.Context(), web, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil // an answer got lost
			}
			return err
		})
		eventually(t, "pods become ready after the death of "+name, func() error { return ready(t, c, web.Name, 3) })
	}
}

func TestOnePlanePerFolder(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	out, err := exec.Command(binary(t), "plane", "--dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another plane runs on it") {
		t.Errorf("second plane on one folder: %v, %s", err, out)
	}
}

func TestPortInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary(t), "plane", "--dir", t.TempDir(), "--apiserver-port", port).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use") {
		t.Errorf("plane on a port in use: %v, %s", err, out)
	}
}
