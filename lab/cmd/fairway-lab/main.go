// Command fairway-lab is a real Kubernetes control plane in one binary: etcd,
// the API server, the controller manager and the scheduler as they are
// released, with kwok playing the nodes. It needs no container runtime, so
// Fairway's tests and its local trial run against the same API servers that
// production has.
//
//	fairway-lab plane --name local --dir DIR
//
// starts one control plane and keeps it running; "fairway-lab plane --help"
// lists the flags. The other subcommands are its child processes. It runs on
// Linux only: children die with their supervisor by PR_SET_PDEATHSIG.
package main

import (
	"fmt"
	"io"
	"os"

	"k8s.io/component-base/version"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run dispatches to one subcommand and returns the exit code.
func run(args []string) int {
	if len(args) == 0 {
		usage(os.Stderr)
		return 2
	}
	name, rest := args[0], args[1:]
	if component, ok := components()[name]; ok {
		return component(rest)
	}
	switch name {
	case "plane":
		return planeMain(rest)
	case "version":
		fmt.Println("fairway-lab Kubernetes " + version.Get().GitVersion)
		return 0
	case "help", "-h", "--help":
		usage(os.Stdout)
		return 0
	}
	fmt.Fprintf(os.Stderr, "fairway-lab: no subcommand %q\n", name)
	usage(os.Stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, `usage: fairway-lab SUBCOMMAND [flags]

  plane                    start a control plane and keep it running (see plane --help)
  version                  print the version of Kubernetes inside
  etcd                     one etcd member; a child of plane
  kube-apiserver           the API server; a child of plane
  kube-controller-manager  the controllers; a child of plane
  kube-scheduler           the scheduler; a child of plane
`)
}
