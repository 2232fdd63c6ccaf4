package main

import (
	_ "time/tzdata" // CronJobs name time zones; the machine may have no zone files

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // the released binaries expose client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // and their version
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// The names of the components are their subcommands, their log files and
// their keys in the readiness line.
const (
	etcdName       = "etcd"
	apiserverName  = "kube-apiserver"
	controllerName = "kube-controller-manager"
	schedulerName  = "kube-scheduler"
)

// components maps each subcommand that is one server to its main function.
// Feature gates and klog are global to a process, so every server gets a
// process of its own and this binary is executed once for each.
func components() map[string]func(args []string) int {
	return map[string]func(args []string) int{
		etcdName:       etcdMain,
		apiserverName:  released(func() *cobra.Command { return apiserver.NewAPIServerCommand() }),
		controllerName: released(func() *cobra.Command { return controllers.NewControllerManagerCommand() }),
		schedulerName:  released(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	}
}

// released runs a Kubernetes component exactly as its own main does.
func released(command func() *cobra.Command) func(args []string) int {
	return func(args []string) int {
		c := command()
		c.SetArgs(args)
		return cli.Run(c)
	}
}
