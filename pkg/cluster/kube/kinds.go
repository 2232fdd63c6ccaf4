package kube

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// KindOf is the kind of an object in the API version it is written in.
func KindOf(o object.Object) Kind {
	return Kind{Group: o.ID.Group, Version: o.Version(), Kind: o.ID.Kind}
}

// resource is how a kind is served.
type resource struct {
	Kind
	plural     string
	namespaced bool
}

func (r resource) gvr() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.plural}
}

// collection is the path of all objects of the kind in a namespace.
func (r resource) collection(namespace string) string {
	path := groupVersionPath(r.Group, r.Version)
	if r.namespaced {
		path += "/namespaces/" + url.PathEscape(namespace)
	}
	return path + "/" + r.plural
}

func (r resource) path(id object.ID) string {
	return r.collection(id.Namespace) + "/" + url.PathEscape(id.Name)
}

// checkScope refuses an identity that does not fit the kind's scope: with the
// namespace left out of the path, another object would be meant.
func (r resource) checkScope(id object.ID) error {
	switch {
	case id.Name == "" || id.Name == "." || id.Name == "..":
		return fmt.Errorf("%w: %s has no usable name", cluster.ErrInvalid, id)
	case r.namespaced && (id.Namespace == "" || strings.Trim(id.Namespace, ".") == ""):
		return fmt.Errorf("%w: %s needs a namespace", cluster.ErrInvalid, id)
	case !r.namespaced && id.Namespace != "":
		return fmt.Errorf("%w: %s is of the whole cluster and can have no namespace", cluster.ErrInvalid, id)
	}
	return nil
}

func groupVersionPath(group, version string) string {
	if group == "" {
		return "/api/" + version
	}
	return "/apis/" + group + "/" + version
}

// notServedFor is how long an answer "not served" is believed, so that a wait
// for a CustomResourceDefinition is no storm of discovery requests.
const notServedFor = 2 * time.Second

// kinds knows how kinds are served. It asks for one group version at a time,
// when first needed: one aggregated API that is down then blocks only itself.
type kinds struct {
	client *client
	now    func() time.Time

	mu       sync.Mutex
	versions map[schema.GroupVersion]*served
	inUse    map[schema.GroupKind]string // the version in which a kind is used
}

// served is what one group version offers, or when it was last found missing.
type served struct {
	mu        sync.Mutex
	resources map[string]resource // by kind
	asked     time.Time
}

func newKinds(c *client, now func() time.Time) *kinds {
	return &kinds{
		client: c, now: now,
		versions: map[schema.GroupVersion]*served{},
		inUse:    map[schema.GroupKind]string{},
	}
}

// resolve says how a kind is served. ErrNoKind means that the cluster itself
// said that it is not; any other error, that it could not be asked.
func (k *kinds) resolve(ctx context.Context, kind Kind) (resource, error) {
	if kind.Version == "" {
		return k.resolveAny(ctx, kind)
	}
	s := k.served(schema.GroupVersion{Group: kind.Group, Version: kind.Version})
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.resources[kind.Kind]
	if !ok && k.now().Sub(s.asked) >= notServedFor {
		if err := k.ask(ctx, s, kind); err != nil {
			return resource{}, err
		}
		r, ok = s.resources[kind.Kind]
	}
	if !ok {
		return resource{}, fmt.Errorf("find kind %s: %w", kind, cluster.ErrNoKind)
	}
	k.use(kind)
	return r, nil
}

func (k *kinds) served(gv schema.GroupVersion) *served {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.versions[gv]
	if s == nil {
		s = &served{}
		k.versions[gv] = s
	}
	return s
}

func (k *kinds) use(kind Kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	gk := schema.GroupKind{Group: kind.Group, Kind: kind.Kind}
	if k.inUse[gk] == "" {
		k.inUse[gk] = kind.Version
	}
}

// resolveAny finds a kind in the version it is used in, or else in the first
// version that serves it, the preferred one before the others.
func (k *kinds) resolveAny(ctx context.Context, kind Kind) (resource, error) {
	k.mu.Lock()
	version := k.inUse[schema.GroupKind{Group: kind.Group, Kind: kind.Kind}]
	k.mu.Unlock()
	if version != "" {
		kind.Version = version
		return k.resolve(ctx, kind)
	}
	versions, err := k.groupVersions(ctx, kind.Group)
	if err != nil {
		return resource{}, err
	}
	for _, version := range versions {
		kind.Version = version
		r, err := k.resolve(ctx, kind)
		if err == nil || !isNoKind(err) {
			return r, err
		}
	}
	kind.Version = ""
	return resource{}, fmt.Errorf("find kind %s: %w", kind, cluster.ErrNoKind)
}

func (k *kinds) groupVersions(ctx context.Context, group string) ([]string, error) {
	if group == "" {
		return []string{"v1"}, nil
	}
	a, err := do(ctx, k.client.short.Get().AbsPath("/apis/"+group))
	if err != nil {
		return nil, refusal("find versions of group "+group, err)
	}
	var g metav1.APIGroup
	if err := json.Unmarshal(a.body, &g); err != nil || g.Kind != "APIGroup" || g.Name != group {
		return nil, fmt.Errorf("find versions of group %s: odd answer of %d bytes", group, len(a.body))
	}
	out := []string{g.PreferredVersion.Version}
	for _, v := range g.Versions {
		if !slices.Contains(out, v.Version) {
			out = append(out, v.Version)
		}
	}
	return out, nil
}

// ask reads what a group version serves. The caller holds the lock of s.
func (k *kinds) ask(ctx context.Context, s *served, kind Kind) error {
	a, err := do(ctx, k.client.short.Get().AbsPath(groupVersionPath(kind.Group, kind.Version)))
	if err != nil {
		err = refusal("find kind "+kind.String(), err)
		if isNoKind(err) {
			s.asked = k.now()
		}
		return err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(a.body, &list); err != nil || list.Kind != "APIResourceList" {
		return fmt.Errorf("find kind %s: odd answer of %d bytes", kind, len(a.body))
	}
	s.asked = k.now()
	s.resources = make(map[string]resource, len(list.APIResources))
	for _, r := range list.APIResources {
		if strings.Contains(r.Name, "/") {
			continue
		}
		s.resources[r.Kind] = resource{
			Kind:   Kind{Group: kind.Group, Version: kind.Version, Kind: r.Kind},
			plural: r.Name, namespaced: r.Namespaced,
		}
	}
	return nil
}

// forget drops what is known of a group version, because the server no longer
// knows a kind of it.
func (k *kinds) forget(kind Kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.versions, schema.GroupVersion{Group: kind.Group, Version: kind.Version})
	gk := schema.GroupKind{Group: kind.Group, Kind: kind.Kind}
	if k.inUse[gk] == kind.Version {
		delete(k.inUse, gk)
	}
}

// prefer makes a version the one in which a kind is read.
func (k *kinds) prefer(kind Kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.inUse[schema.GroupKind{Group: kind.Group, Kind: kind.Kind}] = kind.Version
}
