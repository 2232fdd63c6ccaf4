package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/inventory"
)

// How a ConfigMap says that it is a part of the inventory, of which shard, and
// in which format.
const (
	storeLabel       = "fairway.dev/store"
	storeInventory   = "inventory"
	shardAnnotation  = "fairway.dev/shard"
	formatAnnotation = "fairway.dev/format"
)

// configMaps keeps the inventory in ConfigMaps of one namespace. They carry no
// label of ours that the index watches, and nothing owns them.
type configMaps struct {
	client    *client
	namespace string
}

func (m *configMaps) collection() string {
	return "/api/v1/namespaces/" + m.namespace + "/configmaps"
}

func (m *configMaps) path(name string) string {
	return m.collection() + "/" + url.PathEscape(name)
}

// List reads all parts by consistent pages, and fails if one is not whole.
func (m *configMaps) List(ctx context.Context) ([]inventory.Part, error) {
	var out []inventory.Part
	next := ""
	for {
		r := m.client.short.Get().AbsPath(m.collection()).
			Param("labelSelector", storeLabel+"="+storeInventory).Param("limit", "20")
		if next != "" {
			r = r.Param("continue", next)
		}
		a, err := do(ctx, r)
		if err != nil {
			return nil, refusal("list inventory", err)
		}
		var page corev1.ConfigMapList
		if err := json.Unmarshal(a.body, &page); err != nil {
			return nil, fmt.Errorf("list inventory: read page of %d bytes: %w", len(a.body), err)
		}
		if err := wholePage(&page); err != nil {
			return nil, fmt.Errorf("list inventory: %w", err)
		}
		for i := range page.Items {
			out = append(out, partOf(&page.Items[i]))
		}
		if next = page.Continue; next == "" {
			return out, nil
		}
	}
}

func wholePage(page *corev1.ConfigMapList) error {
	if page.Kind != "ConfigMapList" || page.ResourceVersion == "" {
		return fmt.Errorf("answer is no list of ConfigMaps but a %q", page.Kind)
	}
	if page.RemainingItemCount != nil && *page.RemainingItemCount > 0 && page.Continue == "" {
		return fmt.Errorf("%d items are missing", *page.RemainingItemCount)
	}
	for i := range page.Items {
		if page.Items[i].Name == "" || page.Items[i].ResourceVersion == "" {
			return errors.New("an item has no name or no resourceVersion")
		}
	}
	return nil
}

func partOf(c *corev1.ConfigMap) inventory.Part {
	return inventory.Part{
		Name: c.Name, Shard: c.Annotations[shardAnnotation], Format: c.Annotations[formatAnnotation],
		Version: c.ResourceVersion, Data: c.Data,
	}
}

// Version reads the resourceVersion of a part, consistently.
func (m *configMaps) Version(ctx context.Context, name string) (string, error) {
	meta, err := m.client.metadata(ctx, m.path(name))
	if err != nil {
		return "", refusal("read inventory "+name, err)
	}
	return meta.ResourceVersion, nil
}

// Create makes a part, and the namespace if that is missing.
func (m *configMaps) Create(ctx context.Context, p inventory.Part) (string, error) {
	body, err := json.Marshal(corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Labels: map[string]string{storeLabel: storeInventory},
			Annotations: map[string]string{shardAnnotation: p.Shard, formatAnnotation: p.Format},
		},
		Data: p.Data,
	})
	if err != nil {
		return "", fmt.Errorf("create inventory %s: %w", p.Name, err)
	}
	ctx = m.client.explain.inventory(ctx, "post", m.path(p.Name), p.Data)
	version, err := m.post(ctx, p.Name, body)
	if errors.Is(err, cluster.ErrNoNamespace) {
		if err := m.createNamespace(ctx); err != nil {
			return "", err
		}
		return m.post(ctx, p.Name, body)
	}
	return version, err
}

func (m *configMaps) post(ctx context.Context, name string, body []byte) (string, error) {
	a, err := do(ctx, m.client.short.Post().AbsPath(m.collection()).SetHeader("Accept", asMetadata).Body(body))
	if err != nil {
		return "", refusal("create inventory "+name, err)
	}
	return a.version("create inventory " + name)
}

func (m *configMaps) createNamespace(ctx context.Context) error {
	body, err := json.Marshal(corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: m.namespace},
	})
	if err != nil {
		return fmt.Errorf("create namespace %s: %w", m.namespace, err)
	}
	_, err = do(ctx, m.client.short.Post().AbsPath("/api/v1/namespaces").SetHeader("Accept", asMetadata).Body(body))
	if err = refusalIf("create namespace "+m.namespace, err); errors.Is(err, cluster.ErrPrecondition) {
		return nil // someone was faster
	}
	return err
}

// Patch changes some keys of a part if it still has the version. Only the
// keys go over the wire, and only metadata comes back.
func (m *configMaps) Patch(ctx context.Context, name, version, format string, data map[string]*string) (string, error) {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": version, "annotations": map[string]string{formatAnnotation: format}}, "data": data,
	})
	if err != nil {
		return "", fmt.Errorf("write inventory %s: %w", name, err)
	}
	ctx = m.client.explain.inventory(ctx, "patch", m.path(name), present(data))
	a, err := do(ctx, m.client.patch(types.MergePatchType, m.path(name), body).SetHeader("Accept", asMetadata))
	if err != nil {
		return "", refusal("write inventory "+name, err)
	}
	return a.version("write inventory " + name)
}

func (a answer) version(doing string) (string, error) {
	meta, err := a.metadata()
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	return meta.ResourceVersion, nil
}
