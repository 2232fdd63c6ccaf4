package tenancy

import (
	"fmt"
	"slices"
	"strings"
)

// standing is what a pod's security context says for containers that do not
// say it themselves.
type standing struct {
	nonRoot bool // runAsNonRoot is true
	seccomp bool // the profile is one that is allowed
}

// security looks at a securityContext, of a pod (above is nil) or of one of its
// containers, and says what then stands.
func (c *checker) security(holder fields, at string, above *standing) standing {
	s := standing{}
	if above != nil {
		s = *above
	}
	sc, there := holder["securityContext"].(fields)
	if v := holder["securityContext"]; v != nil && !there {
		c.fault(RulePrivilege, at+".securityContext", "it is no security context")
	}
	at += ".securityContext"
	if v, said := sc["runAsNonRoot"]; said {
		if s.nonRoot = v == true; !s.nonRoot {
			c.fault(RulePrivilege, at+".runAsNonRoot", "a container may not run as root")
		}
	}
	for _, key := range []string{"runAsUser", "runAsGroup", "fsGroup"} {
		if v, said := sc[key]; said && (v == int64(0) || !isID(v)) {
			c.fault(RulePrivilege, at+"."+key, "a container may not run as root")
		}
	}
	if groups, said := sc["supplementalGroups"].([]any); said && slices.Contains(groups, any(int64(0))) {
		c.fault(RulePrivilege, at+".supplementalGroups", "a container may not run as root")
	}
	if v, said := sc["seccompProfile"]; said {
		if s.seccomp = confines(v); !s.seccomp {
			c.fault(RulePrivilege, at+".seccompProfile", "the profile must be RuntimeDefault or Localhost")
		}
	}
	if v, said := sc["appArmorProfile"]; said && !confines(v) {
		c.fault(RulePrivilege, at+".appArmorProfile", "the profile must be RuntimeDefault or Localhost")
	}
	c.seLinux(sc, at)
	c.sysctls(sc, at)
	return s
}

func isID(v any) bool { _, ok := v.(int64); return ok }

func confines(profile any) bool {
	m, _ := profile.(fields)
	return m["type"] == "RuntimeDefault" || m["type"] == "Localhost"
}

func (c *checker) seLinux(sc fields, at string) {
	options, there := sc["seLinuxOptions"].(fields)
	if !there {
		return
	}
	kind, _ := options["type"].(string)
	if !slices.Contains([]string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}, kind) || options["user"] != nil || options["role"] != nil {
		c.fault(RulePrivilege, at+".seLinuxOptions", "a container may not change its SELinux user, role or type")
	}
}

// sysctls allows those that Kubernetes calls safe: they end at the pod.
func (c *checker) sysctls(sc fields, at string) {
	list, _ := sc["sysctls"].([]any)
	for i, e := range list {
		m, _ := e.(fields)
		name, _ := m["name"].(string)
		if !slices.Contains([]string{
			"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
			"net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
			"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		}, name) {
			c.fault(RulePrivilege, fmt.Sprintf("%s.sysctls[%d]", at, i), "only sysctls that Kubernetes calls safe are allowed")
		}
	}
}

// container holds one container to the restricted Pod Security Standard.
func (c *checker) container(m fields, at string, pod standing) {
	s := c.security(m, at, &pod)
	if !s.nonRoot {
		c.fault(RulePrivilege, at+".securityContext.runAsNonRoot", "it must be true, here or for the pod")
	}
	if !s.seccomp {
		c.fault(RulePrivilege, at+".securityContext.seccompProfile", "it must be RuntimeDefault or Localhost, here or for the pod")
	}
	sc, _ := m["securityContext"].(fields)
	if _, said := sc["allowPrivilegeEscalation"]; !said {
		c.fault(RulePrivilege, at+".securityContext.allowPrivilegeEscalation", "it must be false")
	}
	capabilities, _ := sc["capabilities"].(fields)
	if dropped, _ := capabilities["drop"].([]any); !slices.Contains(dropped, any("ALL")) {
		c.fault(RulePrivilege, at+".securityContext.capabilities.drop", `it must have "ALL"`)
	}
	added, _ := capabilities["add"].([]any)
	for _, a := range added {
		if a != "NET_BIND_SERVICE" {
			c.fault(RulePrivilege, at+".securityContext.capabilities.add", "only NET_BIND_SERVICE may be added")
		}
	}
	c.mounts(m, at)
}

func (c *checker) mounts(m fields, at string) {
	list, _ := m["volumeMounts"].([]any)
	for i, e := range list {
		mount, _ := e.(fields)
		for _, key := range []string{"subPath", "subPathExpr", "mountPath"} {
			if s, _ := mount[key].(string); slices.Contains(strings.Split(s, "/"), "..") {
				c.fault(RuleVolume, fmt.Sprintf("%s.volumeMounts[%d].%s", at, i, key), `it may not go up by ".."`)
			}
		}
		if mount["mountPropagation"] == "Bidirectional" {
			c.fault(RuleHost, fmt.Sprintf("%s.volumeMounts[%d].mountPropagation", at, i), "a mount may not reach the node")
		}
	}
	if devices, _ := m["volumeDevices"].([]any); len(devices) > 0 {
		c.fault(RuleVolume, at+".volumeDevices", "a container may not have raw devices")
	}
}
