package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/util/validation"
)

// options are what the user asked for.
type options struct {
	name              string
	dirPath           string
	addonsPath        string // empty for none
	nodes             int
	zones             []string
	audit             audit
	wantAPIServerPort int // 0 for any
	wantEtcdPort      int
	untilStdinCloses  bool
}

// planeMain runs the subcommand plane and returns its exit code.
func planeMain(args []string) int {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fairway-lab plane:", err)
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	if o.untilStdinCloses {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // any end of it, good or bad, is the end
			cancel()
		}()
	}
	if err := runPlane(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "fairway-lab plane:", err)
		return 1
	}
	return 0
}

func parseOptions(args []string) (options, error) {
	var o options
	var zones string
	flags := flag.NewFlagSet("fairway-lab plane", flag.ContinueOnError)
	flags.StringVar(&o.name, "name", "local", "name of the plane: its kubeconfig context, its region, the prefix of its nodes")
	flags.StringVar(&o.dirPath, "dir", "", "folder of its state; starting again on it keeps the objects (required)")
	flags.StringVar(&o.addonsPath, "addons", "", "folder of add-ons: the CustomResourceDefinitions in its folders' YAML files are installed, the Stages of kwok played")
	flags.IntVar(&o.nodes, "nodes", 3, "number of nodes")
	flags.StringVar(&zones, "zones", "a,b,c", "zones the nodes are spread over")
	flags.BoolVar(&o.audit.on, "audit", false, "write DIR/"+auditLogFile+", one JSON line per request")
	flags.StringVar(&o.audit.level, "audit-level", "Metadata", "Metadata, Request or RequestResponse")
	flags.IntVar(&o.wantAPIServerPort, "apiserver-port", 0, "loopback port of the API server; 0 for any free one")
	flags.IntVar(&o.wantEtcdPort, "etcd-port", 0, "loopback port of etcd; 0 for any free one")
	flags.BoolVar(&o.untilStdinCloses, "until-stdin-closes", false, "stop when standard input ends, so that no plane outlives its parent")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.zones = strings.Split(zones, ",")
	return o, o.validate(flags.Args())
}

// validate reports every mistake at once.
func (o options) validate(rest []string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("%q: only flags are expected", rest))
	}
	if o.dirPath == "" {
		errs = append(errs, errors.New("--dir: missing"))
	}
	// The name is a prefix of node names and a label value.
	for _, problem := range validation.IsDNS1123Label(o.name) {
		errs = append(errs, fmt.Errorf("--name %q: %s", o.name, problem))
	}
	if o.nodes < 0 {
		errs = append(errs, fmt.Errorf("--nodes %d: must not be negative", o.nodes))
	}
	for _, zone := range o.zones {
		for _, problem := range validation.IsValidLabelValue(zone) {
			errs = append(errs, fmt.Errorf("--zones %q: %s", zone, problem))
		}
	}
	return errors.Join(append(errs, o.audit.validate())...)
}
