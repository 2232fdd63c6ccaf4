package main

import "strings"

// controllerNames are the loops the lab runs: those that own the life of
// workloads, namespaces and owner references. Those for clouds, certificate
// requests, attached volumes and metrics are left out: they have nothing to
// do here, and autoscaling without a metrics server fills the log.
func controllerNames() []string {
	return []string{
		"deployment-controller",
		"replicaset-controller",
		"statefulset-controller",
		"daemonset-controller",
		"job-controller",
		"cronjob-controller",
		"ttl-after-finished-controller",
		"disruption-controller",
		"namespace-controller",
		"garbage-collector-controller",
		"pod-garbage-collector-controller",
		"endpoints-controller",
		"endpointslice-controller",
		"serviceaccount-controller",
		"serviceaccount-token-controller",
		"root-ca-certificate-publisher-controller",
		"clusterrole-aggregation-controller",
		"resourcequota-controller",
		"validatingadmissionpolicy-status-controller",
		"node-lifecycle-controller",
		"taint-eviction-controller",
		"persistentvolume-binder-controller",
		"persistentvolumeclaim-protection-controller",
		"persistentvolume-protection-controller",
	}
}

// controllerArgs are the arguments of the controller manager. It serves
// nothing and elects no leader, since there is one.
func (p *plane) controllerArgs() []string {
	return []string{
		"--kubeconfig=" + p.dir.path(componentKubeconfig(controllerName)),
		"--controllers=" + strings.Join(controllerNames(), ","),
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + p.dir.path(serviceAccountKey),
		"--root-ca-file=" + p.dir.path(authorityCert),
		"--kube-api-qps=2000",
		"--kube-api-burst=4000",
		"--concurrent-deployment-syncs=10",
		"--concurrent-replicaset-syncs=10",
		"--endpointslice-updates-batch-period=0s",
		// Nodes send no heartbeats, so that an idle plane is quiet; only a
		// node whose own status says so is ever not ready.
		"--node-monitor-grace-period=87600h",
		"--pvclaimbinder-sync-period=10m",
	}
}
