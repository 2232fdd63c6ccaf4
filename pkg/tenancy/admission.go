package tenancy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

// The policies say what rights cannot: rights know kinds and namespaces, and
// nothing of fields. They are written in CEL and run in the API server itself,
// so they hold whatever becomes of this process.

// teamPolicy judges whatever a team's account writes, anywhere. It is the
// cluster's half of Check: what Go refuses by looking into an object, this
// refuses at the server, for the objects that bring pods about or take traffic.
func teamPolicy() fields {
	return fields{
		"failurePolicy":   "Fail",
		"matchConditions": []any{fields{"name": "written-for-a-team", "expression": fmt.Sprintf(`request.userInfo.username.startsWith("system:serviceaccount:") && request.userInfo.username.endsWith(":%s")`, Deployer)}},
		"matchConstraints": fields{"resourceRules": []any{fields{
			"apiGroups": []any{"*"}, "apiVersions": []any{"*"}, "resources": []any{"*"}, "operations": []any{"CREATE", "UPDATE"},
		}}},
		"variables": variables(
			"templates", `object.kind == "CronJob" ? [object.spec.jobTemplate.spec.template]
				: object.kind == "AnalysisTemplate" && has(object.spec) && has(object.spec.metrics)
					? object.spec.metrics.filter(m, has(m.provider) && has(m.provider.job)).map(m, m.provider.job.spec.template)
				: has(object.spec) && has(object.spec.template) && has(object.spec.template.spec) && has(object.spec.template.spec.containers) ? [object.spec.template]
				: object.kind == "Pod" ? [object] : []`,
			"pods", `variables.templates.map(t, t.spec)`,
			"contexts", `variables.pods.map(p, has(p.securityContext) ? p.securityContext : {})`,
			"annotations", `has(object.metadata.annotations) ? object.metadata.annotations : {}`,
		),
		"validations": validations(slices.Concat(podRules(), containerRules(), objectRules(), trafficRules())...),
	}
}

// rule is a condition and what to say where it does not hold.
type rule struct{ holds, message string }

// seLinuxHolds holds of a security context s.
const seLinuxHolds = `!has(s.seLinuxOptions) || (!has(s.seLinuxOptions.user) && !has(s.seLinuxOptions.role) && (!has(s.seLinuxOptions.type) || s.seLinuxOptions.type in ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]))`

func podRules() []rule {
	return []rule{
		{`variables.pods.all(p, !(has(p.hostNetwork) && p.hostNetwork) && !(has(p.hostPID) && p.hostPID) && !(has(p.hostIPC) && p.hostIPC) && !(has(p.hostUsers) && p.hostUsers))`,
			"a pod may not share the node's network, processes or users"},
		{`variables.pods.all(p, !has(p.volumes) || p.volumes.all(v, has(v.configMap) || has(v.downwardAPI) || has(v.emptyDir) || has(v.ephemeral) || has(v.persistentVolumeClaim) || has(v.secret) || has(v.csi) || has(v.image) || (has(v.projected) && (!has(v.projected.sources) || v.projected.sources.all(s, !has(s.serviceAccountToken) && !has(s.podCertificate) && !has(s.clusterTrustBundle))))))`,
			"a pod may not have volumes of the node or credentials of the cluster"},
		{`variables.pods.all(p, has(p.automountServiceAccountToken) && !p.automountServiceAccountToken)`,
			"automountServiceAccountToken must be false"},
		{`variables.pods.all(p, !(has(p.serviceAccountName) && p.serviceAccountName == "` + Deployer + `") && !(has(p.serviceAccount) && p.serviceAccount == "` + Deployer + `"))`,
			"a pod may not run as " + Deployer},
		{`variables.pods.all(p, !(has(p.nodeName) && p.nodeName != "") && !has(p.ephemeralContainers) && !has(p.priority) && !(has(p.priorityClassName) && p.priorityClassName.startsWith("system-")))`,
			"a pod may not choose its node or a priority of the cluster's"},
		{`variables.pods.all(p, !has(p.tolerations) || p.tolerations.all(t, has(t.key) && t.key != "" && !t.key.startsWith("node-role.kubernetes.io/") && (!t.key.startsWith("node.kubernetes.io/") || (has(t.effect) && t.effect == "NoExecute"))))`,
			"a pod may not run where the cluster keeps pods away"},
		{`variables.pods.all(p, !has(p.securityContext) || ((!has(p.securityContext.runAsUser) || p.securityContext.runAsUser != 0) && (!has(p.securityContext.runAsGroup) || p.securityContext.runAsGroup != 0) && (!has(p.securityContext.fsGroup) || p.securityContext.fsGroup != 0) && (!has(p.securityContext.supplementalGroups) || !p.securityContext.supplementalGroups.exists(g, g == 0)) && (!has(p.securityContext.seccompProfile) || p.securityContext.seccompProfile.type in ["RuntimeDefault", "Localhost"]) && (!has(p.securityContext.appArmorProfile) || p.securityContext.appArmorProfile.type in ["RuntimeDefault", "Localhost"])))`,
			"a pod may not run as root or unconfined"},
		{`variables.pods.all(p, !has(p.securityContext) || !has(p.securityContext.sysctls) || p.securityContext.sysctls.all(s, s.name in ["kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"]))`,
			"only sysctls that Kubernetes calls safe are allowed"},
		{`variables.pods.all(p, !has(p.affinity) || ["podAffinity", "podAntiAffinity"].all(k, !(k in p.affinity) || [p.affinity[k]].all(a, ((has(a.requiredDuringSchedulingIgnoredDuringExecution) ? a.requiredDuringSchedulingIgnoredDuringExecution : []) + (has(a.preferredDuringSchedulingIgnoredDuringExecution) ? a.preferredDuringSchedulingIgnoredDuringExecution.map(w, w.podAffinityTerm) : [])).all(t, !has(t.namespaceSelector) && (!has(t.namespaces) || t.namespaces.all(n, n == request.namespace))))))`,
			"a pod may not order its place by other teams' pods"},
		{`variables.contexts.all(s, ` + seLinuxHolds + `)`, "a pod may not change its SELinux user, role or type"},
		{`variables.contexts.all(s, !has(s.windowsOptions) || !has(s.windowsOptions.hostProcess) || !s.windowsOptions.hostProcess)`,
			"a pod may not have the node's rights"},
		{`variables.templates.all(t, !has(t.metadata) || (!("namespace" in t.metadata) && !has(t.metadata.finalizers) && !has(t.metadata.ownerReferences) && (!has(t.metadata.annotations) || t.metadata.annotations.all(k, !k.startsWith("sidecar.istio.io/userVolume") && !(k in ["k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"]) && (!k.startsWith("container.apparmor.security.beta.kubernetes.io/") || t.metadata.annotations[k] == "runtime/default" || t.metadata.annotations[k].startsWith("localhost/"))))))`,
			"a pod may not ask by its metadata for what its fields may not"},
	}
}

// each holds something for every container c of every pod p.
func each(condition string) string {
	return `variables.pods.all(p, (p.containers + (has(p.initContainers) ? p.initContainers : [])).all(c, ` + condition + `))`
}

func containerRules() []rule {
	return []rule{
		{each(`has(c.securityContext) && has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation && !(has(c.securityContext.privileged) && c.securityContext.privileged) && (!has(c.securityContext.procMount) || c.securityContext.procMount == "Default")`),
			"a container may not be privileged or gain rights"},
		{each(`has(c.securityContext) && has(c.securityContext.capabilities) && has(c.securityContext.capabilities.drop) && "ALL" in c.securityContext.capabilities.drop && (!has(c.securityContext.capabilities.add) || c.securityContext.capabilities.add.all(a, a == "NET_BIND_SERVICE"))`),
			"a container must drop all capabilities"},
		{each(`(has(c.securityContext) && has(c.securityContext.runAsNonRoot)) ? c.securityContext.runAsNonRoot : (has(p.securityContext) && has(p.securityContext.runAsNonRoot) && p.securityContext.runAsNonRoot)`),
			"a container must not run as root"},
		{each(`!has(c.securityContext) || ((!has(c.securityContext.runAsUser) || c.securityContext.runAsUser != 0) && (!has(c.securityContext.runAsGroup) || c.securityContext.runAsGroup != 0))`),
			"a container must not run as root"},
		{each(`(has(c.securityContext) && has(c.securityContext.seccompProfile)) ? c.securityContext.seccompProfile.type in ["RuntimeDefault", "Localhost"] : (has(p.securityContext) && has(p.securityContext.seccompProfile))`),
			"a container must have a seccomp profile"},
		{each(`!has(c.securityContext) || [c.securityContext].all(s, ` + seLinuxHolds + `)`), "a container may not change its SELinux user, role or type"},
		{each(`!has(c.securityContext) || !has(c.securityContext.windowsOptions) || !has(c.securityContext.windowsOptions.hostProcess) || !c.securityContext.windowsOptions.hostProcess`),
			"a container may not have the node's rights"},
		{each(`!has(c.securityContext) || !has(c.securityContext.appArmorProfile) || c.securityContext.appArmorProfile.type in ["RuntimeDefault", "Localhost"]`),
			"a container may not switch AppArmor off"},
		{each(`(!has(c.ports) || c.ports.all(o, !has(o.hostPort) || o.hostPort == 0)) && (!has(c.volumeDevices) || size(c.volumeDevices) == 0) && (!has(c.volumeMounts) || c.volumeMounts.all(m, (!has(m.mountPropagation) || m.mountPropagation != "Bidirectional") && (!has(m.subPath) || !m.subPath.contains("..")) && (!has(m.subPathExpr) || !m.subPathExpr.contains(".."))))`),
			"a container may not take ports, devices or mounts of the node"},
	}
}

func objectRules() []rule {
	return []rule{
		{`!has(object.metadata.finalizers) || object.metadata.finalizers.all(f, f == "kubernetes.io/pvc-protection" || (oldObject != null && has(oldObject.metadata.finalizers) && f in oldObject.metadata.finalizers))`,
			"finalizers are not for a unit to set"},
		{`!has(object.metadata.ownerReferences) || object.metadata.ownerReferences.all(o, oldObject != null && has(oldObject.metadata.ownerReferences) && oldObject.metadata.ownerReferences.exists(p, p.uid == o.uid))`,
			"owners are not for a unit to set"},
		{`variables.annotations.all(k, !k.endsWith("-snippet") && !k.endsWith("-snippets"))`, "an object may not bring snippets"},
		{fmt.Sprintf(`request.operation == "UPDATE" || (%q in variables.annotations && has(object.metadata.labels) && object.metadata.labels.exists(k, k == %q && object.metadata.labels[k] == %q))`, object.AnnotationUnit, object.LabelManagedBy, object.ManagedBy),
			"an object that is made must name its unit and who manages it"},
		{`object.kind != "Secret" || ((!has(object.type) || !(object.type in ["` + tokenSecret + `", "` + bootstrapSecret + `"])) && variables.annotations.all(k, !k.startsWith("kubernetes.io/service-account.")))`,
			"a secret may not ask the cluster for credentials"},
		{`object.kind != "ServiceAccount" || !(object.metadata.name in ["default", "` + Deployer + `"])`, "this account is not a service's"},
		{`object.kind != "Service" || object.apiVersion != "v1" || (object.spec.type == "ClusterIP" && !has(object.spec.externalIPs) && !has(object.spec.externalName) && !has(object.spec.loadBalancerIP))`,
			"a service must stay inside the cluster"},
		{`object.kind != "PersistentVolumeClaim" || (!has(object.spec.selector) && (!has(object.spec.dataSourceRef) || !("namespace" in object.spec.dataSourceRef)) && (has(object.spec.volumeName) ? object.spec.volumeName : "") == (oldObject != null && has(oldObject.spec.volumeName) ? oldObject.spec.volumeName : ""))`,
			"a claim may not choose its volume"},
		{`object.kind != "Ingress" || (!has(object.spec.defaultBackend) && (!has(object.spec.rules) || object.spec.rules.all(r, has(r.host) && r.host != "" && !r.host.startsWith("*"))))`,
			"an ingress must say for which hosts it is"},
		{`!(object.kind in ["HTTPRoute", "GRPCRoute"]) || (has(object.spec.hostnames) && object.spec.hostnames.size() > 0 && object.spec.hostnames.all(h, !h.startsWith("*")))`,
			"a route must say for which hosts it is"},
		{`!(object.kind in ["HTTPRoute", "GRPCRoute"]) || !has(object.spec.rules) || object.spec.rules.all(r, (!has(r.backendRefs) || r.backendRefs.all(b, !("namespace" in b) || b["namespace"] == request.namespace)) && (!has(r.filters) || r.filters.all(f, !has(f.requestMirror) || !("namespace" in f.requestMirror.backendRef) || f.requestMirror.backendRef["namespace"] == request.namespace)))`,
			"a route may not lead to another namespace"},
		{`object.kind != "Certificate" || (!(has(object.spec.isCA) && object.spec.isCA) && (!has(object.spec.dnsNames) || object.spec.dnsNames.all(n, !(n.endsWith(".svc") || n.contains(".svc.")) || n.contains("." + request.namespace + ".svc"))))`,
			"a certificate may not sign others, or name other teams' services"},
		{`object.kind != "ExternalSecret" || !has(object.spec.target) || !has(object.spec.target.template) || !has(object.spec.target.template.type) || !(object.spec.target.template.type in ["` + tokenSecret + `", "` + bootstrapSecret + `"])`,
			"a secret may not ask the cluster for credentials"},
		{`object.kind != "ExternalSecret" || ((!has(object.spec.data) || object.spec.data.all(d, !has(d.sourceRef) && ` + ownSecret("d.remoteRef") + `)) && (!has(object.spec.dataFrom) || object.spec.dataFrom.all(d, !has(d.find) && (!has(d.extract) || ` + ownSecret("d.extract") + `) && (!has(d.sourceRef) || (!has(d.sourceRef.storeRef) && has(d.sourceRef.generatorRef) && d.sourceRef.generatorRef.kind == "Password")))) && !(has(object.spec.target) && has(object.spec.target.manifest)))`,
			"a secret from a store must be the team's own, by its name"},
		{`object.kind != "ScaledObject" || !has(object.spec.triggers) || object.spec.triggers.all(t, !has(t.authenticationRef) || !has(t.authenticationRef.kind) || t.authenticationRef.kind != "ClusterTriggerAuthentication")`,
			"these credentials are the cluster's"},
		{`!(object.kind in ["ServiceMonitor", "PodMonitor"]) || !has(object.spec.namespaceSelector) || (!(has(object.spec.namespaceSelector.any) && object.spec.namespaceSelector.any) && (!has(object.spec.namespaceSelector.matchNames) || object.spec.namespaceSelector.matchNames.all(n, n == request.namespace)))`,
			"a monitor may not look into other namespaces"},
	}
}

// trafficRules are the cluster's half of what is said of meshes, gateways and
// annotations. Own holds of a host h.
func trafficRules() []rule {
	own := func(h string) string { return h + `.endsWith("." + request.namespace + ".svc.cluster.local")` }
	kept := `(oldObject != null && has(oldObject.metadata.annotations) && k in oldObject.metadata.annotations && oldObject.metadata.annotations[k] == object.metadata.annotations[k])`
	prefixed := make([]string, 0, len(nginxOrders()))
	for _, name := range nginxOrders() {
		prefixed = append(prefixed, quoted(nginxPrefix+name))
	}
	leads := func(list string) string {
		return `(!has(object.spec.` + list + `) || object.spec.` + list + `.all(r, !has(r.delegate) && !has(r.mirror) && !has(r.mirrors) && (!has(r.route) || r.route.all(d, ` + own("d.destination.host") + `))))`
	}
	return []rule{
		{fmt.Sprintf(`variables.annotations.all(k, %s || ((!k.startsWith(%q) || k in [%s]) && (!k.startsWith(%q) || k in [%q, %q]) && (!k.startsWith(%q) || k == %q)))`,
			kept, nginxPrefix, strings.Join(prefixed, ", "), dnsPrefix, dnsPrefix+"hostname", dnsPrefix+"ttl", certPrefix, certPrefix+"cluster-issuer"),
			"an annotation may not ask an add-on for what is not the unit's"},
		{`!(object.kind in ["VirtualService", "DestinationRule"]) || (has(object.spec.exportTo) && object.spec.exportTo.size() > 0 && object.spec.exportTo.all(n, n == "." || n.matches("^[a-z0-9-]+$")))`,
			"a rule of the mesh must list the namespaces that are told"},
		{`object.kind != "DestinationRule" || ` + own("object.spec.host"), "a rule of the mesh must be for a service of its namespace"},
		{`object.kind != "VirtualService" || (has(object.spec.hosts) && object.spec.hosts.size() > 0 && object.spec.hosts.all(h, ` + own("h") + `) && (!has(object.spec.gateways) || object.spec.gateways == ["mesh"]) && ` + leads("http") + ` && ` + leads("tcp") + ` && ` + leads("tls") + `)`,
			"a rule of the mesh must be for services of its namespace, and lead nowhere else"},
		{`object.kind != "CiliumNetworkPolicy" || (!has(object.specs) && object.spec.all(k, k in ["endpointSelector", "egress", "description"]) && (!has(object.spec.egress) || object.spec.egress.all(r, r.all(k, k in ["toEndpoints", "toFQDNs", "toPorts"]) && (!has(r.toPorts) || r.toPorts.all(p, p.all(k, k == "ports" || (k == "rules" && p.rules.all(x, x == "dns"))))))))`,
			"such a policy may say which hosts are called only"},
		{`object.kind != "BackendTrafficPolicy" || (!has(object.spec.targetRef) && !has(object.spec.targetSelectors) && has(object.spec.targetRefs) && object.spec.targetRefs.size() > 0 && object.spec.targetRefs.all(r, r.kind in ["HTTPRoute", "GRPCRoute"]))`,
			"it may be for routes only"},
	}
}

// ownSecret holds of a reference to a secret whose name in the store begins with the
// team's, which the namespace is labelled with.
func ownSecret(ref string) string {
	return fmt.Sprintf(`has(%[1]s.key) && %[1]s.key.startsWith(namespaceObject.metadata.labels[%[2]q] + "/") && !%[1]s.key.contains("..")`, ref, object.LabelTeam)
}

// daemonPolicy judges what the daemon writes as itself: it binds one role to
// one account in the namespaces it made, and touches no other namespace, and no
// class of storage or priority that it did not make.
func daemonPolicy(username, inventory string) fields {
	ours := `(has(%[1]s.metadata.labels) && %[1]s.metadata.labels.exists(k, k == "` + object.LabelManagedBy + `" && %[1]s.metadata.labels[k] == "` + object.ManagedBy + `")) || (has(%[1]s.metadata.annotations) && "` + object.AnnotationUnit + `" in %[1]s.metadata.annotations)`
	return fields{
		"failurePolicy":   "Fail",
		"matchConditions": []any{fields{"name": "written-by-the-daemon", "expression": "request.userInfo.username == " + quoted(username)}},
		"matchConstraints": fields{"resourceRules": []any{
			fields{"apiGroups": []any{""}, "apiVersions": []any{"*"}, "resources": []any{"namespaces", "serviceaccounts", "resourcequotas", "limitranges"}, "operations": []any{"CREATE", "UPDATE", "DELETE"}},
			fields{"apiGroups": []any{"networking.k8s.io"}, "apiVersions": []any{"*"}, "resources": []any{"networkpolicies"}, "operations": []any{"CREATE", "UPDATE", "DELETE"}},
			fields{"apiGroups": []any{"scheduling.k8s.io"}, "apiVersions": []any{"*"}, "resources": []any{"priorityclasses"}, "operations": []any{"CREATE", "UPDATE", "DELETE"}},
			fields{"apiGroups": []any{"storage.k8s.io"}, "apiVersions": []any{"*"}, "resources": []any{"storageclasses"}, "operations": []any{"CREATE", "UPDATE", "DELETE"}},
			fields{"apiGroups": []any{"snapshot.storage.k8s.io"}, "apiVersions": []any{"*"}, "resources": []any{"volumesnapshotclasses"}, "operations": []any{"CREATE", "UPDATE", "DELETE"}},
			fields{"apiGroups": []any{rbacGroup}, "apiVersions": []any{"*"}, "resources": []any{"rolebindings"}, "operations": []any{"CREATE", "UPDATE", "DELETE"}},
		}},
		"variables": variables(
			"now", `request.operation == "DELETE" ? oldObject : object`,
			"once", `variables.now.kind in ["Namespace", "PriorityClass", "StorageClass", "VolumeSnapshotClass"]`,
		),
		"validations": validations(
			rule{fmt.Sprintf(`variables.once || (`+ours+`)`, "namespaceObject"), "the daemon writes only into namespaces of its own"},
			rule{fmt.Sprintf(`!variables.once || (variables.now.kind == "Namespace" && request.operation == "CREATE" && request.name == %[2]s) || (`+ours+`)`, "variables.now", quoted(inventory)), "the daemon makes namespaces and classes of its own only"},
			rule{fmt.Sprintf(`!variables.once || request.operation == "CREATE" || (`+ours+`)`, "oldObject"), "the daemon does not take over namespaces or classes"},
			rule{fmt.Sprintf(`variables.now.kind != "RoleBinding" || request.operation == "DELETE" || (object.roleRef.kind == "ClusterRole" && object.roleRef.name == %q && object.subjects.size() == 1 && object.subjects.all(s, s.kind == "ServiceAccount" && s.name == %q && s.namespace == request.namespace))`, TeamRole, Deployer),
				"the daemon binds the account of a namespace to what a team may do, and nothing else"},
		),
	}
}

func policyBinding(policy string) fields {
	return fields{"spec": fields{"policyName": policy, "validationActions": []any{"Deny"}}}
}

func variables(pairs ...string) []any {
	var out []any
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, fields{"name": pairs[i], "expression": strings.Join(strings.Fields(pairs[i+1]), " ")})
	}
	return out
}

func validations(rules ...rule) []any {
	out := make([]any, len(rules))
	for i, r := range rules {
		out[i] = fields{"expression": r.holds, "message": r.message}
	}
	return out
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
