package tenancy

import (
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

type fields = map[string]any

// identity looks at what an object says it is. It reports whether the rest can
// be judged.
func (c *checker) identity(o object.Object, f fields) bool {
	if f == nil {
		c.fault(RuleIdentity, "", "it cannot be read")
		return false
	}
	for key := range f {
		for _, known := range []string{"apiVersion", "kind", "metadata", "spec", "status", "data"} {
			if key != known && strings.EqualFold(key, known) {
				c.fault(RuleIdentity, "."+key, "this is written %s", known)
				return false
			}
		}
	}
	if why := c.named(o, f); why != "" {
		c.fault(RuleIdentity, "", "%s", why)
		return false
	}
	if !c.scope.allows(o.ID.Group, o.ID.Kind) {
		what := "a service"
		if c.scope.Team {
			what = "a team's own unit"
		}
		if c.scope.Cluster {
			what = "a cluster's own unit"
		}
		c.fault(RuleKind, ".kind", "%s may not hold objects of this kind", what)
		return false
	}
	return c.place(o)
}

// named says what is odd about an object's name for itself; "" if nothing is.
// The server and we must not read two things out of one text.
func (c *checker) named(o object.Object, f fields) string {
	meta, _ := f["metadata"].(fields)
	if version, _ := f["apiVersion"].(string); version != o.APIVersion || !isVersion(version) {
		return "apiVersion is no API version"
	}
	if !isKind(o.ID.Kind) {
		return "kind is no kind"
	}
	if _, ok := f["status"]; ok {
		return "status is not for a unit to set"
	}
	if ns, ok := meta["namespace"]; ok {
		if s, isText := ns.(string); !isText || s == "" {
			return "metadata.namespace is no name"
		}
	}
	if name, _ := meta["name"].(string); name != o.ID.Name || !isName(name) {
		return "metadata.name is no name"
	}
	return ""
}

// place holds an object to the unit's namespace.
func (c *checker) place(o object.Object) bool {
	isNamespace := o.ID.Group == "" && o.ID.Kind == "Namespace"
	switch {
	case c.scope.Cluster && o.ID.Namespace == "":
		return true
	case c.scope.Cluster:
		c.fault(RuleNamespace, ".metadata.namespace", "a cluster's own unit may hold nothing that is in a namespace")
	case isNamespace && o.ID.Namespace == "" && o.ID.Name == c.scope.Namespace:
		return true
	case isNamespace:
		c.fault(RuleNamespace, ".metadata.name", "a team's own unit may hold its own namespace %s only", c.scope.Namespace)
	case o.ID.Namespace == "":
		c.fault(RuleNamespace, ".metadata.namespace", "a unit may hold objects in its own namespace only, and this one has none")
	case o.ID.Namespace != c.scope.Namespace:
		c.fault(RuleNamespace, ".metadata.namespace", "a unit may hold objects in its own namespace %s only", c.scope.Namespace)
	default:
		return true
	}
	return false
}

// metadata allows what a manifest has use for, and nothing that makes an object
// another's, or keeps it from going.
func (c *checker) metadata(f fields) {
	meta, _ := f["metadata"].(fields)
	for _, key := range sortedKeys(meta) {
		switch key {
		case "name", "namespace":
		case "labels", "annotations":
			m, ok := meta[key].(fields)
			if !ok {
				c.fault(RuleMetadata, ".metadata."+key, "it is no set of texts")
				continue
			}
			c.marks(key, m)
		default:
			c.fault(RuleMetadata, ".metadata."+key, "this is not for a unit to set")
		}
	}
	if owner := object.Annotation(f, object.AnnotationUnit); owner != c.scope.Unit {
		c.fault(RuleMetadata, ".metadata.annotations."+object.AnnotationUnit, "it names %q as its owner and not %s", owner, c.scope.Unit)
	}
	if object.Label(f, object.LabelManagedBy) != object.ManagedBy {
		c.fault(RuleMetadata, ".metadata.labels."+object.LabelManagedBy, "it must be %s", object.ManagedBy)
	}
}

// marks refuses labels and annotations by which others take orders.
func (c *checker) marks(part string, m fields) {
	for _, key := range sortedKeys(m) {
		at := ".metadata." + part + "." + key
		if _, ok := m[key].(string); !ok {
			c.fault(RuleMetadata, at, "it is no text")
			continue
		}
		if part == "annotations" {
			c.orders(key, m[key].(string), at)
		}
		switch {
		case part == "annotations" && slices.Contains([]string{object.AnnotationCommit, object.AnnotationDigest}, key):
			c.fault(RuleMetadata, at, "only the engine writes this")
		case strings.HasSuffix(key, "-snippet") || strings.HasSuffix(key, "-snippets"):
			c.fault(RuleTraffic, at, "a snippet runs inside the ingress controller, which serves every team")
		case key == "kubectl.kubernetes.io/last-applied-configuration":
			c.fault(RuleMetadata, at, "it would be taken for what somebody applied by hand")
		case strings.HasPrefix(key, "meta.helm.sh/") || key == "argocd.argoproj.io/tracking-id" || key == "argocd.argoproj.io/instance" || strings.HasPrefix(key, "kustomize.toolkit.fluxcd.io/"):
			c.fault(RuleMetadata, at, "it makes the object another tool's, which may delete it")
		}
	}
}

// isName reports whether a text is a DNS name in lower case, as the names of
// almost all objects are.
func isName(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" &&
		strings.Trim(s[:1]+s[len(s)-1:], ".-") == s[:1]+s[len(s)-1:]
}

// isKind reports whether a text is spelled as a kind.
func isKind(s string) bool {
	for i, r := range s {
		upper, rest := r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if !upper && (i == 0 || !rest) {
			return false
		}
	}
	return s != ""
}

// isVersion reports whether a text is spelled as an API version.
func isVersion(s string) bool {
	group, version, found := strings.Cut(s, "/")
	if !found {
		group, version = "a", s
	}
	return isName(group) && isName(version) && strings.HasPrefix(version, "v") && !strings.ContainsAny(version, ".-")
}

func sortedKeys(m fields) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
