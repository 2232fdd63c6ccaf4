package tenancy

import (
	"fmt"
	"slices"
	"strings"
)

// Annotations by which an object asks an add-on for something, and those that may
// be asked for. The others take hosts or requests that are somebody else's.
const (
	nginxPrefix = "nginx.ingress.kubernetes.io/"
	dnsPrefix   = "external-dns.alpha.kubernetes.io/"
	certPrefix  = "cert-manager.io/"
)

func nginxOrders() []string {
	return []string{
		"backend-protocol", "limit-burst-multiplier", "limit-connections", "limit-rps", "proxy-body-size", "proxy-connect-timeout",
		"proxy-next-upstream", "proxy-next-upstream-timeout", "proxy-next-upstream-tries", "proxy-read-timeout", "proxy-send-timeout",
	}
}

// orders refuses annotations by which an add-on would be asked for what is not
// the unit's.
func (c *checker) orders(key, value, at string) {
	if name, ok := strings.CutPrefix(key, nginxPrefix); ok && !slices.Contains(nginxOrders(), name) {
		c.fault(RuleTraffic, at, "it asks the ingress controller for more than limits, timeouts and retries")
	}
	if name, ok := strings.CutPrefix(key, dnsPrefix); ok && name != "ttl" {
		if name != "hostname" {
			c.fault(RuleTraffic, at, "of DNS a unit may ask for its own hosts only")
			return
		}
		for host := range strings.SplitSeq(value, ",") {
			c.host(strings.TrimSpace(host), at)
		}
	}
	if name, ok := strings.CutPrefix(key, certPrefix); ok && name != "cluster-issuer" {
		c.fault(RuleTraffic, at, "of certificates a unit may choose the issuer only")
	}
}

// own reports whether a text is the full name of a service of the namespace. A
// short one means another service in each namespace it is read in.
func (c *checker) own(v any) bool {
	s, _ := v.(string)
	name, ok := strings.CutSuffix(s, "."+c.scope.Namespace+".svc.cluster.local")
	return ok && isName(name)
}

// mesh allows rules for the unit's own services. They may be told to the
// namespaces of callers, as a service's address is, but not to all.
func (c *checker) mesh(spec fields) {
	list, _ := spec["exportTo"].([]any)
	if len(list) == 0 || slices.ContainsFunc(list, func(e any) bool { s, _ := e.(string); return s != "." && !isName(s) }) {
		c.fault(RuleReference, ".spec.exportTo", "it must list namespaces: without it the whole mesh is told")
	}
	if gateways, there := spec["gateways"]; there {
		if list, _ := gateways.([]any); len(list) != 1 || list[0] != "mesh" {
			c.fault(RuleTraffic, ".spec.gateways", "traffic comes in by the cluster's ingress alone")
		}
	}
	if c.id.Kind == "DestinationRule" {
		return // its host is looked at as all of them are
	}
	hosts, _ := spec["hosts"].([]any)
	if len(hosts) == 0 {
		c.fault(RuleReference, ".spec.hosts", "a rule of the mesh needs the services it is for")
	}
	for i, host := range hosts {
		if !c.own(host) {
			c.fault(RuleReference, fmt.Sprintf(".spec.hosts[%d]", i), "it must be the full name of a service of the namespace %s", c.scope.Namespace)
		}
	}
}

// destination refuses what would lead the mesh's traffic out of the namespace.
func (c *checker) destination(key string, v any, at string) {
	switch {
	case c.id.Group != "networking.istio.io":
	case key != "host":
		c.fault(RuleReference, at, "a rule of the mesh leads requests to its own service and nowhere else")
	case !c.own(v):
		c.fault(RuleReference, at, "it must be the full name of a service of the namespace %s", c.scope.Namespace)
	}
}

// hostPolicy allows of Cilium's policies what Kubernetes' own cannot say: which
// hosts are called, on which ports.
func (c *checker) hostPolicy(f, spec fields) {
	if f["specs"] != nil {
		c.fault(RuleTraffic, ".specs", "one policy says one thing")
	}
	for _, key := range sortedKeys(spec) {
		if !slices.Contains([]string{"endpointSelector", "egress", "description"}, key) {
			c.fault(RuleTraffic, ".spec."+key, "such a policy may say which hosts are called only")
		}
	}
	rules, _ := spec["egress"].([]any)
	for i, e := range rules {
		rule, _ := e.(fields)
		at := fmt.Sprintf(".spec.egress[%d].", i)
		for _, key := range sortedKeys(rule) {
			if !slices.Contains([]string{"toEndpoints", "toFQDNs", "toPorts"}, key) {
				c.fault(RuleTraffic, at+key, "such a policy may say which hosts are called only")
			}
		}
		ports, _ := rule["toPorts"].([]any)
		for k, e := range ports {
			port, _ := e.(fields)
			for _, key := range sortedKeys(port) {
				dns, _ := port[key].(fields)
				if key != "ports" && !(key == "rules" && len(dns) == 1 && dns["dns"] != nil) {
					c.fault(RuleTraffic, fmt.Sprintf("%stoPorts[%d].%s", at, k, key), "such a policy may not look into what is said")
				}
			}
		}
	}
}

// gatewayPolicy allows rules for the unit's own routes.
func (c *checker) gatewayPolicy(spec fields) {
	for _, key := range []string{"targetRef", "targetSelectors"} {
		if spec[key] != nil {
			c.fault(RuleTraffic, ".spec."+key, "it must name its routes in targetRefs")
		}
	}
	refs, _ := spec["targetRefs"].([]any)
	if len(refs) == 0 {
		c.fault(RuleTraffic, ".spec.targetRefs", "it must name the routes it is for")
	}
	for i, e := range refs {
		if ref, _ := e.(fields); ref["kind"] != "HTTPRoute" && ref["kind"] != "GRPCRoute" {
			c.fault(RuleTraffic, fmt.Sprintf(".spec.targetRefs[%d].kind", i), "it may be for routes only")
		}
	}
}
