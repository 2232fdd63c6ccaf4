package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
)

// A plane is one running control plane.
type plane struct {
	options
	addons        addons
	dir           dir
	etcdPort      *port
	apiserverPort *port
	starter       starter
	children      []*child // in the order they were started
	stopPlaying   context.CancelFunc
	ready         context.Context // done when the plane is ready
	setReady      context.CancelFunc
	failed        chan error // ends of children during the start
}

// runPlane starts a plane, prints its readiness line and keeps it running
// until ctx ends.
func runPlane(ctx context.Context, o options) (err error) {
	began := time.Now()
	p := &plane{options: o, starter: newStarter(), failed: make(chan error, 8)}
	p.ready, p.setReady = context.WithCancel(context.Background())
	if p.addons, err = readAddons(o.addonsPath); err != nil {
		return err
	}
	if p.dir, err = openDir(o.dirPath); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.dir.close()) }()
	defer p.stop()
	if err := p.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while starting: no failure
		}
		return fmt.Errorf("start plane %s in %s: %w", o.name, p.dir.root, err)
	}
	p.setReady()
	if err := p.report(os.Stdout, time.Since(began)); err != nil {
		return fmt.Errorf("print the readiness line: %w", err)
	}
	<-ctx.Done()
	return nil
}

// start brings everything up and returns when the plane can be used.
func (p *plane) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not there within %s", startLimit))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	go func() {
		select {
		case err := <-p.failed:
			fail(err)
		case <-ctx.Done():
		}
	}()
	err := errors.Join(p.prepare(), ctx.Err())
	if err == nil {
		err = p.bringUp(ctx)
	}
	// A child that ended explains more than the wait it broke.
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// prepare writes the files the components read and takes the ports.
func (p *plane) prepare() (err error) {
	if p.etcdPort, err = reservePort(p.wantEtcdPort); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	if p.apiserverPort, err = reservePort(p.wantAPIServerPort); err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	if err := ensureCerts(p.dir); err != nil {
		return err
	}
	ids, err := ensureTokens(p.dir)
	if err != nil {
		return err
	}
	if err := writeKubeconfigs(p.dir, p.name, p.server(), ids); err != nil {
		return err
	}
	return p.audit.writePolicy(p.dir)
}

// bringUp starts the components, each as soon as it can do something useful,
// and makes the objects every plane has.
func (p *plane) bringUp(ctx context.Context) error {
	client, raw, err := labClients(p.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(p.launch(etcdName, p.etcdArgs()), p.launch(apiserverName, p.apiserverArgs())); err != nil {
		return err
	}
	if err := waitUntil(ctx, "the API server", serverReady(client)); err != nil {
		return err
	}
	if err := p.addons.install(ctx, raw); err != nil {
		return err
	}
	if err := errors.Join(p.launch(controllerName, p.controllerArgs()), p.launch(schedulerName, p.schedulerArgs())); err != nil {
		return err
	}
	if err := allowFairway(ctx, client); err != nil {
		return err
	}
	if err := p.fleet().create(ctx, client); err != nil {
		return err
	}
	if err := waitUntil(ctx, "the kinds of the add-ons", p.addons.served(client)); err != nil {
		return err
	}
	if err := p.playCluster(ctx, client); err != nil {
		return err
	}
	if err := waitUntil(ctx, "the service account of namespace default", namespaceReady(client)); err != nil {
		return err
	}
	return waitUntil(ctx, "the nodes", nodesReady(client, p.fleet()))
}

// playCluster starts what a real cluster has beside its control plane:
// kubelets and a storage provider. Both outlive the start, so they do not end
// with its context.
func (p *plane) playCluster(ctx context.Context, client kubernetes.Interface) error {
	ctx, p.stopPlaying = context.WithCancel(context.WithoutCancel(ctx))
	if err := playNodes(ctx, p.dir, p.addons.stages); err != nil {
		return err
	}
	return volumes{client}.provide(ctx)
}

func (p *plane) launch(name string, args []string) error {
	c, err := p.starter.launch(name, p.dir.logPath(name), args)
	if err != nil {
		return err
	}
	p.children = append(p.children, c)
	go c.watch(p.starter, p.ready, p.failed)
	return nil
}

func (p *plane) fleet() fleet { return fleet{plane: p.name, count: p.nodes, zones: p.zones} }

// stop ends everything within three seconds, the clients of the API server
// before it and etcd last, so that each can still finish its writes.
func (p *plane) stop() {
	if p.stopPlaying != nil {
		p.stopPlaying()
	}
	patience := map[string]time.Duration{
		etcdName:       700 * time.Millisecond,
		apiserverName:  1500 * time.Millisecond,
		controllerName: 500 * time.Millisecond,
		schedulerName:  500 * time.Millisecond,
	}
	servers := min(2, len(p.children)) // etcd and the API server
	var wait sync.WaitGroup
	for _, c := range p.children[servers:] {
		wait.Go(func() { c.stop(patience[c.name]) })
	}
	wait.Wait()
	for _, c := range slices.Backward(p.children[:servers]) {
		c.stop(patience[c.name])
	}
}
