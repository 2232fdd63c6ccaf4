package tenancy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

// content looks at what an object says, by its kind and then whatever its kind.
func (c *checker) content(o object.Object, f fields) {
	spec, _ := f["spec"].(fields)
	if v := f["spec"]; v != nil && spec == nil {
		c.fault(RuleIdentity, ".spec", "it is no set of fields")
		return
	}
	if c.scope.Cluster {
		c.clusterContent(o, f)
		return
	}
	switch o.ID.Group + "/" + o.ID.Kind {
	case "/ConfigMap":
		return // texts, which mean nothing to the cluster
	case "/Secret":
		c.secret(f)
		return
	case "/Service":
		c.service(spec)
	case "/ServiceAccount":
		c.account(o, f)
	case "/PersistentVolumeClaim":
		c.claim(spec)
	case "/Namespace":
		c.namespace(f)
	case "rbac.authorization.k8s.io/RoleBinding":
		c.binding(o, f)
		return // its subject's namespace is held there
	case "networking.k8s.io/Ingress":
		c.ingress(spec)
	case "gateway.networking.k8s.io/HTTPRoute", "gateway.networking.k8s.io/GRPCRoute":
		c.route(spec)
	case "cert-manager.io/Certificate":
		c.certificate(spec)
	case "external-secrets.io/ExternalSecret":
		c.external(spec)
	case "networking.istio.io/VirtualService", "networking.istio.io/DestinationRule":
		c.mesh(spec)
	case "cilium.io/CiliumNetworkPolicy":
		c.hostPolicy(f, spec)
	case "gateway.envoyproxy.io/BackendTrafficPolicy":
		c.gatewayPolicy(spec)
	}
	for _, key := range sortedKeys(f) {
		switch key {
		case "apiVersion", "kind":
		case "metadata":
			meta, _ := f[key].(fields)
			if annotations, _ := meta["annotations"].(fields); annotations != nil {
				c.podAnnotations(annotations, ".metadata.annotations")
			}
		default:
			c.inside(key, f[key], "."+key)
		}
	}
}

// Types of secrets that the cluster fills or believes.
const (
	tokenSecret     = "kubernetes.io/service-account-token"
	bootstrapSecret = "bootstrap.kubernetes.io/token"
)

func (c *checker) secret(f fields) {
	if f["type"] == tokenSecret || f["type"] == bootstrapSecret {
		c.fault(RuleSecret, ".type", "the cluster would put credentials of its own into it")
	}
	meta, _ := f["metadata"].(fields)
	annotations, _ := meta["annotations"].(fields)
	for key := range annotations {
		if strings.HasPrefix(key, "kubernetes.io/service-account.") {
			c.fault(RuleSecret, ".metadata.annotations."+key, "the cluster would put credentials of its own into it")
		}
	}
}

// external allows secrets that the store keeps under the team's own name, and
// passwords made on the spot. The store itself would give any of them to anybody.
func (c *checker) external(spec fields) {
	data, _ := spec["data"].([]any)
	for i, e := range data {
		d, _ := e.(fields)
		at := fmt.Sprintf(".spec.data[%d]", i)
		if _, there := d["sourceRef"]; there {
			c.fault(RuleSecret, at+".sourceRef", "it may come from the store of the whole object only")
		}
		c.stored(d["remoteRef"], at+".remoteRef.key")
	}
	from, _ := spec["dataFrom"].([]any)
	for i, e := range from {
		d, _ := e.(fields)
		at := fmt.Sprintf(".spec.dataFrom[%d]", i)
		if _, there := d["extract"]; there {
			c.stored(d["extract"], at+".extract.key")
		}
		if _, there := d["find"]; there {
			c.fault(RuleSecret, at+".find", "it would find other teams' secrets: name them one by one")
		}
		if v, there := d["sourceRef"]; there {
			c.generated(v, at+".sourceRef")
		}
	}
	target, _ := spec["target"].(fields)
	if _, there := target["manifest"]; there {
		c.fault(RuleSecret, ".spec.target.manifest", "it would make objects that nobody looked at")
	}
}

// stored holds the name of a secret in the store against the team's.
func (c *checker) stored(v any, at string) {
	ref, _ := v.(fields)
	key, _ := ref["key"].(string)
	if c.scope.Owner == "" || !strings.HasPrefix(key, c.scope.Owner+"/") || strings.Contains(key, "..") {
		c.fault(RuleSecret, at, "what it reads must be the team's own, and so begin with %s/", c.scope.Owner)
	}
}

// generated allows the one generator that asks nobody for credentials.
func (c *checker) generated(v any, at string) {
	ref, _ := v.(fields)
	generator, _ := ref["generatorRef"].(fields)
	if len(ref) != 1 || generator["kind"] != "Password" {
		c.fault(RuleSecret, at, "only a Password may be made: other generators and stores have credentials of the cluster's")
	}
}

// service allows what stays inside the cluster and leads to pods of the namespace.
func (c *checker) service(spec fields) {
	if kind := spec["type"]; kind != nil && kind != "ClusterIP" {
		c.fault(RuleTraffic, ".spec.type", "it must be ClusterIP: traffic comes in by the cluster's ingress alone")
	}
	for _, key := range []string{"externalIPs", "externalName", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges", "healthCheckNodePort"} {
		if _, there := spec[key]; there {
			c.fault(RuleTraffic, ".spec."+key, "it would take or lead traffic past the cluster's ingress")
		}
	}
	ports, _ := spec["ports"].([]any)
	for i, e := range ports {
		if p, _ := e.(fields); p["nodePort"] != nil {
			c.fault(RuleTraffic, fmt.Sprintf(".spec.ports[%d].nodePort", i), "a service may not take a port of the nodes")
		}
	}
}

func (c *checker) account(o object.Object, f fields) {
	switch {
	case c.scope.Team && o.ID.Name != Deployer:
		c.fault(RuleBaseline, ".metadata.name", "a team's own unit may hold the service account %s only", Deployer)
	case !c.scope.Team && (o.ID.Name == Deployer || o.ID.Name == "default"):
		c.fault(RuleAccount, ".metadata.name", "this account is not a service's")
	}
	if v, there := f["automountServiceAccountToken"]; c.scope.Team && (!there || v != false) {
		c.fault(RuleBaseline, ".automountServiceAccountToken", "it must be false: nobody logs in as this account")
	}
	if _, there := f["secrets"]; there {
		c.fault(RuleAccount, ".secrets", "this is not for a unit to set")
	}
}

func (c *checker) claim(spec fields) {
	if spec["volumeName"] != nil || spec["selector"] != nil {
		c.fault(RuleVolume, ".spec", "a claim may not choose its volume, which may be somebody else's")
	}
}

// namespace makes sure that no pod starts in the team's namespace that has more
// rights than the standard gives.
func (c *checker) namespace(f fields) {
	const label = "pod-security.kubernetes.io/enforce"
	if object.Label(f, label) != "restricted" {
		c.fault(RuleBaseline, ".metadata.labels."+label, "it must be restricted")
	}
}

// binding allows one binding: of the namespace's own account to what a team may do.
func (c *checker) binding(o object.Object, f fields) {
	if o.ID.Name != Deployer {
		c.fault(RuleBaseline, ".metadata.name", "a team's own unit may hold the role binding %s only", Deployer)
	}
	role, _ := f["roleRef"].(fields)
	if role["apiGroup"] != rbacGroup || role["kind"] != "ClusterRole" || role["name"] != TeamRole {
		c.fault(RuleBaseline, ".roleRef", "it may bind the cluster role %s only", TeamRole)
	}
	subjects, _ := f["subjects"].([]any)
	if len(subjects) != 1 {
		c.fault(RuleBaseline, ".subjects", "it must bind one account")
		return
	}
	s, _ := subjects[0].(fields)
	if s["kind"] != "ServiceAccount" || s["name"] != Deployer || s["namespace"] != c.scope.Namespace {
		c.fault(RuleBaseline, ".subjects[0]", "it may bind the account %s of this namespace only", Deployer)
	}
}

// ingress allows traffic for the hosts that the unit claims.
func (c *checker) ingress(spec fields) {
	if spec["defaultBackend"] != nil {
		c.fault(RuleTraffic, ".spec.defaultBackend", "it would take the requests that are for nobody")
	}
	rules, _ := spec["rules"].([]any)
	for i, e := range rules {
		rule, _ := e.(fields)
		c.host(rule["host"], fmt.Sprintf(".spec.rules[%d].host", i))
	}
}

// route is ingress for the routes of the Gateway API.
func (c *checker) route(spec fields) {
	names, _ := spec["hostnames"].([]any)
	if len(names) == 0 {
		c.fault(RuleTraffic, ".spec.hostnames", "a route needs the hosts it is for")
	}
	for i, name := range names {
		c.host(name, fmt.Sprintf(".spec.hostnames[%d]", i))
	}
}

// certificate allows names that the unit claims, or that its own services have.
func (c *checker) certificate(spec fields) {
	names, _ := spec["dnsNames"].([]any)
	if common := spec["commonName"]; common != nil {
		names = append(slices.Clone(names), common)
	}
	for _, name := range names {
		s, _ := name.(string)
		own := "." + c.scope.Namespace + ".svc"
		if strings.HasSuffix(s, own) || strings.HasSuffix(s, own+".cluster.local") {
			continue
		}
		c.host(name, ".spec.dnsNames")
	}
	for _, key := range []string{"ipAddresses", "uris", "emailAddresses", "otherNames", "literalSubject", "isCA"} {
		if v := spec[key]; v != nil && v != false {
			c.fault(RuleTraffic, ".spec."+key, "a certificate is for host names that the unit claims")
		}
	}
}

// host refuses what the unit does not claim: of claims there is one in the fleet.
func (c *checker) host(v any, at string) {
	name, _ := v.(string)
	if name == "" || !slices.Contains(c.scope.Hosts, name) {
		c.fault(RuleTraffic, at, "the unit does not claim the host %q", name)
	}
}

// reference refuses fields that point into another namespace.
func (c *checker) reference(key string, v any, at string) {
	switch key {
	case "namespace":
		gateway := strings.HasPrefix(c.id.Kind, "HTTPRoute") || strings.HasPrefix(c.id.Kind, "GRPCRoute")
		if v != c.scope.Namespace && !(gateway && strings.HasPrefix(at, ".spec.parentRefs[")) {
			c.fault(RuleReference, at, "a unit may name its own namespace %s only", c.scope.Namespace)
		}
	case "namespaces", "matchNames":
		if c.id.Group == "security.istio.io" {
			return // who may call, and not what is reached
		}
		list, ok := v.([]any)
		if !ok || slices.ContainsFunc(list, func(e any) bool { return e != c.scope.Namespace }) {
			c.fault(RuleReference, at, "a unit may name its own namespace %s only", c.scope.Namespace)
		}
	case "namespaceSelector":
		m, _ := v.(fields)
		names, _ := m["matchNames"].([]any)
		switch {
		case c.id.Kind == "NetworkPolicy":
		case strings.HasSuffix(c.id.Kind, "Monitor") && m["any"] != true && (len(m) == 0 || len(names) > 0):
		default:
			c.fault(RuleReference, at, "a unit may not select other namespaces")
		}
	case "type":
		if v == tokenSecret || v == bootstrapSecret {
			c.fault(RuleSecret, at, "the cluster would put credentials of its own into it")
		}
	case "host", "delegate", "mirror", "mirrors":
		c.destination(key, v, at)
	case "kind":
		if s, _ := v.(string); s == "ClusterTriggerAuthentication" {
			c.fault(RuleReference, at, "these credentials are the cluster's")
		}
	}
}
