package kube

import (
	"fmt"
	"runtime/debug"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config reads how to reach a cluster: from a kubeconfig file and, if given,
// one of its contexts; from the pod's own service account where no file is
// named. The client-side rate limit is off: the server's priority and
// fairness, and the caller's adaptive concurrency, see more than it does.
func Config(kubeconfig, context string) (*rest.Config, error) {
	cfg, err := load(kubeconfig, context)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %q: %w", kubeconfig, err)
	}
	cfg.QPS = -1
	cfg.UserAgent = userAgent()
	return cfg, nil
}

func load(kubeconfig, context string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: context},
	).ClientConfig()
}

func userAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return "fairway/" + version
}

// requestConfig is for short requests. It speaks HTTP/1.1 on purpose: many
// connections spread over the API servers behind a load balancer, and one
// slow answer holds up no other.
func requestConfig(cfg *rest.Config, timeout time.Duration) *rest.Config {
	out := watchConfig(cfg)
	out.Timeout = timeout
	out.NextProtos = []string{"http/1.1"}
	return out
}

// watchConfig is for streams: one HTTP/2 connection holds all of them, pings
// find out when it is dead, and no overall timeout cuts them off.
func watchConfig(cfg *rest.Config) *rest.Config {
	out := rest.CopyConfig(cfg)
	out.QPS = -1
	out.WarningHandler = rest.NoWarnings{} // servers and webhooks quote what they warn of, and this goes to stderr
	out.RateLimiter = nil
	out.Timeout = 0
	out.ContentType = "application/json"
	out.AcceptContentTypes = "application/json"
	if out.UserAgent == "" {
		out.UserAgent = userAgent()
	}
	return out
}
