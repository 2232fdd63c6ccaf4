package tenancy

import (
	"fmt"
	"slices"
	"strings"
)

// walk looks at everything inside an object, however deep: what is shaped like
// a pod becomes one, whichever controller reads it.
func (c *checker) walk(v any, at string) {
	switch v := v.(type) {
	case fields:
		if shapedAsPod(v) {
			c.pod(v, at)
		}
		for _, key := range sortedKeys(v) {
			c.inside(key, v[key], at+"."+key)
		}
	case []any:
		for i, e := range v {
			c.walk(e, fmt.Sprintf("%s[%d]", at, i))
		}
	}
}

// inside looks at one field inside an object, by its name alone, and at what is
// in it.
func (c *checker) inside(key string, v any, at string) {
	if slices.Contains([]string{"labels", "annotations", "matchLabels"}, key) && texts(v) {
		if key == "annotations" {
			c.podAnnotations(v.(fields), at)
		}
		return
	}
	c.hostField(key, v, at)
	c.reference(key, v, at)
	if meta, ok := v.(fields); ok && key == "metadata" {
		for _, k := range []string{"finalizers", "ownerReferences"} {
			if _, there := meta[k]; there {
				c.fault(RuleMetadata, at+"."+k, "this is not for a unit to set")
			}
		}
	}
	c.walk(v, at)
}

// texts reports whether a value is a set of texts.
func texts(v any) bool {
	m, ok := v.(fields)
	for _, e := range m {
		if _, text := e.(string); !text {
			return false
		}
	}
	return ok
}

// hostField refuses fields that reach for the node, wherever they stand.
func (c *checker) hostField(key string, v any, at string) {
	switch key {
	case "hostNetwork", "hostPID", "hostIPC":
		if v != false {
			c.fault(RuleHost, at, "a pod may not share the node's network or processes")
		}
	case "hostUsers":
		if v != false {
			c.fault(RuleHost, at, "a pod may not ask for the node's users")
		}
	case "hostPath":
		c.fault(RuleHost, at, "a pod may not read or write the node's files")
	case "hostPort":
		if v != int64(0) {
			c.fault(RuleHost, at, "a pod may not take a port of the node")
		}
	case "hostProcess", "privileged":
		if v != false {
			c.fault(RulePrivilege, at, "a container may not have the node's rights")
		}
	case "allowPrivilegeEscalation":
		if v != false {
			c.fault(RulePrivilege, at, "a process may not gain rights it was not started with")
		}
	case "procMount":
		if v != "Default" {
			c.fault(RulePrivilege, at, "/proc may not be unmasked")
		}
	case "ephemeralContainers":
		c.fault(RulePrivilege, at, "containers for debugging are not part of what is declared")
	case "nodeName":
		c.fault(RuleScheduling, at, "a pod may not choose its node past the scheduler")
	}
}

// podAnnotations refuses annotations by which a pod gets what its fields may
// not ask for.
func (c *checker) podAnnotations(m fields, at string) {
	for _, key := range sortedKeys(m) {
		value, _ := m[key].(string)
		switch {
		case strings.HasPrefix(key, "container.apparmor.security.beta.kubernetes.io/") && value != "runtime/default" && !strings.HasPrefix(value, "localhost/"):
			c.fault(RulePrivilege, at+"."+key, "AppArmor may not be switched off")
		case strings.HasPrefix(key, "seccomp.security.alpha.kubernetes.io/") || strings.HasPrefix(key, "container.seccomp.security.alpha.kubernetes.io/"):
			c.fault(RulePrivilege, at+"."+key, "seccomp is set by securityContext.seccompProfile")
		case strings.HasPrefix(key, "sidecar.istio.io/userVolume"):
			c.fault(RuleVolume, at+"."+key, "a volume may not be added by an annotation")
		case key == "k8s.v1.cni.cncf.io/networks" || key == "v1.multus-cni.io/default-network":
			c.fault(RuleHost, at+"."+key, "a pod may not choose the networks it is on")
		}
	}
}

func shapedAsPod(m fields) bool {
	for _, key := range []string{"containers", "initContainers", "ephemeralContainers"} {
		if _, is := m[key].([]any); is {
			return true
		}
	}
	return false
}

// pod holds a pod's spec to the restricted Pod Security Standard, and to what
// a unit may ask of a pod beyond that.
func (c *checker) pod(p fields, at string) {
	security := c.security(p, at, nil)
	for _, key := range []string{"containers", "initContainers"} {
		list, _ := p[key].([]any)
		for i, e := range list {
			where := fmt.Sprintf("%s.%s[%d]", at, key, i)
			container, ok := e.(fields)
			if !ok {
				c.fault(RulePrivilege, where, "it is no container")
				continue
			}
			c.container(container, where, security)
		}
	}
	c.identityOf(p, at)
	c.volumes(p, at)
	c.scheduling(p, at)
}

// identityOf looks at whose token a pod gets.
func (c *checker) identityOf(p fields, at string) {
	for _, key := range []string{"serviceAccountName", "serviceAccount"} {
		name, there := p[key]
		if !there || name == "" {
			continue
		}
		if s, _ := name.(string); !c.accounts[s] {
			c.fault(RuleAccount, at+"."+key, "the unit declares no service account of this name")
		}
	}
	if p["automountServiceAccountToken"] != false {
		c.fault(RuleAccount, at+".automountServiceAccountToken", "it must be false: services have no rights in the cluster")
	}
}

func (c *checker) scheduling(p fields, at string) {
	if class, _ := p["priorityClassName"].(string); strings.HasPrefix(class, "system-") {
		c.fault(RuleScheduling, at+".priorityClassName", "this priority is for the cluster's own pods")
	}
	if _, there := p["priority"]; there {
		c.fault(RuleScheduling, at+".priority", "it is set by the priority class")
	}
	list, _ := p["tolerations"].([]any)
	for i, e := range list {
		t, _ := e.(fields)
		key, _ := t["key"].(string)
		if key == "" || strings.HasPrefix(key, "node-role.kubernetes.io/") || strings.HasPrefix(key, "node.kubernetes.io/") && t["effect"] != "NoExecute" {
			c.fault(RuleScheduling, fmt.Sprintf("%s.tolerations[%d]", at, i), "a pod may not run where the cluster keeps pods away")
		}
	}
}

// volumes allows what pods read and write without reaching past their namespace.
func (c *checker) volumes(p fields, at string) {
	list, _ := p["volumes"].([]any)
	for i, e := range list {
		where := fmt.Sprintf("%s.volumes[%d]", at, i)
		v, _ := e.(fields)
		kinds := 0
		for _, key := range sortedKeys(v) {
			switch key {
			case "name":
			case "configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret", "csi", "image":
				kinds++
			case "projected":
				kinds++
				c.projected(v[key], where+".projected")
			default:
				c.fault(RuleVolume, where+"."+key, "volumes of this type are not allowed")
			}
		}
		if kinds != 1 {
			c.fault(RuleVolume, where, "it must have one source that is allowed")
		}
	}
}

// projected refuses tokens of a service account: the unit's own has no rights
// in the cluster, but its name may be trusted elsewhere.
func (c *checker) projected(v any, at string) {
	m, _ := v.(fields)
	list, _ := m["sources"].([]any)
	for i, e := range list {
		source, _ := e.(fields)
		for _, key := range []string{"serviceAccountToken", "podCertificate", "clusterTrustBundle"} {
			if _, there := source[key]; there {
				c.fault(RuleAccount, fmt.Sprintf("%s.sources[%d].%s", at, i, key), "a pod gets no credentials of the cluster's")
			}
		}
	}
}
