package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfigs writes one self-contained kubeconfig per identity, whose
// cluster and context bear the name of the plane. They are written at every
// start, since the port may be another one.
func writeKubeconfigs(d dir, name, server string, ids []identity) error {
	authority, err := os.ReadFile(d.path(authorityCert))
	if err != nil {
		return fmt.Errorf("write kubeconfigs: %w", err)
	}
	for _, id := range ids {
		c := api.NewConfig()
		c.Clusters[name] = &api.Cluster{Server: server, CertificateAuthorityData: authority}
		c.AuthInfos[id.name] = &api.AuthInfo{Token: id.token}
		c.Contexts[name] = &api.Context{Cluster: name, AuthInfo: id.name}
		c.CurrentContext = name
		data, err := clientcmd.Write(*c)
		if err != nil {
			return fmt.Errorf("write the kubeconfig of %s: %w", id.name, err)
		}
		if err := d.write(id.kubeconfig, data); err != nil {
			return err
		}
	}
	return nil
}

// labClients are the supervisor's own clients, for readiness and for the objects
// every plane starts with.
func labClients(d dir) (kubernetes.Interface, dynamic.Interface, error) {
	c, err := clientcmd.BuildConfigFromFlags("", d.path(componentKubeconfig(labUser)))
	if err != nil {
		return nil, nil, fmt.Errorf("load the kubeconfig of the supervisor: %w", err)
	}
	c.QPS = -1 // the wait for readiness polls; a client-side limit would only slow it
	c.UserAgent = "fairway-lab"
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, nil, fmt.Errorf("make a client of the plane: %w", err)
	}
	raw, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, nil, fmt.Errorf("make a client of the plane: %w", err)
	}
	return client, raw, nil
}
