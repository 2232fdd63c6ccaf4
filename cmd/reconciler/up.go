package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/status"
)

func newUp(a *app) *cobra.Command {
	u := &up{app: a}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole platform on this machine",
		Long: `up starts two real Kubernetes control planes, a Git server that holds this
repository, and the daemon, all on loopback, and makes a working clone to try
things in. Environments that sleep now run nothing; it is said which, and --at is
another time for all of it to go by. Ctrl-C ends everything; what was there is there again at the next
start, unless --reset is given.`,
		Example: `  reconciler up
  reconciler up --reset                                   forget everything first
  reconciler up --at 2026-12-01T22:00:00Z                 as on that evening
  reconciler up --kubeconfig ~/.kube/config --context local=kind-dev,prod-eu=kind-prod`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&u.state, "state-dir", "", "folder for everything that is kept (default: .fairway in the repository)")
	cmd.Flags().StringVar(&u.lab, "lab", "", "the lab's binary, as lab/build.sh prints it")
	cmd.Flags().StringVar(&u.gitea, "gitea", "", "the forge's binary, as lab/forge/build.sh prints it: a real forge with pull requests, instead of a bare Git server")
	cmd.Flags().BoolVar(&u.reset, "reset", false, "forget the clusters, the Git server and the clone of earlier runs first")
	cmd.Flags().DurationVar(&u.timeout, "timeout", 3*time.Minute, "how long to wait for everything to be healthy")
	cmd.Flags().StringVar(&u.at, "at", "", "the time to start at, for example 2026-12-01T22:00:00Z, which goes on from there (default: now)")
	u.settings.shared(cmd)
	return cmd
}

// up is one run of the platform on this machine.
type up struct {
	*app
	settings settings
	state    string
	lab      string
	gitea    string
	at       string
	reset    bool
	timeout  time.Duration

	top   string
	start time.Time
}

// planes are the control planes that up starts, by the contexts that the
// example's clusters name.
func planes() []string { return []string{"local", "prod-eu"} }

func (u *up) run(ctx context.Context) error {
	u.start = time.Now()
	if err := u.setClock(); err != nil {
		return err
	}
	if err := u.prepare(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lock, err := u.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if u.settings.kubeconfig == "" {
		running, err := u.startPlanes(ctx)
		defer running.stop()
		if err != nil {
			return err
		}
	} else {
		if err := u.checkContexts(); err != nil {
			return err
		}
		u.phase("clusters", "contexts of "+u.settings.kubeconfig)
	}
	start := u.startForge
	if u.gitea != "" {
		start = u.startGitea
	}
	forge, err := start(ctx)
	if err != nil {
		return err
	}
	defer forge.close()
	return u.serve(ctx, forge)
}

// setClock has everything go by the time asked for.
func (u *up) setClock() error {
	if u.at == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, u.at)
	if err != nil {
		return fmt.Errorf("--at %q is no time; write it like 2026-12-01T22:00:00Z", u.at)
	}
	ahead := at.Sub(u.start)
	u.settings.now = func() time.Time { return time.Now().Add(ahead) }
	return nil
}

// prepare finds the folders and, with --reset, empties them.
func (u *up) prepare() error {
	var err error
	if u.top, err = u.app.top(); err != nil {
		return err
	}
	if u.state == "" {
		u.state = filepath.Join(u.top, ".fairway")
	}
	if u.state, err = filepath.Abs(u.state); err != nil {
		return err
	}
	if u.settings.kubeconfig == "" && u.lab == "" {
		return errors.New("the lab's binary is needed: run make up, or --lab $(lab/build.sh), or use clusters you have with --kubeconfig")
	}
	if u.reset {
		if err := u.forget(); err != nil {
			return err
		}
	}
	return os.MkdirAll(u.state, 0o700)
}

// forget removes what earlier runs left, and nothing else that may be there.
func (u *up) forget() error {
	if _, err := os.Stat(u.state); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(u.state, "lock")); err != nil {
		return fmt.Errorf("reset: %s was not made by reconciler up; remove it by hand", u.state)
	}
	lock, err := u.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	var errs []error
	for _, name := range []string{"planes", "git", "forge", "data", "kubeconfig", "platform"} {
		errs = append(errs, os.RemoveAll(filepath.Join(u.state, name)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	u.phase("reset", u.state)
	return nil
}

// phase reports one step with the time since the start.
func (u *up) phase(name, detail string) {
	fmt.Fprintf(u.err, "%6.1fs  %-9s %s\n", time.Since(u.start).Seconds(), name, detail)
}

// serve runs the daemon until the context ends.
func (u *up) serve(ctx context.Context, forge *forge) error {
	log, err := os.OpenFile(filepath.Join(u.state, "daemon.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open the daemon's log: %w", err)
	}
	defer log.Close()
	listener, err := listen(u.settings.listen)
	if err != nil {
		return err
	}
	s := u.settings
	s.installation = "up" // the Git server may have another port the next time
	s.repo, s.branch, s.dataDir, s.poll = forge.url, "main", filepath.Join(u.state, "data"), 30*time.Second
	if s.ageKeyFile == "" {
		s.ageKeyFile = filepath.Join(u.top, "lab", "demo-age-key.txt") // the example's files are encrypted for it
	}
	server := "http://" + listener.Addr().String()
	if forge.gitea != nil {
		if err := forge.gitea.settle(ctx, server, &s); err != nil {
			listener.Close()
			return err
		}
	}
	d, err := u.newDaemon(s, u.logger(log, s.logFormat))
	if err != nil {
		listener.Close()
		return err
	}
	defer d.close()
	forge.onPush(d.Wake)
	u.phase("daemon", server+", log in "+log.Name())
	ready := make(chan error, 1)
	go func() { ready <- u.await(ctx, d, server, forge) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, listener) }()
	select {
	case err := <-ready:
		if err != nil {
			cancel()
			<-ended
			return err
		}
	case err := <-ended:
		return err
	}
	err = <-ended
	u.phase("stopped", "everything is kept in "+u.state)
	return err
}

// listen takes the address asked for, or a free one if it is taken.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	l, again := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if again != nil {
		return nil, fmt.Errorf("listen for the API: %w", errors.Join(err, again))
	}
	return l, nil
}

// await waits until every unit is synced and healthy, and says what to do next.
func (u *up) await(ctx context.Context, d *daemon, server string, f *forge) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(u.timeout)
	said := ""
	for {
		units := d.Units()
		good := 0
		for _, unit := range units {
			if ready(unit) {
				good++
			}
		}
		if good == len(units) && good > 0 && d.Source().Revision != "" && len(units) >= len(d.Fleet().Units("")) {
			u.phase("healthy", fmt.Sprintf("%s on %s at %s, verdict %s", diag.Many(good, "unit"), diag.Many(len(d.Clusters()), "cluster"), short(d.Source().Revision), d.Source().Verdict))
			for _, line := range sleepers(units) {
				u.phase("asleep", line)
			}
			u.nextSteps(server, f)
			return nil
		}
		if now := fmt.Sprintf("%d of %d units healthy", good, len(units)); now != said && terminal(u.err) {
			fmt.Fprintf(u.err, "\r\x1b[K%6.1fs  %-9s %s\r", time.Since(u.start).Seconds(), "waiting", now)
			said = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-deadline:
			return fmt.Errorf("not everything is healthy after %s:\n%s", u.timeout, troubles(units, d.Source()))
		case <-tick.C:
		}
	}
}

// sleepers says of each environment that sleeps how many units run nothing for it.
func sleepers(units []status.Unit) []string {
	asleep := map[string]int{}
	for _, unit := range units {
		if unit.Asleep {
			asleep[unit.Unit.Environment]++
		}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(asleep)) {
		lines = append(lines, fmt.Sprintf("%s: %d units run nothing now, as sleep in environments/%s/environment.cue says", name, asleep[name], name))
	}
	return lines
}

// troubles lists what is not as it should be.
func troubles(units []status.Unit, source status.Source) string {
	var lines []string
	if source.Message != "" {
		lines = append(lines, "  git: "+source.Message)
	}
	for _, unit := range units {
		if !ready(unit) {
			lines = append(lines, fmt.Sprintf("  %s: %s %s %s", unit.Unit, unit.Sync, unit.Health, unit.Message))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// nextSteps prints the exact commands to go on with.
func (u *up) nextSteps(server string, f *forge) {
	self, err := os.Executable()
	if err != nil {
		self = "reconciler"
	}
	flag := ""
	if server != "http://127.0.0.1:7420" {
		flag = " --server " + server
	}
	fmt.Fprintf(u.out, `
API          %[1]s/api/v1/units
Kubeconfig   %[2]s  (contexts %[3]s)
Repository   %[4]s, cloned to %[5]s

Try it, in another terminal:

  cd %[5]s
  %[6]s status%[7]s
  sed -i 's/PAYMENT_TIMEOUT: "20s"/PAYMENT_TIMEOUT: "30s"/' teams/shop/checkout/service.cue
  %[6]s vet
  %[6]s plan --base HEAD
  git commit -am 'checkout: wait longer for payments' && git push
  %[6]s wait%[7]s
  git revert --no-edit HEAD && git push

`, server, u.kubeconfigPath(), strings.Join(planes(), ", "), withoutUser(f.url), f.clone, self, flag)
	if f.gitea != nil {
		fmt.Fprintf(u.out, `
Or by a pull request, which is told what it would do and is made into a preview:

  git commit -am 'checkout: wait longer for payments' && git push origin HEAD:refs/for/main -o topic=wait
  %[1]s pulls%[2]s
  %[1]s plan --pr 1%[2]s
  %[1]s get previews%[2]s
`, self, flag)
	}
	fmt.Fprint(u.out, "\nCtrl-C ends everything; reconciler up brings it back.\n")
}

func (u *up) kubeconfigPath() string {
	if u.settings.kubeconfig != "" {
		return u.settings.kubeconfig
	}
	return filepath.Join(u.state, "kubeconfig")
}
