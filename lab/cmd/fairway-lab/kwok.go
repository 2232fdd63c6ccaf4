package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/client"
)

// kwokName names the log of what runs in the supervisor itself.
const kwokName = "kwok"

// playNodes runs kwok's controllers in this process until ctx ends: they make
// nodes and pods ready and delete pods, as kubelets would, and play the operators
// of add-ons. They are loops over watches without global state, so they need no
// process of their own.
func playNodes(ctx context.Context, d dir, more []*internalversion.Stage) error {
	out, err := os.OpenFile(d.logPath(kwokName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	if err := sendKlog(out); err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	c, err := kwokConfig(d.path(componentKubeconfig(labUser)), more)
	if err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	controller, err := controllers.NewController(c)
	if err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	ctx = log.NewContext(ctx, log.NewLogger(out, log.LevelWarn))
	if err := controller.Start(ctx); err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	return nil
}

// sendKlog keeps what client libraries log off the terminal.
func sendKlog(out io.Writer) error {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	if err := flags.Parse([]string{"--logtostderr=false", "--alsologtostderr=false", "--stderrthreshold=FATAL"}); err != nil {
		return err
	}
	klog.SetOutput(out)
	return nil
}

// kwokConfig manages every node there is, also those a test adds. There are
// no node leases: nobody watches the heartbeat of a node here.
func kwokConfig(kubeconfig string, more []*internalversion.Stage) (controllers.Config, error) {
	stages, err := fastStages(more)
	if err != nil {
		return controllers.Config{}, err
	}
	clients, err := client.NewClientset("", kubeconfig)
	if err != nil {
		return controllers.Config{}, err
	}
	c := controllers.Config{
		Clock:                      clock.RealClock{},
		ID:                         labUser,
		ManageAllNodes:             true,
		CIDR:                       "10.128.0.1/9",
		NodeIP:                     "10.64.0.1",
		LocalStages:                stages,
		NodePlayStageParallelism:   2,
		PodPlayStageParallelism:    8,
		PodsOnNodeSyncParallelism:  2,
		ImpersonatingDynamicClient: clients.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient:   clients.ToImpersonatingTypedClient(),
	}
	return c, addClients(&c, clients)
}

func addClients(c *controllers.Config, clients client.Clientset) error {
	config, err := clients.ToRESTConfig()
	if err != nil {
		return err
	}
	if c.DynamicClient, err = clients.ToDynamicClient(); err != nil {
		return err
	}
	if c.RESTMapper, err = clients.ToRESTMapper(); err != nil {
		return err
	}
	if c.RESTClient, err = rest.RESTClientFor(config); err != nil {
		return err
	}
	if c.TypedClient, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	c.TypedKwokClient, err = versioned.NewForConfig(config)
	return err
}
