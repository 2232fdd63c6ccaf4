package main

import (
	"fmt"
	"net"
	"strconv"
)

// apiserverArgs are the arguments of the API server. What they leave out is
// at its default on purpose: admission plugins, priority and fairness, limits.
func (p *plane) apiserverArgs() []string {
	args := []string{
		"--etcd-servers=http://" + net.JoinHostPort(loopback, strconv.Itoa(p.etcdPort.number)),
		"--bind-address=" + loopback,
		"--advertise-address=" + loopback,
		"--secure-port=" + strconv.Itoa(p.apiserverPort.number),
		"--permit-port-sharing=true", // the supervisor holds the port, see reservePort
		"--tls-cert-file=" + p.dir.path(servingCert),
		"--tls-private-key-file=" + p.dir.path(servingKey),
		"--service-account-key-file=" + p.dir.path(serviceAccountKey),
		"--service-account-signing-key-file=" + p.dir.path(serviceAccountKey),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--token-auth-file=" + p.dir.path(tokenFile),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		// One API server on loopback has no peers to find: these would only
		// write to etcd every ten seconds.
		"--endpoint-reconciler-type=none",
		"--feature-gates=APIServerIdentity=false,UnknownVersionInteroperabilityProxy=false",
		"--profiling=false",
	}
	if p.audit.on {
		args = append(args, p.audit.args(p.dir)...)
	}
	return args
}

// server is the API server's address.
func (p *plane) server() string {
	return fmt.Sprintf("https://%s", net.JoinHostPort(loopback, strconv.Itoa(p.apiserverPort.number)))
}
