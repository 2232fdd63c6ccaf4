package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Set is several planes that run together, as a company has them.
type Set struct {
	// Planes are by name.
	Planes map[string]*Plane
	// Admin are clients of the identity that arranges tests.
	Admin map[string]dynamic.Interface
	// Kubeconfig is for the identity under test: a context for each plane.
	Kubeconfig string
	// Dir is a folder that goes with the set.
	Dir string
}

// RunSet runs planes with audit logs until Stop, on which the identity under test
// has the rights of a daemon and no others.
func RunSet(names ...string) (*Set, error) {
	if _, err := Binary(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fairway-set-")
	if err != nil {
		return nil, fmt.Errorf("start planes: %w", err)
	}
	s := &Set{Planes: map[string]*Plane{}, Admin: map[string]dynamic.Interface{}, Dir: dir}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	for _, name := range names {
		wg.Go(func() {
			p, err := Run(Options{Name: name, Audit: true})
			if err == nil {
				err = p.Restrict(context.Background()) // as an operator would
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			if p != nil {
				s.Planes[name] = p
			}
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs, s.connect())...); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start planes: %w", err)
	}
	return s, nil
}

// connect makes the admin's clients and one kubeconfig for the identity under test.
func (s *Set) connect() error {
	merged := clientcmdapi.NewConfig()
	for name, p := range s.Planes {
		cfg, err := clientcmd.BuildConfigFromFlags("", p.AdminKubeconfig)
		if err != nil {
			return err
		}
		cfg.QPS, cfg.UserAgent = -1, "admin" // whoever calls itself as we do is matched with the journal
		if s.Admin[name], err = dynamic.NewForConfig(cfg); err != nil {
			return err
		}
		one, err := clientcmd.LoadFromFile(p.Kubeconfig)
		if err != nil {
			return err
		}
		current := one.Contexts[one.CurrentContext]
		merged.Clusters[name], merged.AuthInfos[name] = one.Clusters[current.Cluster], one.AuthInfos[current.AuthInfo]
		merged.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	s.Kubeconfig = filepath.Join(s.Dir, "kubeconfig")
	return clientcmd.WriteToFile(*merged, s.Kubeconfig)
}

// Config is how the identity under test reaches a plane.
func (s *Set) Config(name string) (*rest.Config, error) {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: s.Kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: name},
	).ClientConfig()
}

// Stop ends the planes and removes their files.
func (s *Set) Stop() {
	var wg sync.WaitGroup
	for _, p := range s.Planes {
		wg.Go(p.Stop)
	}
	wg.Wait()
	os.RemoveAll(s.Dir)
}
